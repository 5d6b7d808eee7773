/* Estimates from rounds of a paired comparison.
 *
 * A round's result is the median of the logarithms of B's speed over A's, pair by pair: above 0, B
 * is faster. A series has one for each round; NaN where a round has none, which nobody may read as
 * "no difference". All functions are thread-safe. */
#ifndef DYNO_HARNESS_COMPARE_ESTIMATE_H
#define DYNO_HARNESS_COMPARE_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/measure/statistics.h"

typedef struct dyno_estimate {
  size_t rounds;
  bool valid;   /* every round has a finite value, and there is one */
  double ratio; /* e^median; NaN unless valid */
  /* The sign test's, of the ratio; NaN with too few rounds for the confidence asked for (six for
   * 95 %). */
  dyno_interval interval;
  double sigma; /* of a round's log-ratio: 1.4826 times the median deviation */
  /* The smallest change, as a fraction of the speed, that so many rounds of this sigma find in four
   * of five comparisons: e^d - 1, d = (1.96 + 0.84) sqrt(pi / 2) sigma / sqrt(rounds), the median
   * having a standard error of sqrt(pi / 2) sigma / sqrt(n) with normal errors. NaN below 2 rounds.
   */
  double detectable;
} dyno_estimate;

/* From the values of a series [count]. MEMORY. */
dyno_status dyno_estimate_series(dyno_estimate *estimate, const double *series, size_t count,
                                 double confidence, dyno_error *error);

/* What of a difference the interval says. */
typedef enum dyno_direction {
  DYNO_UNRESOLVED, /* the interval holds 1, or there is none */
  DYNO_FASTER,
  DYNO_SLOWER,
} dyno_direction;

dyno_direction dyno_estimate_direction(const dyno_estimate *estimate);

/* Half of the interval's width, as a fraction of the ratio; NaN without an interval. */
double dyno_estimate_precision(const dyno_estimate *estimate);

/* Whether the interval lies beyond 1 by more than `margin` (0.01: 1 %) altogether. */
bool dyno_estimate_beyond(const dyno_estimate *estimate, double margin);

/* The median of ln(numerator[i] / denominator[i]) over pairs of durations [count]; NaN unless all
 * are finite and above 0, and count > 0. scratch has room for count values. */
double dyno_median_log_ratio(double *scratch, const double *numerator, const double *denominator,
                             size_t count);

#endif
