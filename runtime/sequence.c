/* Sequences: tokens in, logits out. */
#include <stdlib.h>
#include <string.h>

#include "runtime/engine_internal.h"
#include "runtime/forward/forward.h"
#include "runtime/forward/logits.h"
#include "runtime/forward/prefetch.h"

static void enlist(dyno_sequence *sequence)
{
  dyno_engine *engine = sequence->engine;
  sequence->next = engine->first;
  if (engine->first != NULL)
    engine->first->previous = sequence;
  engine->first = sequence;
}

static void delist(dyno_sequence *sequence)
{
  if (sequence->next != NULL)
    sequence->next->previous = sequence->previous;
  if (sequence->previous != NULL)
    sequence->previous->next = sequence->next;
  else
    sequence->engine->first = sequence->next;
}

dyno_status dyno_sequence_open(dyno_sequence **sequence, dyno_engine *engine, size_t capacity,
                               dyno_error *error)
{
  const dyno_model *model = &engine->model;
  *sequence = NULL;
  if (capacity < 1 || capacity > model->config->context_length)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "a sequence of %zu tokens: the model's context is 1 to %zu", capacity,
                     model->config->context_length);
  dyno_sequence *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "sequence: out of memory");
  made->engine = engine;
  enlist(made);
  made->logits = dyno_allocate(engine->allocator, model->config->vocab * sizeof *made->logits, 64,
                               DYNO_PURPOSE_WORKSPACE);
  dyno_status status = made->logits != NULL
                           ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "sequence: out of memory");
  if (status == DYNO_OK)
    status = dyno_kv_open(&made->kv, &engine->blocks, model->config, capacity, model->batch, error);
  if (status == DYNO_OK)
    status = dyno_reuse_open(&made->reuse, engine->prefixes.pool != NULL ? &engine->prefixes : NULL,
                             capacity, error);
  if (status == DYNO_OK)
    status = dyno_workspace_open(&made->workspace, model, capacity, engine->pool, engine->allocator,
                                 error);
  made->workspace.embeddings = engine->embeddings;
  made->workspace.prefetch = engine->prefetch;
  made->two_stages = model->screen.kernel.kernel != NULL;
  if (status == DYNO_OK && made->two_stages)
    status = dyno_two_stage_open(&made->two_stage, &model->head, &model->screen,
                                 dyno_pool_threads(engine->pool), engine->allocator, error);
  if (status != DYNO_OK)
    dyno_sequence_close(&made);
  *sequence = made;
  return status;
}

void dyno_sequence_close(dyno_sequence **sequence)
{
  dyno_sequence *closing = *sequence;
  if (closing == NULL)
    return;
  dyno_two_stage_close(&closing->two_stage);
  dyno_workspace_close(&closing->workspace);
  dyno_reuse_end(&closing->reuse, &closing->kv, closing->length);
  dyno_reuse_close(&closing->reuse);
  dyno_kv_close(&closing->kv);
  delist(closing);
  dyno_engine_count_kv(closing->engine);
  dyno_release(closing->engine->allocator, closing->logits);
  free(closing);
  *sequence = NULL;
}

void dyno_sequence_clear(dyno_sequence *sequence)
{
  dyno_reuse_end(&sequence->reuse, &sequence->kv, sequence->length);
  dyno_kv_clear(&sequence->kv);
  dyno_engine_count_kv(sequence->engine);
  sequence->length = 0;
  sequence->answered = false;
}

bool dyno_sequence_truncate(dyno_sequence *sequence, size_t length)
{
  size_t window = sequence->engine->model.config->window;
  size_t oldest = length >= window ? length - window + 1 : 0;
  if (length > sequence->length || oldest < dyno_kv_oldest(&sequence->kv))
    return false;
  dyno_reuse_rewind(&sequence->reuse, length);
  sequence->answered = sequence->answered && length == sequence->length;
  sequence->length = length;
  return true;
}

