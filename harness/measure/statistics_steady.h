/* Whether measurements in a row stay the same: a slope through all of them, and the one place where
 * their level changes most. Thread-safe. */
#ifndef DYNO_HARNESS_MEASURE_STATISTICS_STEADY_H
#define DYNO_HARNESS_MEASURE_STATISTICS_STEADY_H

#include <stdint.h>

#include "harness/measure/statistics.h"

/* How far a level may drift, as a share of the median, and still be called steady. */
#define DYNO_STEADY_TOLERANCE 0.01
/* What noise alone does as rarely as this is not taken for noise. */
#define DYNO_STEADY_SIGNIFICANCE 0.05
/* Fewer values say nothing about either. */
#define DYNO_STEADY_LEAST_VALUES 6

typedef enum dyno_steadiness {
  DYNO_STEADY,    /* neither drift nor change beyond the tolerance */
  DYNO_UNSTEADY,  /* one of them is beyond it, and noise alone would seldom look like it */
  DYNO_UNDECIDED, /* beyond it, but noise alone may look like it; or there are too few values */
} dyno_steadiness;

typedef struct dyno_trend {
  double slope;       /* per step: dyno_theil_sen */
  double drift;       /* slope over all steps, as a share of |median|; NaN for median 0 */
  double drift_p;     /* of no trend: dyno_mann_kendall */
  size_t change;      /* index of the first value after the change; 0: too few values for one */
  double change_size; /* median after less median before, as a share of |median|; NaN likewise */
  double change_p;    /* of a change as clear among the same values in random order */
  dyno_steadiness verdict;
} dyno_trend;

/* The slope of values [count] over `at` [count], NULL for 0, 1, 2 ...: the median of the slopes
 * between all pairs that are not at the same place. Theil 1950, "A rank-invariant method of linear
 * and polynomial regression analysis"; Sen 1968, "Estimates of the Regression Coefficient Based on
 * Kendall's Tau". NaN where there is no such pair; USAGE for no values or values that are not
 * finite, MEMORY. */
dyno_status dyno_theil_sen(double *slope, const double *at, const double *values, size_t count,
                           dyno_error *error);

/* The two-sided p-value of no trend in values [count]: Mann 1945, "Nonparametric Tests Against
 * Trend", by the normal approximation with corrections for continuity and ties. 1 when there is
 * nothing to go by. No NaN may be among the values. */
double dyno_mann_kendall(const double *values, size_t count);

/* Judges values [count] in the order of their measurement. The change is where two segments of at
 * least two values have the least squared deviation from their means together (Hawkins 1977,
 * "Testing a sequence of observations for a shift in location"); its p-value is that of a seeded
 * permutation test. USAGE for no values or values that are not finite, MEMORY. */
dyno_status dyno_judge_steadiness(dyno_trend *trend, const double *values, size_t count,
                                  uint64_t seed, dyno_error *error);

/* "steady", "unsteady", "undecided". */
const char *dyno_steadiness_name(dyno_steadiness verdict);

#endif
