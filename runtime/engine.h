/* The public interface of dyno: open a model, feed it tokens, get logits.
 *
 *   dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
 *   options.model = "gpt-oss-20b.gguf";
 *   dyno_engine_open(&engine, &options, &error);
 *   dyno_sequence_open(&sequence, engine, 4096, &error);
 *   dyno_sequence_append(sequence, tokens, count, NULL, NULL, &error);
 *   const float *logits = dyno_sequence_logits(sequence);
 *
 * An engine and its sequences are used by one thread at a time: they share the engine's pool. */
#ifndef DYNO_RUNTIME_ENGINE_H
#define DYNO_RUNTIME_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/status.h"
#include "kernels/registry.h"
#include "runtime/cache/options.h"
#include "runtime/cache/statistics.h"
#include "runtime/model/ablation.h"
#include "runtime/model/config.h"
#include "runtime/placement.h"
#include "runtime/precision.h"
#include "runtime/prefetch.h"
#include "runtime/probe.h"
#include "runtime/sample/retained.h"

typedef struct dyno_engine dyno_engine;
typedef struct dyno_sequence dyno_sequence;

/* Tokens in one pass of a prefill. Measured with the 20B shapes, 1024 tokens and two threads: 128
 * 377, 256 470, 512 492, 1024 528 t/s (of four layers); each pass of 512 takes some 110 MB. */
#define DYNO_DEFAULT_BATCH 512

/* How logits are made. */
typedef enum dyno_logits_mode {
  DYNO_LOGITS_FULL,
  /* The largest from a screen of the output matrix and that matrix itself; all of them only when
   * they are asked for. Takes memory for the screen, about 4.3 bits for each of its weights. */
  DYNO_LOGITS_TWO_STAGE,
} dyno_logits_mode;

typedef struct dyno_engine_options {
  const char *model; /* a path, or a reference as `--model` takes it */
  dyno_precision precision;
  dyno_kv_format kv;
  dyno_registry_options registry; /* registry.threads is the number of threads; 0: all usable */
  size_t batch;               /* the most tokens in one pass of a prefill; 0: DYNO_DEFAULT_BATCH */
  dyno_pool_kind pool;        /* how threads hand work over */
  dyno_huge_pages huge_pages; /* what pages weights, keys and values are on */
  dyno_numa numa;             /* and on which nodes */
  dyno_allocator_kind alloc;  /* where the memory of sequences and caches comes from */
  /* Looks for writes beyond that memory and for what is used before it was written; what of both is
   * found ends the program. Slow. */
  bool alloc_checks;
  bool alloc_timed; /* averages over time and latencies of that memory are wanted */
  FILE
      *alloc_record; /* a line for each of its operations (docs/memory.md); NULL: none. Not owned */
  dyno_parts ablate; /* parts of the architecture to leave out */
  bool rope_ggml;    /* round YaRN's correction range as ggml does */
  dyno_logits_mode logits;
  dyno_prefetch prefetch; /* what a pass of a single token asks for early */
  /* What weights are lowered to on their way in, as `--quant` takes it; NULL: nothing is. */
  const char *quant;
  dyno_cache_options cache; /* what is kept between requests; nothing by default */
  /* An engine of the same model that lives longer: its file is used, its pool where that is of the
   * same kind and size, and its packed weights wherever the layouts chosen are the same. NULL: an
   * engine of its own. USAGE with other huge pages or NUMA placement, or with weights that move in
   * the background. Engines that share are used by one thread at a time, as if they were one. */
  const dyno_engine *share;
  /* Of own packed weights; more is refused with UNAVAILABLE before any is packed. 0: no limit. */
  uint64_t memory_limit;
  /* Called while the weights come in, with bytes; false stops with INTERRUPTED. May be NULL. */
  bool (*progress)(void *context, uint64_t done, uint64_t total);
  void *progress_context;
} dyno_engine_options;

#define DYNO_ENGINE_DEFAULTS                                                                       \
  ((dyno_engine_options){.registry = {.isa = DYNO_ISA_COUNT, .threads = 0}})

/* Opens the model, chooses kernels and loads the weights. On failure *engine is NULL. The strings
 * in options need not outlive the call. */
