/* How far one way of computing is from another: both see the same tokens, and the distributions of
 * the next one are compared at every position. */
#ifndef DYNO_HARNESS_MEASURE_DIVERGENCE_H
#define DYNO_HARNESS_MEASURE_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

#include "harness/measure/statistics.h"
#include "runtime/engine.h"
#include "runtime/text/buffer.h"

typedef struct dyno_divergence {
  double *nats; /* owned [count]: KL(reference || other), position after position */
  size_t count, capacity;
  size_t same_top; /* positions at which both find the same token likeliest */
} dyno_divergence;

/* Adds the positions of one sequence of tokens, each being followed by all before it. The engines
 * must have the same vocabulary. Holds the logits of some positions only, whatever the length.
 * USAGE when a token is not in the vocabulary or the context too short; MEMORY. */
dyno_status dyno_divergence_add(dyno_divergence *divergence, dyno_engine *reference,
                                dyno_engine *other, const int32_t *tokens, size_t count,
                                dyno_error *error);

void dyno_divergence_free(dyno_divergence *divergence);

#endif
