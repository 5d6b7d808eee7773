/* Making a benchmark fit into a time. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_BUDGET_H
#define DYNO_HARNESS_MEASURE_BENCH_BUDGET_H

#include <stdbool.h>

#include "harness/measure/bench_model.h"

/* How much a run does of everything. */
typedef struct dyno_bench_extent {
  size_t warmup, iterations; /* of each case */
  double scale;              /* of the answers' lengths, up to 1 */
  bool texts;
  size_t text_prompts; /* of each case that the model answers by itself, at most */
} dyno_bench_extent;

/* Seconds that a token takes. */
typedef struct dyno_bench_pace {
  double prefill, decode;
} dyno_bench_pace;

/* Finds the pace on a short answer to the first prompt. As dyno_bench_iterate. */
dyno_status dyno_bench_find_pace(dyno_bench_pace *pace, const dyno_bench_model *model,
                                 const dyno_bench_works *works, dyno_error *error);

/* Seconds that a run will take, about. The works are those of scale 1. */
double dyno_bench_expected_seconds(const dyno_bench_extent *extent, const dyno_bench_works *works,
                                   const dyno_bench_pace *pace);

/* Makes answers shorter, down to a sixteenth, and then does fewer iterations, down to three and one
 * warm-up, until the run is expected to fit. False when even that takes longer. */
bool dyno_bench_fit(dyno_bench_extent *extent, double seconds, const dyno_bench_works *works,
                    const dyno_bench_pace *pace);

/* The most tokens that a model may say by itself where speed runs have `target`: somewhat more, so
 * that it comes to an end by itself. */
size_t dyno_bench_most_said(size_t target);

#endif