dyno_status dyno_sequence_repeat(dyno_sequence *sequence, size_t length, dyno_error *error)
{
  size_t capacity = sequence->kv.capacity;
  if (sequence->length < DYNO_KV_BLOCK_TOKENS || length < sequence->length || length > capacity)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%zu tokens cannot be repeated up to %zu: at least %d are wanted, and the "
                     "sequence was opened for %zu",
                     sequence->length, length, DYNO_KV_BLOCK_TOKENS, capacity);
  dyno_reuse_mark_untruthful(&sequence->reuse);
  dyno_kv_repeat(&sequence->kv, sequence->length, length);
  dyno_engine_count_kv(sequence->engine);
  sequence->length = length;
  sequence->answered = false;
  return DYNO_OK;
}

static dyno_status check_tokens(const dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                dyno_error *error)
{
  size_t vocab = sequence->engine->model.config->vocab;
  for (size_t i = 0; i < count; i++)
    if (tokens[i] < 0 || (size_t)tokens[i] >= vocab)
      return dyno_fail(error, DYNO_ERROR_USAGE, "token %zu is %d: the vocabulary has 0 to %zu", i,
                       tokens[i], vocab - 1);
  if (count > sequence->kv.capacity - sequence->length)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%zu more tokens after %zu: the sequence was opened for %zu", count,
                     sequence->length, sequence->kv.capacity);
  return DYNO_OK;
}

static void compute_logits(dyno_sequence *sequence, size_t token)
{
  dyno_engine *engine = sequence->engine;
  dyno_forward_logits(sequence->logits, &sequence->workspace, &engine->model, engine->pool,
                      dyno_engine_probe(engine), token, 1);
  sequence->full++;
}

/* Shows the logits of every token of the batch, one by one: a table of all of them would be
 * larger than the model is wide. */
static void show_logits(dyno_sequence *sequence, size_t m, dyno_logits_visit *visit, void *context)
{
  for (size_t t = 0; t < m; t++) {
    compute_logits(sequence, t);
    visit(context, sequence->length + t, sequence->logits);
  }
}

/* Returns how many of the tokens need not be computed. */
static size_t take_over(dyno_sequence *sequence, const int32_t *tokens, size_t count)
{
  size_t length = dyno_reuse_take(&sequence->reuse, &sequence->kv, sequence->length, tokens, count);
  size_t taken = length - sequence->length;
  sequence->length = length;
  sequence->answered = sequence->answered && taken == 0;
  return taken;
}

dyno_status dyno_sequence_reuse(dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                size_t *taken, dyno_error *error)
{
  dyno_status status = check_tokens(sequence, tokens, count, error);
  *taken = status == DYNO_OK ? take_over(sequence, tokens, count) : 0;
  dyno_engine_count_kv(sequence->engine);
  return status;
}

size_t dyno_sequence_reused(const dyno_sequence *sequence)
{
  return sequence->reuse.taken;
}

dyno_status dyno_sequence_append(dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                 dyno_logits_visit *visit, void *context, dyno_error *error)
{
  dyno_engine *engine = sequence->engine;
  dyno_status status = check_tokens(sequence, tokens, count, error);
  if (status != DYNO_OK)
    return status;
  size_t taken = visit == NULL ? take_over(sequence, tokens, count) : 0;
  dyno_migration_enter(engine->migration);
  for (size_t done = taken; done < count;) {
    size_t m = count - done < engine->model.batch ? count - done : engine->model.batch;
    dyno_kv_reserve(&sequence->kv, sequence->length, sequence->length + m);
    dyno_engine_count_kv(engine);
    dyno_level3_enter(engine->level3, m);
    dyno_forward(&sequence->workspace, &sequence->kv, &engine->model, engine->pool,
                 dyno_engine_probe(engine), tokens + done, m, sequence->length);
    dyno_reuse_leave(&sequence->reuse, &sequence->kv, sequence->length, tokens + done, m);
    done += m;
    if (visit != NULL)
      show_logits(sequence, m, visit, context);
    else if (done == count && !sequence->two_stages)
      compute_logits(sequence, m - 1);
    dyno_level3_leave(engine->level3);
    sequence->last = m - 1;
    sequence->length += m;
  }
  dyno_migration_leave(engine->migration);
  if (count > 0) {
    sequence->answered = true;
    sequence->waiting = sequence->two_stages && visit == NULL;
    sequence->retaining = false;
  }
  return DYNO_OK;
}

