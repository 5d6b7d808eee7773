/* The order in which a benchmark runs: rounds of every case, first those of warm-ups and then the
 * measured ones, each in an order of its own that the seed decides. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_SCHEDULE_H
#define DYNO_HARNESS_MEASURE_BENCH_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_bench_slot {
  size_t case_index, iteration; /* within warm-ups, or within measured ones */
  bool warmup;
} dyno_bench_slot;

typedef struct dyno_bench_schedule {
  dyno_bench_slot *slots; /* owned */
  size_t count;
} dyno_bench_schedule;

/* MEMORY. Free it with dyno_bench_schedule_free. */
dyno_status dyno_bench_schedule_make(dyno_bench_schedule *schedule, size_t cases, size_t warmup,
                                     size_t iterations, uint64_t seed, dyno_error *error);

void dyno_bench_schedule_free(dyno_bench_schedule *schedule);

#endif
