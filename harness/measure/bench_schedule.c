#include "harness/measure/bench_schedule.h"

#include <stdlib.h>

#include "runtime/sample/rng.h"

/* Fisher and Yates, with random numbers that belong to seed and round. */
static void shuffle(dyno_bench_slot *slots, size_t count, uint64_t seed, size_t round)
{
  for (size_t i = count; i > 1; i--) {
    size_t other = (size_t)(dyno_random_unit(seed, (uint64_t)round << 32 | i) * (double)i);
    dyno_bench_slot slot = slots[i - 1];
    slots[i - 1] = slots[other];
    slots[other] = slot;
  }
}

dyno_status dyno_bench_schedule_make(dyno_bench_schedule *schedule, size_t cases, size_t warmup,
                                     size_t iterations, uint64_t seed, dyno_error *error)
{
  size_t rounds = warmup + iterations;
  *schedule = (dyno_bench_schedule){.slots = calloc(rounds * cases + 1, sizeof(dyno_bench_slot))};
  if (schedule->slots == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "schedule: out of memory");
  for (size_t round = 0; round < rounds; round++) {
    dyno_bench_slot *slots = &schedule->slots[schedule->count];
    for (size_t i = 0; i < cases; i++)
      slots[i] = (dyno_bench_slot){.case_index = i,
                                   .iteration = round < warmup ? round : round - warmup,
                                   .warmup = round < warmup};
    shuffle(slots, cases, seed, round);
    schedule->count += cases;
  }
  return DYNO_OK;
}

void dyno_bench_schedule_free(dyno_bench_schedule *schedule)
{
  free(schedule->slots);
  *schedule = (dyno_bench_schedule){0};
}