dyno_status dyno_engine_open(dyno_engine **engine, const dyno_engine_options *options,
                             dyno_error *error);

/* Frees everything; its sequences must be closed. Sets *engine to NULL; NULL is fine. */
void dyno_engine_close(dyno_engine **engine);

const dyno_model_config *dyno_engine_config(const dyno_engine *engine);
const dyno_registry *dyno_engine_registry(const dyno_engine *engine);
unsigned dyno_engine_threads(const dyno_engine *engine);

/* The path the model's reference led to, and the dialect of its file. */
const char *dyno_engine_model_path(const dyno_engine *engine);
const char *dyno_engine_dialect(const dyno_engine *engine);

/* Makes the tokenizer that the model brings along (text/tokenizer.h), to be freed by the caller;
 * NOT_FOUND when it brings none. */
struct dyno_tokenizer;
dyno_status dyno_engine_tokenizer(struct dyno_tokenizer **tokenizer, const dyno_engine *engine,
                                  dyno_error *error);

/* Bytes of weights: in memory of our own, of that what belongs to the engine it shares with, and in
 * the model's file. */
uint64_t dyno_engine_packed_bytes(const dyno_engine *engine);
uint64_t dyno_engine_shared_bytes(const dyno_engine *engine);
uint64_t dyno_engine_file_bytes(const dyno_engine *engine);

/* Calls visit for each choice of a kernel that the engine made: what it is for ("blk.0.attn_q
 * decode"), the kernel, and why. */
typedef void dyno_choice_visit(void *context, const char *purpose, const dyno_choice *choice);
void dyno_engine_for_each_choice(const dyno_engine *engine, dyno_choice_visit *visit,
                                 void *context);

/* Calls visit with the packed bytes that a matrix's kernels read: all its groups (experts), equally
 * large and one after the other. In the order of a forward pass. */
typedef void dyno_weight_visit(void *context, const char *name, const void *data, uint64_t bytes,
                               size_t groups);
void dyno_engine_for_each_weight(const dyno_engine *engine, dyno_weight_visit *visit,
                                 void *context);

/* Has every pass from now on tell *probe what it does; NULL stops that. The probe is copied, its
 * context must live on. */
void dyno_engine_set_probe(dyno_engine *engine, const dyno_probe *probe);

/* What the engine found and uses, and where its weights are now. */
typedef struct dyno_engine_placement {
  dyno_pool_kind pool;
  unsigned threads;
  bool pinned;                 /* each thread stays on a processor */
  unsigned cpus, cores, nodes; /* that the process may use */
  unsigned nodes_used;
  double quota; /* of CPU time, in processors; 0: none */
  /* Bytes of the matrices: all, those in memory now, and those on huge pages; 0 when the kernel
   * does not tell. */
  uint64_t weights, resident, huge;
} dyno_engine_placement;

dyno_engine_placement dyno_engine_get_placement(const dyno_engine *engine);

/* What the engine holds, in bytes: keys and values of its sequences; hidden states, logits and
 * scratch; what is there for its caches alone. Any thread, at any time: nothing is locked. */
typedef struct dyno_engine_memory {
  uint64_t kv, workspace, caches;
  bool has_caches;
} dyno_engine_memory;

dyno_engine_memory dyno_engine_get_memory(const dyno_engine *engine);

/* What its caches and the blocks of keys and values came to so far. */
dyno_cache_statistics dyno_engine_get_cache(const dyno_engine *engine);

/* Has every look into a cache, and what comes and leaves, told; NULL stops that. */
void dyno_engine_set_cache_observer(dyno_engine *engine, dyno_cache_observe *observe,
                                    void *context);

/* Work for when nobody waits for a token: evicts down to the caches' threshold, moves blocks of
 * keys and values together, and gives chunks without any to the system. Goes on for budget_ns and
 * then at most for the copy of one block or the return of one chunk. True when there is more to do.
 * No result changes. */
bool dyno_engine_idle(dyno_engine *engine, uint64_t budget_ns);

/* Where that memory comes from (runtime/memory/allocator.h). */
struct dyno_allocator;
struct dyno_allocator *dyno_engine_allocator(const dyno_engine *engine);

