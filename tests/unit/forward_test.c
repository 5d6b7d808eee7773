/* A forward pass as a probe sees it: every step on every thread, every byte once, no allocation. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine.h"

enum { MOST_THREADS = 3, MOST_LAYERS = 32, MOST_EVENTS = 20000 };

typedef struct recording {
  dyno_probe_event *events[MOST_THREADS]; /* [MOST_EVENTS] of each thread, written by it alone */
  size_t counts[MOST_THREADS];
} recording;

static void record(void *context, const dyno_probe_event *event)
{
  recording *into = context;
  if (into->counts[event->thread] < MOST_EVENTS)
    into->events[event->thread][into->counts[event->thread]++] = *event;
}

static recording *open_recording(void)
{
  recording *made = calloc(1, sizeof *made);
  for (unsigned t = 0; t < MOST_THREADS; t++)
    made->events[t] = calloc(MOST_EVENTS, sizeof **made->events);
  return made;
}

static void close_recording(recording *closing)
{
  for (unsigned t = 0; t < MOST_THREADS; t++)
    free(closing->events[t]);
  free(closing);
}

static dyno_engine *open_engine(unsigned threads, size_t batch)
{
  char path[4096];
  const char *tree = getenv("top_srcdir");
  dyno_engine *engine;
  dyno_error error = {0};
  snprintf(path, sizeof path, "%s/tests/oracle/models/mxfp4", tree != NULL ? tree : ".");
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.registry.threads = threads;
  options.batch = batch;
  dyno_status status = dyno_engine_open(&engine, &options, &error);
  cr_assert(status == DYNO_OK, "%s: %s", path, error.message);
  return engine;
}

