/* The shape of many values. Thread-safe. */
#ifndef DYNO_HARNESS_MEASURE_STATISTICS_DISTRIBUTION_H
#define DYNO_HARNESS_MEASURE_STATISTICS_DISTRIBUTION_H

#include "harness/measure/statistics.h"

#define DYNO_HISTOGRAM_MOST_BINS 64
#define DYNO_ECDF_MOST_POINTS 256

/* Bins of equal width; a value on a border belongs to the bin above it. */
typedef struct dyno_histogram {
  double low, width; /* bin i begins at low + i * width */
  size_t bins;
  size_t counts[DYNO_HISTOGRAM_MOST_BINS];
  size_t above; /* beyond the last bin: a long tail would squeeze all others into one bin */
} dyno_histogram;

/* Bins sorted values [count], count > 0: Freedman and Diaconis 1981, "On the histogram as a density
 * estimator", 2 IQR / cbrt(count) wide, from the least to the largest value, or to the upper
 * quartile and 8 times the distance of the quartiles above it when that is less, and never more
 * than DYNO_HISTOGRAM_MOST_BINS. One bin where the quartiles are equal. */
void dyno_bin_values(dyno_histogram *histogram, const double *sorted, size_t count);

/* The share of sorted values [count], count > 0, that are at most `value`. */
double dyno_ecdf(const double *sorted, size_t count, double value);

typedef struct dyno_ecdf_point {
  double value, share; /* this share of the values is at most `value` */
} dyno_ecdf_point;

/* Steps of the empirical distribution of sorted values [count], count > 0: all of them when they
 * are no more than DYNO_ECDF_MOST_POINTS, else as many, evenly spaced in rank, the least and the
 * largest value among them. Equal values make one step. Returns their number. */
size_t dyno_ecdf_points(dyno_ecdf_point points[DYNO_ECDF_MOST_POINTS], const double *sorted,
                        size_t count);

#endif
