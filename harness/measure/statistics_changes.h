/* Where the level of a long series of measurements changed, as often as it did.
 *
 * E-divisive: Matteson and James 2014, "A Nonparametric Approach for Multiple Change Point Analysis
 * of Multivariate Data", with the exponent 1. A stretch is cut where the energy distance between
 * what is before and what follows is largest, if among the same values in random order a cut as
 * clear is rare; both parts are looked at in the same way. Unlike there, each part is tested by
 * itself, as Daly et al. 2020 do for benchmarks ("The Use of Change Point Detection to Identify
 * Software Performance Regressions in a Continuous Integration System"). It takes nothing for
 * granted of the values' distribution, and single ones that lie far off move it little.
 * Thread-safe. */
#ifndef DYNO_HARNESS_MEASURE_STATISTICS_CHANGES_H
#define DYNO_HARNESS_MEASURE_STATISTICS_CHANGES_H

#include <stdint.h>

#include "harness/measure/statistics.h"

/* Fewer values cannot show a change at a significance of 0.01: of 10, 2 of 252 orders are as clear
 * as the clearest. */
#define DYNO_CHANGES_LEAST_VALUES 10
/* Memory grows with the square. */
#define DYNO_CHANGES_MOST_VALUES 1000

typedef struct dyno_changes_options {
  double significance; /* in (0, 1) */
  size_t permutations; /* at least 1; a p-value is at least 1 / (permutations + 1) */
  size_t shortest;     /* values between two changes, at least 2: fewer are outliers */
  uint64_t seed;
} dyno_changes_options;

#define DYNO_CHANGES_DEFAULTS                                                                      \
  ((dyno_changes_options){.significance = 0.01, .permutations = 999, .shortest = 3, .seed = 1})

typedef struct dyno_change {
  size_t first;         /* index of the first value of the new level */
  double before, after; /* medians from the change before to this one, and from here to the next */
  double p;             /* of a cut as clear among the same values in random order */
} dyno_change;

/* The changes in values [count], in their order; changes has room for count of them. With fewer
 * than DYNO_CHANGES_LEAST_VALUES values there are none. USAGE for no values or values that are not
 * finite, or more than DYNO_CHANGES_MOST_VALUES; MEMORY. */
dyno_status dyno_find_changes(dyno_change *changes, size_t *found, const double *values,
                              size_t count, const dyno_changes_options *options, dyno_error *error);

#endif
