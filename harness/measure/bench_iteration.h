/* The timing pass: one prompt through the model and its answer token by token, and when each came.
 *
 * The answer is teacher-forced: each token is chosen from the logits, greedily, as `dyno run` does,
 * and then the trace's token is fed, so that every iteration does the same work whatever the
 * kernels round. There is no probe. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_ITERATION_H
#define DYNO_HARNESS_MEASURE_BENCH_ITERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/bench_model.h"

typedef struct dyno_bench_iteration {
  uint64_t begun_ns; /* CLOCK_REALTIME */
  size_t prompt_tokens, output_tokens;
  uint64_t tokenize_ns, prefill_ns, ttft_ns, e2e_ns, sampling_ns, setup_ns, cpu_ns;
  uint64_t *itl_ns; /* [output_tokens - 1], in the caller's room */
  uint64_t hash;    /* XXH3 of the chosen tokens and of the last logits' bits */
  uint64_t kv_bytes;
  size_t reused_tokens; /* of the prompt, that a cache had */
} dyno_bench_iteration;

/* Called about once a second between two tokens, with the tokens so far; what it takes is not
 * counted. False ends the iteration with INTERRUPTED. */
typedef bool dyno_bench_tick(void *context, size_t tokens);

/* Runs the work in a sequence of its own. itl_ns has room for the trace's tokens less one. The
 * tick may be NULL. INTERRUPTED, WRONG_OUTPUT when logits are no numbers, MEMORY. */
dyno_status dyno_bench_iterate(dyno_bench_iteration *iteration, uint64_t *itl_ns,
                               const dyno_bench_model *model, const dyno_bench_work *work,
                               dyno_bench_tick *tick, void *context, dyno_error *error);

#endif
