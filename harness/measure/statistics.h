/* Statistics of a handful of timings.
 *
 * Values must be finite, and small enough to be squared (DYNO_MOST_VALUE): an empty set, or a NaN
 * or infinity among the values, is refused with USAGE, and the message says which. A figure that a
 * valid set leaves undefined is NaN, and its comment says when; whoever prints it writes "n/a". All
 * functions are thread-safe. */
#ifndef DYNO_HARNESS_MEASURE_STATISTICS_H
#define DYNO_HARNESS_MEASURE_STATISTICS_H

#include <stddef.h>

#include "kernels/base/status.h"

#define DYNO_MOST_VALUE 1e150

typedef struct dyno_interval {
  double low, high; /* NaN when there are too few values for the confidence asked for */
  double coverage;  /* the confidence it really has, at least what was asked for; NaN likewise */
} dyno_interval;

typedef struct dyno_summary {
  size_t count;
  double minimum, maximum;
  double mean;
  double standard_deviation; /* of a sample, divisor count - 1; NaN for one value */
  double variation;          /* standard_deviation / |mean|; NaN for one value and for mean 0 */
  double median;
  double median_deviation; /* median of |value - median|, not scaled to a normal's sigma */
  double p25, p75, p90, p95, p99;
  dyno_interval median_interval; /* 95 %, dyno_median_interval */
} dyno_summary;

/* Describes values [count], in any order. MEMORY when there is none for a sorted copy. */
dyno_status dyno_summarize(dyno_summary *summary, const double *values, size_t count,
                           dyno_error *error);

/* USAGE unless there are values, and they are such as the others take; the message says which is
 * not. */
dyno_status dyno_check_values(const double *values, size_t count, dyno_error *error);

/* Sorts values [count] upwards. No NaN may be among them. */
void dyno_sort(double *values, size_t count);

/* The median of values [count], count > 0, which it sorts. */
double dyno_median(double *values, size_t count);

/* The quantile of sorted values [count], count > 0, at probability in [0, 1]: linear between the
 * order statistics around (count - 1) * probability. Hyndman and Fan 1996, "Sample Quantiles in
 * Statistical Packages", type 7 (the default of R and NumPy). */
double dyno_quantile(const double *sorted, size_t count, double probability);

/* The confidence interval of the median from sorted values [count] that inverts the sign test:
 * order statistics, exact for any continuous distribution, symmetric in rank, the narrowest of at
 * least the confidence (in (0, 1)). Conover 1999, "Practical Nonparametric Statistics", 3.2. */
dyno_interval dyno_median_interval(const double *sorted, size_t count, double confidence);

/* The score interval of a proportion of which hits of count, count > 0, were seen: Wilson 1927,
 * "Probable inference, the law of succession, and statistical inference"; good down to few values
 * and at shares of 0 and 1. `coverage` is the confidence, in (0, 1), that was asked for, which it
 * has on average. NaN for count 0. */
dyno_interval dyno_proportion_interval(size_t hits, size_t count, double confidence);

/* The geometric mean of values [count]. USAGE unless all are finite and above 0. */
dyno_status dyno_geometric_mean(double *mean, const double *values, size_t count,
                                dyno_error *error);

/* The standard normal distribution, and its inverse for a probability in (0, 1). */
double dyno_normal_cdf(double z);
double dyno_normal_quantile(double probability);

/* The exact two-sided p-value of the sign test: how likely a fair coin is to split at least as
 * unevenly as positive against negative (ties left out beforehand). 1 when both are 0. */
double dyno_sign_test(size_t positive, size_t negative);

#endif
