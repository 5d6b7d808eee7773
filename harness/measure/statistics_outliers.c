#include "harness/measure/statistics_outliers.h"

#include <math.h>

enum { LEAST_VALUES = 4 };

static dyno_fence find_fence(double value, const dyno_summary *summary)
{
  double beyond = fmax(summary->p25 - value, value - summary->p75);
  double spread = summary->p75 - summary->p25;
  if (beyond > 3 * spread)
    return DYNO_FENCE_SEVERE;
  return beyond > 1.5 * spread ? DYNO_FENCE_MILD : DYNO_FENCE_INSIDE;
}

static double find_score(double value, const dyno_summary *summary)
{
  double difference = value - summary->median;
  return difference == 0 ? 0 : 0.6745 * difference / summary->median_deviation;
}

dyno_status dyno_label_outliers(dyno_outlier *outliers, const double *values, size_t count,
                                dyno_error *error)
{
  dyno_summary summary;
  dyno_status status = dyno_summarize(&summary, values, count, error);
  if (status != DYNO_OK)
    return status;
  for (size_t i = 0; i < count; i++) {
    outliers[i] = (dyno_outlier){DYNO_FENCE_INSIDE, find_score(values[i], &summary), false};
    if (count < LEAST_VALUES)
      continue;
    outliers[i].fence = find_fence(values[i], &summary);
    outliers[i].far = fabs(outliers[i].score) > 3.5;
  }
  return DYNO_OK;
}

const char *dyno_outlier_name(const dyno_outlier *outlier)
{
  static const char *const names[][2] = {
      [DYNO_FENCE_INSIDE] = {NULL, "mad"},
      [DYNO_FENCE_MILD] = {"mild", "mild, mad"},
      [DYNO_FENCE_SEVERE] = {"severe", "severe, mad"},
  };
  return names[outlier->fence][outlier->far];
}
