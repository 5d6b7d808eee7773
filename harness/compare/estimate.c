#include "harness/compare/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 1 / the normal's quantile at 3/4. */
static const double mad_to_sigma = 1.4826;

/* Two-sided 95 %, and 80 % power: quantiles of the normal at 0.975 and 0.8. */
static const double detectable_z = 1.959964 + 0.841621;

static bool all_finite(const double *values, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i]))
      return false;
  return count > 0;
}

static void estimate_sorted(dyno_estimate *estimate, double *sorted, size_t count,
                            double confidence)
{
  dyno_interval logs = dyno_median_interval(sorted, count, confidence);
  double median = dyno_quantile(sorted, count, 0.5);
  estimate->valid = true;
  estimate->ratio = exp(median);
  estimate->interval = (dyno_interval){exp(logs.low), exp(logs.high), logs.coverage};
  for (size_t i = 0; i < count; i++)
    sorted[i] = fabs(sorted[i] - median);
  estimate->sigma = mad_to_sigma * dyno_median(sorted, count);
  if (count > 1)
    estimate->detectable =
        expm1(detectable_z * sqrt(acos(-1) / 2) * estimate->sigma / sqrt((double)count));
}

dyno_status dyno_estimate_series(dyno_estimate *estimate, const double *series, size_t count,
                                 double confidence, dyno_error *error)
{
  *estimate = (dyno_estimate){
      .rounds = count, .ratio = NAN, .interval = {NAN, NAN, NAN}, .sigma = NAN, .detectable = NAN};
  if (!all_finite(series, count))
    return DYNO_OK;
  double *sorted = malloc(count * sizeof *sorted);
  if (sorted == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to sort %zu rounds", count);
  memcpy(sorted, series, count * sizeof *sorted);
  dyno_sort(sorted, count);
  estimate_sorted(estimate, sorted, count, confidence);
  free(sorted);
  return DYNO_OK;
}

dyno_direction dyno_estimate_direction(const dyno_estimate *estimate)
{
  if (estimate->interval.low > 1)
    return DYNO_FASTER;
  return estimate->interval.high < 1 ? DYNO_SLOWER : DYNO_UNRESOLVED;
}

double dyno_estimate_precision(const dyno_estimate *estimate)
{
  return (estimate->interval.high - estimate->interval.low) / (2 * estimate->ratio);
}

bool dyno_estimate_beyond(const dyno_estimate *estimate, double margin)
{
  return estimate->interval.low > 1 + margin || estimate->interval.high < 1 / (1 + margin);
}

double dyno_median_log_ratio(double *scratch, const double *numerator, const double *denominator,
                             size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (!(numerator[i] > 0) || !(denominator[i] > 0) || !isfinite(numerator[i]) ||
        !isfinite(denominator[i]))
      return NAN;
    scratch[i] = log(numerator[i] / denominator[i]);
  }
  return count > 0 ? dyno_median(scratch, count) : NAN;
}
