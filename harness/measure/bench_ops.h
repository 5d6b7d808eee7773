/* The profile pass: a case's prompt and answer once more with a probe, to see where the time goes.
 * Its speed is no measurement: the probe takes a part of it. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_OPS_H
#define DYNO_HARNESS_MEASURE_BENCH_OPS_H

#include "harness/measure/bench_model.h"
#include "harness/measure/engine_ceilings.h"
#include "harness/measure/profile_summary.h"

/* Tokens of an answer that are profiled, at most: their events are kept until they are added up. */
enum { DYNO_BENCH_PROFILED_TOKENS = 256 };

typedef struct dyno_bench_ops_phase {
  size_t tokens; /* of the prompt, or of the answer but for the first */
  dyno_profile_summary summary;
  double sampling_seconds; /* choosing a token from logits, which no event covers */
  double probe_share;      /* of the threads' time that telling the recorder took, about */
} dyno_bench_ops_phase;

typedef struct dyno_bench_ops {
  dyno_bench_ops_phase prefill, decode; /* decode is zero when the answer is one token */
} dyno_bench_ops;

/* Runs the work with a probe, and reads some of the weights' pages right before and after for a
 * ceiling. event_seconds is what recording an event takes. MEMORY, WRONG_OUTPUT. */
dyno_status dyno_bench_ops_run(dyno_bench_ops *ops, const dyno_bench_model *model,
                               const dyno_bench_work *work, const dyno_engine_ceilings *ceilings,
                               double event_seconds, dyno_error *error);

void dyno_bench_ops_free(dyno_bench_ops *ops);

/* The guide's row that an op belongs to: "embedding", "attention", "feed_forward", "sampling";
 * "other" for what serves several. */
const char *dyno_bench_component_of(const char *op);

#endif
