#include "harness/measure/cache_run.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "harness/measure/statistics.h"
#include "kernels/base/clock.h"

const char *dyno_cache_hit_name(dyno_cache_hit hit)
{
  static const char *const names[DYNO_CACHE_HIT_COUNT] = {"nothing", "less than half", "L2", "L3"};
  return hit < DYNO_CACHE_HIT_COUNT ? names[hit] : "?";
}

dyno_status dyno_cache_lane_open(dyno_cache_lane *lane, dyno_engine *engine, size_t capacity,
                                 dyno_error *error)
{
  *lane = (dyno_cache_lane){.engine = engine};
  return dyno_sequence_open(&lane->sequence, engine, capacity, error);
}

void dyno_cache_lane_close(dyno_cache_lane *lane)
{
  dyno_sequence_close(&lane->sequence);
  *lane = (dyno_cache_lane){0};
}

static double seconds_since(uint64_t start)
{
  return (double)(dyno_clock_ns() - start) * 1e-9;
}

static uint64_t hash_logits(const dyno_cache_lane *lane, uint64_t seed)
{
  size_t vocab = dyno_engine_config(lane->engine)->vocab;
  const float *logits = dyno_sequence_logits(lane->sequence);
  return XXH3_64bits_withSeed(logits, vocab * sizeof *logits, seed);
}

static dyno_cache_hit class_of(const dyno_cache_answer *answer, bool restored)
{
  if (answer->taken == 0)
    return DYNO_CACHE_HIT_NONE;
  if (2 * answer->taken < answer->prompt)
    return DYNO_CACHE_HIT_LESS;
  return restored ? DYNO_CACHE_HIT_L3 : DYNO_CACHE_HIT_L2;
}

dyno_status dyno_cache_lane_answer(dyno_cache_lane *lane, dyno_cache_answer *answer,
                                   const dyno_trace_request *request, dyno_error *error)
{
  dyno_sequence *sequence = lane->sequence;
  dyno_sequence_clear(sequence);
  uint64_t restored = dyno_engine_get_cache(lane->engine).prefixes.restored;
  uint64_t start = dyno_clock_ns();
  dyno_status status =
      dyno_sequence_append(sequence, request->tokens, request->prompt, NULL, NULL, error);
  if (status != DYNO_OK)
    return status;
  const float *logits = dyno_sequence_logits(sequence);
  *answer = (dyno_cache_answer){
      .prompt = request->prompt,
      .answer = request->answer,
      .taken = dyno_sequence_reused(sequence),
      .first_seconds = seconds_since(start),
  };
  (void)logits; /* of two stages, asking computes them */
  answer->hit = class_of(answer, dyno_engine_get_cache(lane->engine).prefixes.restored > restored);
  answer->hash = hash_logits(lane, 0);
  start = dyno_clock_ns();
  for (size_t i = 0; i < request->answer && status == DYNO_OK; i++) {
    const int32_t *token = &request->tokens[request->prompt + i];
    dyno_sequence_expect(sequence, token, 1);
    status = dyno_sequence_append(sequence, token, 1, NULL, NULL, error);
  }
  answer->answer_seconds = seconds_since(start);
  if (status == DYNO_OK)
    answer->hash = hash_logits(lane, answer->hash);
  return status;
}

dyno_status dyno_cache_answers_add(dyno_cache_answers *answers, const dyno_cache_answer *answer,
                                   dyno_error *error)
{
  if (answers->count == answers->room) {
    size_t room = 2 * answers->room + 64;
    dyno_cache_answer *longer = realloc(answers->list, room * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
    answers->list = longer;
    answers->room = room;
  }
  answers->list[answers->count++] = *answer;
  return DYNO_OK;
}

void dyno_cache_answers_free(dyno_cache_answers *answers)
{
  free(answers->list);
  *answers = (dyno_cache_answers){0};
}

dyno_status dyno_cache_answers_sum(dyno_cache_sum *sum, const dyno_cache_answers *answers,
                                   const dyno_cache_answers *hits, dyno_cache_hit hit,
                                   dyno_error *error)
{
  double *first = malloc((answers->count + 1) * sizeof *first);
  *sum = (dyno_cache_sum){.first_median = (double)NAN};
  if (first == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t i = 0; i < answers->count; i++) {
    const dyno_cache_answer *answer = &answers->list[i];
    if (hit != DYNO_CACHE_HIT_COUNT && hits->list[i].hit != hit)
      continue;
    sum->prompt += answer->prompt;
    sum->taken += answer->taken;
    sum->first_seconds += answer->first_seconds;
    sum->answer_seconds += answer->answer_seconds;
    first[sum->requests++] = answer->first_seconds;
  }
  if (sum->requests > 0)
    sum->first_median = dyno_median(first, sum->requests);
  free(first);
  return DYNO_OK;
}
