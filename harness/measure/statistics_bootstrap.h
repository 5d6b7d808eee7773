/* Confidence intervals by resampling: the BCa bootstrap (bias-corrected and accelerated) of
 * Efron 1987, "Better Bootstrap Confidence Intervals"; Efron and Tibshirani 1993, "An Introduction
 * to the Bootstrap", 14.3. The same seed gives the same interval everywhere. Thread-safe. */
#ifndef DYNO_HARNESS_MEASURE_STATISTICS_BOOTSTRAP_H
#define DYNO_HARNESS_MEASURE_STATISTICS_BOOTSTRAP_H

#include <stdint.h>

#include "harness/measure/statistics.h"

/* Enough that the ends of a 95 % interval move by about a fiftieth of its width with the seed. */
#define DYNO_BOOTSTRAP_REPLICATES 9999

/* What is estimated of values [count], count > 0, in any order. */
typedef double dyno_statistic(const double *values, size_t count);

/* The mean, and the variance with the divisor count. */
double dyno_mean(const double *values, size_t count);
double dyno_plain_variance(const double *values, size_t count);

/* The interval of a statistic from values [count] at a confidence in (0, 1), with `replicates`
 * resamples, at least 100: the i-th value of resample r is values[floor(u * count)] with u =
 * dyno_random_unit(seed, r * count + i). Its coverage is what was asked for, which it has
 * approximately: less with few values. Equal values give an interval without width; one value
 * leaves it undefined, NaN. USAGE for no values or values that are not finite, MEMORY. */
dyno_status dyno_bootstrap_interval(dyno_interval *interval, const double *values, size_t count,
                                    dyno_statistic *statistic, double confidence, size_t replicates,
                                    uint64_t seed, dyno_error *error);

#endif
