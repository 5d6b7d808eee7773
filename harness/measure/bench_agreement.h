/* Whether an engine still computes the model: its distributions of the next token against those of
 * the reference path, over the beginnings of the cases. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_AGREEMENT_H
#define DYNO_HARNESS_MEASURE_BENCH_AGREEMENT_H

#include <stdbool.h>

#include "harness/measure/bench_model.h"

/* Mean KL divergence, in nats, beyond which outputs count as wrong. What 8-bit activations change
 * is a hundredth of that (dyno quality --kl); what a broken kernel does, several nats. */
#define DYNO_BENCH_MOST_NATS 0.05

/* Models whose files are larger are not run on the reference path, which is slow. */
#define DYNO_BENCH_LARGEST_COMPARED ((uint64_t)256 << 20)

typedef struct dyno_bench_agreement {
  bool compared;
  const char *why_not; /* static; "" when compared */
  size_t positions, same_top;
  double nats; /* mean */
} dyno_bench_agreement;

/* Compares the first prompt of each case with the first tokens of its trace. options are those that
 * the model was opened with. WRONG_OUTPUT beyond DYNO_BENCH_MOST_NATS; else as opening a model. */
dyno_status dyno_bench_compare(dyno_bench_agreement *agreement, const dyno_bench_model *model,
                               const dyno_engine_options *options, const dyno_bench_works *works,
                               dyno_error *error);

#endif
