#include "harness/measure/cache_prefix.h"

#include <stdlib.h>

#include "kernels/base/clock.h"
#include "runtime/synth/random.h"

const char *dyno_prefix_lane_name(dyno_prefix_lane lane)
{
  static const char *const names[DYNO_PREFIX_LANES] = {"uncached", "from L2", "from L3"};
  return lane < DYNO_PREFIX_LANES ? names[lane] : "?";
}

/* What idle time does, until nothing is left to do and all that left L2 has been compressed. */
static void settle(dyno_engine *engine)
{
  enum { TURN_NS = 1000000, MOST_SECONDS = 60 };
  uint64_t start = dyno_clock_ns();
  while (
      (dyno_engine_idle(engine, TURN_NS) || dyno_engine_get_cache(engine).compressed.waiting > 0) &&
      dyno_clock_ns() - start < (uint64_t)MOST_SECONDS * 1000000000)
    continue;
}

typedef struct lanes {
  dyno_cache_lane lane[DYNO_PREFIX_LANES];
  size_t count; /* of those that are open */
} lanes;

static dyno_status open_lanes(lanes *open, dyno_engine *const engines[DYNO_PREFIX_LANES],
                              size_t capacity, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  *open = (lanes){0};
  while (open->count < DYNO_PREFIX_LANES && engines[open->count] != NULL && status == DYNO_OK) {
    status = dyno_cache_lane_open(&open->lane[open->count], engines[open->count], capacity, error);
    open->count += status == DYNO_OK;
  }
  return status;
}

static void close_lanes(lanes *open)
{
  for (size_t i = 0; i < open->count; i++)
    dyno_cache_lane_close(&open->lane[i]);
}

/* One turn of every lane, beginning with another each time; round `count` and beyond warm up. */
static dyno_status turn(dyno_prefix_rounds *rounds, lanes *open, const dyno_trace_request *request,
                        size_t round, dyno_error *error)
{
  uint64_t hash = 0;
  bool counts = round < rounds->rounds;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < open->count && status == DYNO_OK; i++) {
    size_t at = (i + round) % open->count;
    dyno_cache_lane *lane = &open->lane[at];
    dyno_cache_answer answer = {0};
    if (at == DYNO_PREFIX_L3) {
      dyno_sequence_clear(lane->sequence);
      settle(lane->engine);
    }
    uint64_t restored = dyno_engine_get_cache(lane->engine).prefixes.restored;
    status = dyno_cache_lane_answer(lane, &answer, request, error);
    if (status != DYNO_OK)
      return status;
    rounds->equal = rounds->equal && (i == 0 || answer.hash == hash);
    hash = answer.hash;
    if (!counts)
      continue;
    rounds->seconds[at][round] = answer.first_seconds;
    rounds->taken[at] = answer.taken;
    if (at == DYNO_PREFIX_L3)
      rounds->restored += dyno_engine_get_cache(lane->engine).prefixes.restored - restored;
  }
  return status;
}

static dyno_status measure(dyno_prefix_rounds *rounds, lanes *open, int32_t *tokens, size_t vocab,
                           dyno_random *random, dyno_error *error)
{
  enum { WARM_UP = 1 };
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < rounds->tokens; i++)
    tokens[i] = (int32_t)(dyno_random_next(random) % vocab);
  for (size_t i = 0; i < rounds->rounds + WARM_UP && status == DYNO_OK; i++) {
    tokens[rounds->tokens] = (int32_t)(dyno_random_next(random) % vocab);
    const dyno_trace_request request = {.tokens = tokens, .prompt = rounds->tokens + 1};
    size_t round = i < WARM_UP ? rounds->rounds + i : i - WARM_UP;
    status = turn(rounds, open, &request, round, error);
  }
  return status;
}

dyno_status dyno_prefix_measure(dyno_prefix_rounds *rounds, dyno_engine *plain, dyno_engine *cached,
                                dyno_engine *deep, size_t tokens, size_t count, uint64_t seed,
                                dyno_error *error)
{
  dyno_engine *const engines[DYNO_PREFIX_LANES] = {plain, cached, deep};
  dyno_random random = dyno_random_stream(seed, tokens);
  lanes open;
  *rounds = (dyno_prefix_rounds){
      .tokens = tokens, .rounds = count, .has_l3 = deep != NULL, .equal = true};
  dyno_status status = open_lanes(&open, engines, tokens + 1, error);
  int32_t *all = malloc((tokens + 1) * sizeof *all);
  bool enough = all != NULL;
  for (size_t i = 0; i < DYNO_PREFIX_LANES; i++) {
    rounds->seconds[i] = calloc(count, sizeof *rounds->seconds[i]);
    enough = enough && rounds->seconds[i] != NULL;
  }
  if (status == DYNO_OK && !enough)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK)
    status = measure(rounds, &open, all, dyno_engine_config(plain)->vocab, &random, error);
  close_lanes(&open);
  free(all);
  return status;
}

void dyno_prefix_rounds_free(dyno_prefix_rounds *rounds)
{
  for (size_t i = 0; i < DYNO_PREFIX_LANES; i++)
    free(rounds->seconds[i]);
  *rounds = (dyno_prefix_rounds){0};
}
