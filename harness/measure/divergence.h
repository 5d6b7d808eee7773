/* How far one way of computing is from another: both see the same tokens, and the distributions of
 * the next one are compared at every position. */
#ifndef DYNO_HARNESS_MEASURE_DIVERGENCE_H
#define DYNO_HARNESS_MEASURE_DIVERGENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/statistics.h"
#include "runtime/engine.h"
#include "runtime/text/buffer.h"

typedef struct dyno_divergence {
  double *nats; /* owned [count]: KL(reference || other), position after position */
  size_t count, capacity;
  size_t same_top; /* positions at which both find the same token likeliest */
  /* Of the token that really follows, where one does: */
  double *changes;    /* owned [followed]: what the other adds to its probability */
  double *log_ratios; /* owned [followed]: the reference's ln p less the other's */
  size_t followed;
  /* What happens inside is compared too, where this is not NULL; not owned, open for both engines
   * and DYNO_DIVERGENCE_PORTION rows. */
  struct dyno_layer_agreement *layers;
} dyno_divergence;

/* Positions that both engines go over in turn. */
#define DYNO_DIVERGENCE_PORTION 32

/* Adds the positions of one sequence of tokens, each being followed by all before it. The engines
 * must have the same vocabulary. Holds the logits of some positions only, whatever the length.
 * USAGE when a token is not in the vocabulary or the context too short; MEMORY. */
dyno_status dyno_divergence_add(dyno_divergence *divergence, dyno_engine *reference,
                                dyno_engine *other, const int32_t *tokens, size_t count,
                                dyno_error *error);

/* What was found at one position. */
typedef struct dyno_position_divergence {
  double nats;
  bool same_top, followed;
  double before, after; /* ln p of the token that follows, by the reference and by the other */
} dyno_position_divergence;

/* Makes room for so many more positions, so that noting them cannot fail. MEMORY. */
dyno_status dyno_divergence_reserve(dyno_divergence *divergence, size_t more, dyno_error *error);
void dyno_divergence_note(dyno_divergence *divergence, const dyno_position_divergence *found);

void dyno_divergence_free(dyno_divergence *divergence);

#endif
