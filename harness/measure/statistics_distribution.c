#include "harness/measure/statistics_distribution.h"

#include <math.h>

void dyno_bin_values(dyno_histogram *histogram, const double *sorted, size_t count)
{
  double low = sorted[0], upper = dyno_quantile(sorted, count, 0.75);
  double spread = upper - dyno_quantile(sorted, count, 0.25);
  double high = spread > 0 ? fmin(sorted[count - 1], upper + 8 * spread) : sorted[count - 1];
  double wanted = spread > 0 ? (high - low) / (2 * spread / cbrt((double)count)) : 1;
  *histogram = (dyno_histogram){.low = low};
  histogram->bins = (size_t)fmin(fmax(ceil(wanted), 1), DYNO_HISTOGRAM_MOST_BINS);
  histogram->width = (high - low) / (double)histogram->bins;
  for (size_t i = 0; i < count; i++) {
    if (sorted[i] > high) {
      histogram->above++;
      continue;
    }
    size_t bin = histogram->width > 0 ? (size_t)((sorted[i] - low) / histogram->width) : 0;
    histogram->counts[bin < histogram->bins ? bin : histogram->bins - 1]++;
  }
}

/* How many of sorted values are at most value. */
static size_t count_up_to(const double *sorted, size_t count, double value)
{
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (sorted[middle] <= value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

double dyno_ecdf(const double *sorted, size_t count, double value)
{
  return (double)count_up_to(sorted, count, value) / (double)count;
}

size_t dyno_ecdf_points(dyno_ecdf_point points[DYNO_ECDF_MOST_POINTS], const double *sorted,
                        size_t count)
{
  size_t most = count < DYNO_ECDF_MOST_POINTS ? count : DYNO_ECDF_MOST_POINTS, found = 0;
  for (size_t i = 0; i < most; i++) {
    double value = most > 1 ? sorted[i * (count - 1) / (most - 1)] : sorted[0];
    if (found == 0 || points[found - 1].value < value)
      points[found++] = (dyno_ecdf_point){value, dyno_ecdf(sorted, count, value)};
  }
  return found;
}
