/* The rule by which a gate decides: sequential, from rounds of a paired comparison.
 *
 * After 10, 20, 40 and 80 rounds every series (each case, and their geometric mean) is looked at.
 * Rounds worse than the tolerance are counted: so many of them in any series that a fair coin
 * would hardly ever give them, and it is a regression. It is a pass when in every series as many
 * rounds are better than the effect that has to be found. Otherwise it goes on. With 10/18/32/57 of
 * 10/20/40/80, the false alarms at the edge of the tolerance come to 0.82 % over all looks of six
 * series, by simulation; power and false alarms are in docs/gate.md.
 *
 * A value that is not finite is never taken for a good one. All functions are pure. */
#ifndef DYNO_HARNESS_COMPARE_GATE_RULE_H
#define DYNO_HARNESS_COMPARE_GATE_RULE_H

#include <stdbool.h>
#include <stddef.h>

enum { DYNO_GATE_LOOKS = 4, DYNO_GATE_MOST_SERIES = 64 };

/* Rounds before a look, and how many of them decide. */
typedef struct dyno_gate_look {
  size_t rounds, needed;
} dyno_gate_look;

extern const dyno_gate_look dyno_gate_looks[DYNO_GATE_LOOKS];

typedef struct dyno_gate_rule {
  double tolerance; /* a loss of speed that is no regression yet: 0.02 */
  double effect;    /* a loss that has to be found: 0.05 */
  double unfit;     /* how far an arm may be from itself: 0.01 */
} dyno_gate_rule;

#define DYNO_GATE_RULE_DEFAULTS ((dyno_gate_rule){.tolerance = 0.02, .effect = 0.05, .unfit = 0.01})

typedef enum dyno_gate_verdict {
  DYNO_GATE_CONTINUE,
  DYNO_GATE_PASS,
  DYNO_GATE_REGRESSION,
  DYNO_GATE_INCONCLUSIVE, /* all looks are over, or a value is not a number */
  DYNO_GATE_UNFIT,        /* an arm differs from itself */
  DYNO_GATE_WRONG,        /* the outputs differ; never decided by rounds */
  DYNO_GATE_ERROR,        /* it could not be measured; likewise */
  DYNO_GATE_VERDICT_COUNT
} dyno_gate_verdict;

/* "pass", "regression", "inconclusive", "unfit host", "wrong output", "error"; "continue". */
const char *dyno_gate_verdict_name(dyno_gate_verdict verdict);

/* What is to be done after `rounds` rounds: series[s][r] is ln of the new speed over the old one,
 * control[s][r] ln of an arm's over its own; [count] series each, none may be NULL. *which is the
 * series that decided a regression, an unfit host or a value that is no number, else `count`.
 * Between looks, and before the first, CONTINUE. */
dyno_gate_verdict dyno_gate_decide(size_t *which, const double *const *series,
                                   const double *const *control, size_t count, size_t rounds,
                                   const dyno_gate_rule *rule);

/* The index of the look that comes at this number of rounds; DYNO_GATE_LOOKS for none. */
size_t dyno_gate_look_at(size_t rounds);

/* How often the rule decides so, by simulation: log-ratios of the cases are independent, sigma
 * times a number of Student's t (its tails are like a shared machine's; no degrees of freedom:
 * normal), `slower` of the cases with this mean and the others with 0; the last series is their
 * mean. Controls are left out. Counts of `trials`. */
typedef struct dyno_gate_power {
  size_t trials, passed, failed, inconclusive;
  double mean_rounds;
} dyno_gate_power;

typedef struct dyno_gate_simulation {
  size_t cases, slower, trials;
  unsigned degrees; /* of freedom; 0: normal */
  double mean, sigma;
  unsigned long seed;
} dyno_gate_simulation;

dyno_gate_power dyno_gate_simulate(const dyno_gate_simulation *simulation,
                                   const dyno_gate_rule *rule);

#endif