void dyno_sequence_expect(dyno_sequence *sequence, const int32_t *tokens, size_t count)
{
  dyno_engine *engine = sequence->engine;
  const dyno_embedding *table = &engine->model.embedding;
  dyno_prefetch_counts *counts = &sequence->expected;
  size_t known = 0;
  int32_t likely[DYNO_MOST_EXPECTED];
  if ((engine->prefetch & DYNO_PREFETCH_EMBEDDING) == 0)
    return;
  for (size_t i = 0; i < count && known < DYNO_MOST_EXPECTED; i++)
    if (tokens[i] >= 0 && (size_t)tokens[i] < engine->model.config->vocab)
      likely[known++] = tokens[i];
  counts->rows += known;
  counts->row_bytes += known * table->row_bytes;
  if (engine->embeddings != NULL) {
    dyno_embedding_cache_expect(engine->embeddings, table, likely, known);
    return;
  }
  for (size_t i = 0; i < known; i++)
    dyno_prefetch_lines(table->rows + (size_t)likely[i] * table->row_bytes, table->row_bytes);
}

dyno_prefetch_counts dyno_sequence_prefetch_counts(const dyno_sequence *sequence)
{
  dyno_prefetch_counts counts = sequence->expected;
  for (unsigned t = 0; t < sequence->workspace.threads; t++) {
    counts.panels += sequence->workspace.own[t].panels;
    counts.panel_bytes += sequence->workspace.own[t].panel_bytes;
  }
  return counts;
}

size_t dyno_sequence_length(const dyno_sequence *sequence)
{
  return sequence->length;
}

size_t dyno_sequence_capacity(const dyno_sequence *sequence)
{
  return sequence->kv.capacity;
}

const float *dyno_sequence_logits(dyno_sequence *sequence)
{
  if (!sequence->answered)
    return NULL;
  if (sequence->waiting) {
    if (sequence->retaining)
      dyno_two_stage_undecided(&sequence->two_stage);
    dyno_migration_enter(sequence->engine->migration);
    compute_logits(sequence, sequence->last);
    dyno_migration_leave(sequence->engine->migration);
    sequence->waiting = false;
  }
  return sequence->logits;
}

/* The largest of what was retained. */
static void expect_largest(dyno_sequence *sequence, const dyno_retained *retained)
{
  int32_t likely[DYNO_MOST_EXPECTED];
  float logit[DYNO_MOST_EXPECTED];
  size_t count = 0;
  for (size_t i = 0; i < retained->count; i++) {
    size_t at = count < DYNO_MOST_EXPECTED ? count++ : DYNO_MOST_EXPECTED - 1;
    if (at + 1 == DYNO_MOST_EXPECTED && i > at && retained->logit[i] <= logit[at])
      continue;
    for (; at > 0 && logit[at - 1] < retained->logit[i]; at--) {
      logit[at] = logit[at - 1];
      likely[at] = likely[at - 1];
    }
    logit[at] = retained->logit[i];
    likely[at] = retained->id[i];
  }
  dyno_sequence_expect(sequence, likely, count);
}

const dyno_retained *dyno_sequence_retain(dyno_sequence *sequence,
                                          const dyno_retain_request *request)
{
  dyno_engine *engine = sequence->engine;
  sequence->retaining = false;
  if (!sequence->answered || !sequence->waiting || request->all)
    return NULL;
  const dyno_two_stage_crew crew = {engine->pool, dyno_engine_probe(engine)};
  dyno_migration_enter(engine->migration);
  sequence->retaining =
      dyno_forward_retain(&sequence->two_stage, &sequence->retained, sequence->logits,
                          &sequence->workspace, &engine->model, &crew, sequence->last, request);
  dyno_migration_leave(engine->migration);
  if (sequence->retaining && (engine->prefetch & DYNO_PREFETCH_EMBEDDING) != 0)
    expect_largest(sequence, &sequence->retained);
  return sequence->retaining ? &sequence->retained : NULL;
}

dyno_logits_counts dyno_sequence_logits_counts(const dyno_sequence *sequence)
{
  dyno_logits_counts counts = sequence->two_stage.counts;
  counts.full = sequence->full;
  return counts;
}

uint64_t dyno_sequence_kv_bytes(const dyno_sequence *sequence)
{
  return dyno_kv_bytes(&sequence->kv);
}
