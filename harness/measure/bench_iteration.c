#include "harness/measure/bench_iteration.h"

#include <time.h>
#include <xxhash.h>

#include "kernels/base/clock.h"

static const uint64_t tick_every_ns = UINT64_C(1000000000);

static uint64_t clock_of(clockid_t which)
{
  struct timespec now;
  clock_gettime(which, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* An iteration under way. */
typedef struct iterator {
  dyno_bench_iteration *result;
  const dyno_bench_model *model;
  const dyno_bench_work *work;
  dyno_sequence *sequence;
  dyno_tokens prompt;
  XXH3_state_t *hash;
  dyno_bench_tick *tick;
  void *context;
  uint64_t ticked_ns;
} iterator;

/* From the text to the first token. */
static dyno_status begin(iterator *with, uint64_t *now, dyno_error *error)
{
  const dyno_bench_work *work = with->work;
  dyno_bench_iteration *result = with->result;
  int32_t id = 0;
  uint64_t start = dyno_clock_ns();
  dyno_status status = dyno_bench_prompt_tokens(&with->prompt, with->model, work->prompt->prompt,
                                                work->from->effort, error);
  uint64_t tokenized = dyno_clock_ns();
  if (status == DYNO_OK)
    status = dyno_sequence_append(with->sequence, with->prompt.ids, with->prompt.count, NULL, NULL,
                                  error);
  uint64_t filled = dyno_clock_ns();
  if (status == DYNO_OK)
    status = dyno_bench_choose(&id, with->model, with->sequence, error);
  *now = dyno_clock_ns();
  XXH3_64bits_update(with->hash, &id, sizeof id);
  result->reused_tokens = dyno_sequence_reused(with->sequence);
  result->tokenize_ns = tokenized - start;
  result->prefill_ns = filled - tokenized;
  result->sampling_ns = *now - filled;
  result->ttft_ns = result->e2e_ns = *now - start;
  return status;
}

/* Lets the caller show how far it is; the time that takes is left out. */
static bool pause_for_tick(iterator *with, uint64_t *now, size_t tokens)
{
  if (with->tick == NULL || *now - with->ticked_ns < tick_every_ns)
    return true;
  bool go_on = with->tick(with->context, tokens);
  *now = with->ticked_ns = dyno_clock_ns();
  return go_on;
}

static dyno_status decode(iterator *with, uint64_t now, dyno_error *error)
{
  dyno_bench_iteration *result = with->result;
  const dyno_tokens *trace = &with->work->trace;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i + 1 < trace->count && status == DYNO_OK; i++) {
    int32_t id = 0;
    if (!pause_for_tick(with, &now, i + 1))
      return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    uint64_t before = now;
    status = dyno_sequence_append(with->sequence, &trace->ids[i], 1, NULL, NULL, error);
    uint64_t appended = dyno_clock_ns();
    if (status == DYNO_OK)
      status = dyno_bench_choose(&id, with->model, with->sequence, error);
    now = dyno_clock_ns();
    XXH3_64bits_update(with->hash, &id, sizeof id);
    result->itl_ns[i] = now - before;
    result->e2e_ns += now - before;
    result->sampling_ns += now - appended;
  }
  return status;
}

static void finish_hash(iterator *with)
{
  const float *logits = dyno_sequence_logits(with->sequence);
  XXH3_64bits_update(with->hash, logits,
                     dyno_engine_config(with->model->engine)->vocab * sizeof *logits);
  with->result->hash = XXH3_64bits_digest(with->hash);
}

static dyno_status iterate(iterator *with, dyno_error *error)
{
  const dyno_bench_work *work = with->work;
  uint64_t start = dyno_clock_ns(), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID), now;
  dyno_status status = dyno_sequence_open(&with->sequence, with->model->engine,
                                          work->prompt_tokens + work->trace.count, error);
  with->ticked_ns = dyno_clock_ns();
  with->result->setup_ns = with->ticked_ns - start;
  if (status == DYNO_OK)
    status = begin(with, &now, error);
  if (status == DYNO_OK)
    status = decode(with, now, error);
  if (status == DYNO_OK)
    with->result->kv_bytes = dyno_sequence_kv_bytes(with->sequence);
  with->result->cpu_ns = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  if (status == DYNO_OK)
    finish_hash(with);
  start = dyno_clock_ns();
  dyno_sequence_close(&with->sequence);
  with->result->setup_ns += dyno_clock_ns() - start;
  return status;
}

dyno_status dyno_bench_iterate(dyno_bench_iteration *iteration, uint64_t *itl_ns,
                               const dyno_bench_model *model, const dyno_bench_work *work,
                               dyno_bench_tick *tick, void *context, dyno_error *error)
{
  iterator with = {.result = iteration,
                   .model = model,
                   .work = work,
                   .hash = XXH3_createState(),
                   .tick = tick,
                   .context = context};
  *iteration = (dyno_bench_iteration){.begun_ns = clock_of(CLOCK_REALTIME),
                                      .prompt_tokens = work->prompt_tokens,
                                      .output_tokens = work->trace.count,
                                      .itl_ns = itl_ns};
  if (with.hash == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  XXH3_64bits_reset(with.hash);
  dyno_sampler_reset(model->sampler);
  /* Room beforehand, so that the first prompt is not tokenized slower than the others. */
  dyno_status status = dyno_tokens_reserve(&with.prompt, work->prompt_tokens, error);
  if (status == DYNO_OK)
    status = iterate(&with, error);
  dyno_tokens_free(&with.prompt);
  XXH3_freeState(with.hash);
  return status;
}
