#include "harness/cli/bench_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/results_counters.h"

dyno_status dyno_bench_state_make(dyno_bench_state *state, const dyno_testcases *cases,
                                  const dyno_bench_works *works, size_t warmup, size_t iterations,
                                  uint64_t seed, dyno_error *error)
{
  *state = (dyno_bench_state){.cases = cases, .works = works};
  dyno_status status =
      dyno_bench_schedule_make(&state->schedule, cases->count, warmup, iterations, seed, error);
  if (status != DYNO_OK)
    return status;
  state->slot_done = calloc(state->schedule.count + 1, sizeof *state->slot_done);
  state->seen = calloc(works->count + 1, sizeof *state->seen);
  state->text_done = calloc(works->count + 1, sizeof *state->text_done);
  state->ops_done = calloc(cases->count + 1, sizeof *state->ops_done);
  state->counters_done = calloc(cases->count + 1, sizeof *state->counters_done);
  state->warmups = calloc(cases->count + 1, sizeof *state->warmups);
  bool fine = state->slot_done != NULL && state->seen != NULL && state->text_done != NULL &&
              state->ops_done != NULL && state->counters_done != NULL && state->warmups != NULL;
  return fine ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

void dyno_bench_state_free(dyno_bench_state *state)
{
  dyno_bench_schedule_free(&state->schedule);
  free(state->slot_done);
  free(state->seen);
  free(state->text_done);
  free(state->ops_done);
  free(state->counters_done);
  free(state->warmups);
  *state = (dyno_bench_state){0};
}

/* The index of the line's case; the number of cases when there is no such case. */
static size_t case_of(const dyno_bench_state *state, const json_t *line)
{
  const char *name = json_string_value(json_object_get(line, "case"));
  size_t index = 0;
  while (index < state->cases->count &&
         (name == NULL || strcmp(state->cases->cases[index].name, name) != 0))
    index++;
  return index;
}

static size_t work_of(const dyno_bench_state *state, const json_t *line)
{
  const char *id = json_string_value(json_object_get(line, "prompt"));
  size_t from = case_of(state, line), index = 0;
  while (index < state->works->count &&
         (id == NULL || state->works->works[index].case_index != from ||
          strcmp(state->works->works[index].prompt->id, id) != 0))
    index++;
  return index;
}

dyno_status dyno_bench_state_check_hash(dyno_bench_state *state, const dyno_bench_work *work,
                                        uint64_t hash, dyno_error *error)
{
  dyno_bench_seen *seen = &state->seen[work - state->works->works];
  if (!seen->there)
    *seen = (dyno_bench_seen){true, hash};
  if (seen->hash == hash)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                   "case %s, prompt %s: the same work gave other tokens or logits than before "
                   "(hash %016" PRIx64 " after %016" PRIx64 "): the engine's results depend on "
                   "chance, or memory is faulty",
                   work->from->name, work->prompt->id, hash, seen->hash);
}

static void mark_slot(dyno_bench_state *state, size_t from, bool warmup, json_int_t iteration)
{
  for (size_t i = 0; i < state->schedule.count; i++) {
    const dyno_bench_slot *slot = &state->schedule.slots[i];
    if (slot->case_index == from && slot->warmup == warmup &&
        (json_int_t)slot->iteration == iteration)
      state->slot_done[i] = true;
  }
  state->warmups[from] += warmup;
}

bool dyno_bench_state_add_sample(void *context, const json_t *line)
{
  dyno_bench_state *state = context;
  const char *hash = json_string_value(json_object_get(line, "hash"));
  json_int_t run = json_integer_value(json_object_get(line, "run"));
  size_t work = work_of(state, line);
  if (work < state->works->count) {
    mark_slot(state, state->works->works[work].case_index,
              json_is_true(json_object_get(line, "warmup")),
              json_integer_value(json_object_get(line, "iteration")));
    dyno_status status = dyno_bench_state_check_hash(
        state, &state->works->works[work], hash != NULL ? strtoull(hash, NULL, 16) : 0, NULL);
    if (status != DYNO_OK)
      state->wrong = status;
  }
  state->samples++;
  if (run >= 0 && (size_t)run >= state->run)
    state->run = (size_t)run + 1;
  return true;
}

bool dyno_bench_state_add_op(void *context, const json_t *line)
{
  dyno_bench_state *state = context;
  const char *op = json_string_value(json_object_get(line, "op"));
  const char *phase = json_string_value(json_object_get(line, "phase"));
  size_t from = case_of(state, line);
  if (op == NULL || phase == NULL || strcmp(op, "total") != 0 || strcmp(phase, "prefill") != 0)
    return false;
  if (from < state->cases->count)
    state->ops_done[from] = true;
  return true;
}

bool dyno_bench_state_add_counter(void *context, const json_t *line)
{
  dyno_bench_state *state = context;
  size_t from = case_of(state, line);
  if (!dyno_results_counters_end(line))
    return false;
  if (from < state->cases->count)
    state->counters_done[from] = true;
  return true;
}

bool dyno_bench_state_add_text(void *context, const json_t *line)
{
  dyno_bench_state *state = context;
  size_t work = work_of(state, line);
  if (work < state->works->count)
    state->text_done[work] = true;
  return true;
}
