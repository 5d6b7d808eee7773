#include "harness/measure/memory_workload.h"

#include <stdlib.h>

#include "runtime/sample/rng.h"

typedef struct run {
  dyno_memory_account *account;
  dyno_engine *engine;
  const dyno_memory_workload *workload;
  dyno_sequence **sequences; /* [open] */
  int32_t *tokens;           /* [prompt_tokens] */
  uint64_t drawn;
} run;

static size_t draw(run *r, size_t below)
{
  return (size_t)(dyno_random_unit(r->workload->seed, r->drawn++) * (double)below);
}

static size_t draw_length(run *r, size_t most)
{
  if (r->workload->requests == 1 || most == 0)
    return most;
  size_t shortest = (most + 3) / 4;
  return shortest + draw(r, most - shortest + 1);
}

static void draw_tokens(run *r, size_t count)
{
  for (size_t i = 0; i < count; i++)
    r->tokens[i] = (int32_t)draw(r, dyno_engine_config(r->engine)->vocab);
}

static dyno_status append(run *r, dyno_sequence *sequence, size_t count, dyno_error *error)
{
  draw_tokens(r, count);
  dyno_status status = dyno_sequence_append(sequence, r->tokens, count, NULL, NULL, error);
  dyno_memory_account_sample(r->account);
  return status;
}

static dyno_status run_request(run *r, size_t index, dyno_error *error)
{
  const dyno_memory_workload *workload = r->workload;
  dyno_sequence **place = &r->sequences[index % workload->open];
  size_t prompt = draw_length(r, workload->prompt_tokens),
         tokens = draw_length(r, workload->tokens);
  dyno_sequence_close(place);
  dyno_memory_account_sample(r->account);
  dyno_status status = dyno_sequence_open(place, r->engine, prompt + tokens, error);
  if (status == DYNO_OK && prompt > 0)
    status = append(r, *place, prompt, error);
  for (size_t i = 0; i < tokens && status == DYNO_OK; i++)
    status = append(r, *place, 1, error);
  return status;
}

dyno_status dyno_memory_workload_run(dyno_memory_account *account, dyno_engine *engine,
                                     const dyno_memory_workload *workload, dyno_error *error)
{
  size_t most = workload->prompt_tokens > 0 ? workload->prompt_tokens : 1;
  run r = {
      .account = account,
      .engine = engine,
      .workload = workload,
      .sequences = calloc(workload->open, sizeof(dyno_sequence *)),
      .tokens = calloc(most, sizeof *r.tokens),
  };
  dyno_status status = DYNO_OK;
  if (r.sequences == NULL || r.tokens == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "workload: out of memory");
  for (size_t i = 0; i < workload->requests && status == DYNO_OK; i++) {
    if (workload->stop != NULL && *workload->stop != 0)
      break;
    status = run_request(&r, i, error);
    if (workload->progress != NULL)
      workload->progress(workload->progress_context, i + 1);
  }
  if (status == DYNO_OK)
    status = dyno_memory_account_take(account, error);
  for (size_t i = 0; r.sequences != NULL && i < workload->open; i++)
    dyno_sequence_close(&r.sequences[i]);
  free(r.sequences);
  free(r.tokens);
  return status;
}