/* The engine's pool, for whoever measures what the same threads could do at most. */
struct dyno_pool *dyno_engine_pool(const dyno_engine *engine);

/* A sequence of at most capacity tokens (1 to the model's context length). Memory for keys and
 * values is taken as it grows. On failure *sequence is NULL. The engine must outlive it. */
dyno_status dyno_sequence_open(dyno_sequence **sequence, dyno_engine *engine, size_t capacity,
                               dyno_error *error);

void dyno_sequence_close(dyno_sequence **sequence);

/* Forgets all tokens and keeps the memory. */
void dyno_sequence_clear(dyno_sequence *sequence);

/* Forgets the tokens from length on, so that others can follow the first ones. False, and nothing
 * is changed, when length exceeds the sequence or lies so far back that a sliding layer has
 * overwritten what the next token would see; a few hundred tokens are always possible. There are
 * no logits until the next append. */
bool dyno_sequence_truncate(dyno_sequence *sequence, size_t length);

/* Makes the sequence longer without computing anything: the keys and values of its tokens follow
 * again and again. Tokens after that are computed at the speed of that depth, and mean nothing: for
 * measurements. There are no logits until the next append. USAGE when the sequence has fewer than
 * 64 tokens or more than length, or length exceeds its capacity. */
dyno_status dyno_sequence_repeat(dyno_sequence *sequence, size_t length, dyno_error *error);

/* Called with the logits [vocab] that follow the token at position; they are gone when it
 * returns. */
typedef void dyno_logits_visit(void *context, size_t position, const float *logits);

/* Runs count tokens after those that are there already. With visit, the logits of every position
 * are computed and shown to it in order; without, only those of the last token, and what the cache
 * knows of the others is not computed again: the logits have the same bits. USAGE when a token
 * is not in the vocabulary or the capacity does not suffice (nothing was run then); MEMORY. */
dyno_status dyno_sequence_append(dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                 dyno_logits_visit *visit, void *context, dyno_error *error);

/* Takes from the cache what it knows of tokens that are to follow, all but the last at most, and
 * tells how many that are; the sequence is so much longer then, and the rest is to be appended. For
 * who appends a prompt in portions. There are no logits until then, unless none were taken. USAGE
 * as dyno_sequence_append. */
dyno_status dyno_sequence_reuse(dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                size_t *taken, dyno_error *error);

/* Tokens that were taken from the cache since the sequence was opened or cleared. */
size_t dyno_sequence_reused(const dyno_sequence *sequence);

enum { DYNO_MOST_EXPECTED = 8 };

/* Tells of tokens that are likely to come next, the likeliest first: as soon as they are known, and
 * with something else to do before the next append. With DYNO_PREFETCH_EMBEDDING their rows are
 * asked for, and decoded where rows are cached; else, and for what is not in the vocabulary, of no
 * effect. More than DYNO_MOST_EXPECTED are ignored. What dyno_sequence_retain answers need not be
 * told. */
void dyno_sequence_expect(dyno_sequence *sequence, const int32_t *tokens, size_t count);

/* What was asked for early, since the sequence was opened. */
dyno_prefetch_counts dyno_sequence_prefetch_counts(const dyno_sequence *sequence);

/* Tokens so far, and at most. */
size_t dyno_sequence_length(const dyno_sequence *sequence);
size_t dyno_sequence_capacity(const dyno_sequence *sequence);

/* The logits [vocab] that follow the last token; NULL before the first, and after a truncation.
 * Valid until the next call. With two-stage logits, this is what computes them. */
const float *dyno_sequence_logits(dyno_sequence *sequence);

/* The largest of these logits, with the same bits. NULL when there are none, when the engine has
 * no two-stage logits, when the request is for all, or when they cannot be told apart from the
 * others with certainty: then dyno_sequence_logits has them all. Valid until the next call. */
const dyno_retained *dyno_sequence_retain(dyno_sequence *sequence,
                                          const dyno_retain_request *request);

/* What two-stage logits came to, since the sequence was opened. */
dyno_logits_counts dyno_sequence_logits_counts(const dyno_sequence *sequence);

/* Bytes of keys and values held. */
uint64_t dyno_sequence_kv_bytes(const dyno_sequence *sequence);

#endif
