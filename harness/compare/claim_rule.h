/* What a measurement says of a claim.
 *
 * With an interval [low, high] in the claim's unit, figures of which bigger is better:
 *   effect    confirmed when B is better than A for certain and the interval reaches the figure;
 *             smaller when it is certainly better, but by less; refuted when it is not, and could
 *             not be by as much as the figure; else open. Without a figure, 1 % counts as one.
 *   at-least  confirmed when the interval reaches the figure, else smaller, or refuted when there
 *             is nothing of it (0, or no better than A).
 *   at-most   confirmed when the whole interval is within the figure, refuted when it is wholly
 *             beyond, else open.
 * No interval, or an arm that differs from itself, leaves a claim open. All functions are pure. */
#ifndef DYNO_HARNESS_COMPARE_CLAIM_RULE_H
#define DYNO_HARNESS_COMPARE_CLAIM_RULE_H

#include "harness/compare/claims.h"

typedef enum dyno_claim_verdict {
  DYNO_CLAIM_CONFIRMED,
  DYNO_CLAIM_SMALLER,
  DYNO_CLAIM_REFUTED,
  DYNO_CLAIM_OPEN,
  DYNO_CLAIM_UNTESTABLE, /* here */
  DYNO_CLAIM_PENDING,    /* not measured yet */
  DYNO_CLAIM_VERDICT_COUNT
} dyno_claim_verdict;

/* "confirmed", "smaller", "refuted", "open", "not testable here", "not measured". */
const char *dyno_claim_verdict_name(dyno_claim_verdict verdict);

typedef enum dyno_figure_state {
  DYNO_FIGURE_PENDING,
  DYNO_FIGURE_MEASURED,
  DYNO_FIGURE_UNTESTABLE,
} dyno_figure_state;

/* What was measured for a claim, in its unit; NaN for what there is none of. */
typedef struct dyno_claim_figure {
  dyno_figure_state state;
  double value, low, high;          /* the 95 % interval; equal where nothing is uncertain */
  double control_low, control_high; /* an arm's speed over its own */
  double nats;                      /* by which the outputs of the arms are apart, on average */
  double seconds;                   /* that the measurement took */
  size_t samples;                   /* that the interval is of; 0: counted */
  char reason[240];                 /* why it could not be; a remark; "" */
} dyno_claim_figure;

#define DYNO_CLAIM_FIGURE_NONE                                                                     \
  ((dyno_claim_figure){.value = (double)NAN,                                                       \
                       .low = (double)NAN,                                                         \
                       .high = (double)NAN,                                                        \
                       .control_low = (double)NAN,                                                 \
                       .control_high = (double)NAN,                                                \
                       .nats = (double)NAN})

/* Whether an arm differed from itself for certain: the machine was too unsteady. */
bool dyno_claim_unfit(const dyno_claim_figure *figure);

dyno_claim_verdict dyno_claim_judge(const dyno_claim *claim, const dyno_claim_figure *figure);

/* A ratio of B's speed over A's, or of A's cost over B's, in a unit that compares; increasing. */
double dyno_claim_from_ratio(dyno_claim_unit unit, double ratio);

/* What no effect is in such a unit. */
double dyno_claim_neutral(dyno_claim_unit unit);

#endif
