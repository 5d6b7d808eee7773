/* Why one arm is faster: the times of its ops, from passes with a probe, against the other's.
 *
 * An explanation is no measurement: it abstains when there is no difference to explain, when the
 * probed passes do not show the one that was timed, and of every op that is not surely
 * slower or faster. */
#ifndef DYNO_HARNESS_COMPARE_EXPLAIN_H
#define DYNO_HARNESS_COMPARE_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/compare/arm.h"
#include "harness/compare/estimate.h"

/* What passes gave for an op, of all its kernels: per token, summed over the cases. */
typedef struct dyno_op_delta {
  char op[32];
  char kernel[DYNO_COMPARE_ARMS][96]; /* the one that took longest */
  double seconds[DYNO_COMPARE_ARMS];  /* medians of the passes */
  double bytes[DYNO_COMPARE_ARMS];
  double delta; /* median of B's seconds less A's, pass by pass */
  double share; /* of the whole difference; NaN when abstained */
  bool sure;    /* the passes' 95 % interval of the delta, by the sign test, is without 0 */
} dyno_op_delta;

typedef struct dyno_explanation {
  bool abstained;
  char reason[160];   /* why; "" otherwise */
  dyno_op_delta *ops; /* owned; the largest |delta| first */
  size_t count;
  double seconds[DYNO_COMPARE_ARMS]; /* of a token, medians of the passes */
  double delta;                      /* of a token, B less A, median of the passes */
  size_t passes;
} dyno_explanation;

/* profiles[pass][arm] of one case or sums over cases, per pass `tokens` tokens. timed is the
 * estimate of B's speed over A's that is to be explained. MEMORY. */
dyno_status dyno_explain(dyno_explanation *explanation,
                         const dyno_arm_profile (*profiles)[DYNO_COMPARE_ARMS], size_t passes,
                         size_t tokens, const dyno_estimate *timed, dyno_error *error);

/* Adds an arm's profile of a case to a sum. */
void dyno_arm_profile_add(dyno_arm_profile *sum, const dyno_arm_profile *profile);

void dyno_explanation_free(dyno_explanation *explanation);

#endif