static dyno_sequence *open_sequence(dyno_engine *engine)
{
  dyno_sequence *sequence;
  dyno_error error = {0};
  dyno_status status = dyno_sequence_open(&sequence, engine, 200, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return sequence;
}

static void append(dyno_sequence *sequence, size_t count)
{
  int32_t tokens[200];
  dyno_error error = {0};
  for (size_t i = 0; i < count; i++)
    tokens[i] = (int32_t)(1 + 7 * i % 50);
  dyno_status status = dyno_sequence_append(sequence, tokens, count, NULL, NULL, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
}

/* How often a thread told of an op in a layer, -1 being none. */
static size_t times(const recording *of, unsigned thread, dyno_probe_op op, int layer)
{
  size_t seen = 0;
  for (size_t i = 0; i < of->counts[thread]; i++)
    seen +=
        of->events[thread][i].op == dyno_probe_op_name(op) && of->events[thread][i].layer == layer;
  return seen;
}

static void check_order(const recording *of, unsigned thread, size_t tokens)
{
  uint64_t last = 0;
  for (size_t i = 0; i < of->counts[thread]; i++) {
    const dyno_probe_event *event = &of->events[thread][i];
    cr_assert(event->thread == thread, "thread %u told of thread %u", thread, event->thread);
    cr_assert(event->begin_ns >= last && event->end_ns >= event->begin_ns,
              "%s of layer %d begins before the op before it ends", event->op, event->layer);
    cr_assert(event->tokens == tokens || event->layer == -1, "%zu tokens", event->tokens);
    last = event->end_ns;
  }
}

/* Steps that every thread takes once a layer, and meetings of all threads a layer. */
static void check_steps(const recording *of, unsigned threads, size_t layers, size_t meetings)
{
  static const dyno_probe_op once[] = {
      DYNO_PROBE_ATTENTION_NORM, DYNO_PROBE_ATTENTION_RESIDUAL, DYNO_PROBE_MOE_NORM,
      DYNO_PROBE_ROUTER_TOP_K,   DYNO_PROBE_MOE_GROUP,          DYNO_PROBE_MOE_GATHER,
      DYNO_PROBE_MOE_COMBINE,
  };
  static const dyno_probe_op shared[] = {
      DYNO_PROBE_ATTENTION_QKV, DYNO_PROBE_ROPE,        DYNO_PROBE_STORE_KV,
      DYNO_PROBE_ATTENTION,     DYNO_PROBE_MOE_GATE_UP, DYNO_PROBE_ATTENTION_OUTPUT,
      DYNO_PROBE_ROUTER,        DYNO_PROBE_SWIGLU,      DYNO_PROBE_MOE_DOWN,
  };
  for (int layer = 0; layer < (int)layers; layer++) {
    for (unsigned t = 0; t < threads; t++) {
      for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        cr_assert(times(of, t, once[i], layer) == 1, "thread %u, layer %d: %zu times %s", t, layer,
                  times(of, t, once[i], layer), dyno_probe_op_name(once[i]));
      size_t met = times(of, t, DYNO_PROBE_BARRIER, layer);
      cr_assert(met == (threads > 1 ? meetings : 0), "thread %u, layer %d: %zu meetings", t, layer,
                met);
    }
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
      size_t seen = 0;
      for (unsigned t = 0; t < threads; t++)
        seen += times(of, t, shared[i], layer);
      cr_assert(seen > 0, "layer %d: no %s", layer, dyno_probe_op_name(shared[i]));
    }
  }
  for (unsigned t = 0; t < threads; t++)
    cr_assert(times(of, t, DYNO_PROBE_EMBEDDING, -1) == 1 &&
                  times(of, t, DYNO_PROBE_OUTPUT_NORM, -1) == 1,
              "thread %u: before and after the layers", t);
}

Test(forward, every_thread_takes_every_step)
{
  for (unsigned threads = 1; threads <= MOST_THREADS; threads++) {
    recording *seen = open_recording();
    dyno_engine *engine = open_engine(threads, 64);
    dyno_sequence *sequence = open_sequence(engine);
    size_t layers = dyno_engine_config(engine)->layers;
    const dyno_probe probe = {.event = record, .context = seen};
    dyno_engine_set_probe(engine, &probe);
    append(sequence, 17);
    check_steps(seen, threads, layers, 9); /* one less: the attention output takes F32 here */
    for (unsigned t = 0; t < threads; t++)
      check_order(seen, t, 17);
    memset(seen->counts, 0, sizeof seen->counts);
    append(sequence, 1);
    check_steps(seen, threads, layers, 7);
    for (unsigned t = 0; t < threads; t++)
      check_order(seen, t, 1);

    memset(seen->counts, 0, sizeof seen->counts);
    dyno_engine_set_probe(engine, NULL);
    append(sequence, 1);
    cr_assert(seen->counts[0] == 0, "nobody is told any more");
    dyno_sequence_close(&sequence);
    dyno_engine_close(&engine);
    close_recording(seen);
  }
}

typedef struct needed {
  const dyno_model_config *config;
  uint64_t bytes;
} needed;

static void add_weight(void *context, const char *name, const void *data, uint64_t bytes,
                       size_t groups)
{
  needed *sum = context;
  cr_assert(data != NULL, "%s", name);
  sum->bytes += groups == 1 ? bytes : bytes / groups * sum->config->experts_per_token;
}

/* A token needs each dense matrix, its experts, its row of the embedding (BF16 in this model), and
 * the keys and values that it sees (BF16). */
Test(forward, bytes_of_a_token_add_up)
{
  const size_t depth = 40;
  for (unsigned threads = 1; threads <= MOST_THREADS; threads++) {
    recording *seen = open_recording();
    dyno_engine *engine = open_engine(threads, 64);
    dyno_sequence *sequence = open_sequence(engine);
    const dyno_model_config *config = dyno_engine_config(engine);
    const dyno_probe probe = {.event = record, .context = seen};
    append(sequence, depth);
    dyno_engine_set_probe(engine, &probe);
    append(sequence, 1);

    needed sum = {config, config->d_model * 2};
    dyno_engine_for_each_weight(engine, add_weight, &sum);
    for (size_t i = 0; i < config->layers; i++) {
      size_t visible = config->slides[i] && config->window < depth + 1 ? config->window : depth + 1;
      sum.bytes += 2 * 2 * visible * config->kv_heads * config->head_dim;
    }
    uint64_t told = 0;
    for (unsigned t = 0; t < threads; t++)
      for (size_t i = 0; i < seen->counts[t]; i++)
        told += seen->events[t][i].bytes;
    cr_assert(told == sum.bytes, "%u threads told of %llu bytes, %llu are needed", threads,
              (unsigned long long)told, (unsigned long long)sum.bytes);
    dyno_sequence_close(&sequence);
    dyno_engine_close(&engine);
    close_recording(seen);
  }
}

/* Sanitizers have an allocator of their own, and other C libraries no name for theirs. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&       \
    !defined(__clang__)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_bool counting;
static atomic_uint allocations;

static void count(void)
{
  if (atomic_load(&counting))
    atomic_fetch_add(&allocations, 1);
}

void *malloc(size_t size)
{
  count();
  return __libc_malloc(size);
}

void *calloc(size_t elements, size_t size)
{
  count();
  return __libc_calloc(elements, size);
}

void *realloc(void *memory, size_t size)
{
  count();
  return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
  count();
  return __libc_memalign(alignment, size);
}

/* Apart from blocks of keys and values, one for every 64 tokens. */
Test(forward, decode_allocates_nothing)
{
  dyno_engine *engine = open_engine(2, 64);
  dyno_sequence *sequence = open_sequence(engine);
  append(sequence, 20);
  append(sequence, 1);
  atomic_store(&counting, true);
  free(malloc(1));
  unsigned before = atomic_exchange(&allocations, 0);
  for (size_t i = 0; i < 30; i++)
    append(sequence, 1);
  atomic_store(&counting, false);
  cr_assert(before == 1, "allocations are counted");
  cr_assert(atomic_load(&allocations) == 0, "%u allocations", atomic_load(&allocations));
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}

#endif
