#include "harness/measure/statistics_bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/rng.h"

double dyno_mean(const double *values, size_t count)
{
  double above_first = 0;
  for (size_t i = 0; i < count; i++)
    above_first += values[i] - values[0];
  return values[0] + above_first / (double)count;
}

double dyno_plain_variance(const double *values, size_t count)
{
  double mean = dyno_mean(values, count), squares = 0;
  for (size_t i = 0; i < count; i++)
    squares += (values[i] - mean) * (values[i] - mean);
  return squares / (double)count;
}

static void resample(double *sample, const double *values, size_t count, uint64_t seed,
                     uint64_t position)
{
  for (size_t i = 0; i < count; i++) {
    size_t index = (size_t)(dyno_random_unit(seed, position + i) * (double)count);
    sample[i] = values[index < count ? index : count - 1];
  }
}

/* From the statistic with each value left out in turn, which `left_out` [count] has room for. */
static double acceleration(double *left_out, double *sample, const double *values, size_t count,
                           dyno_statistic *statistic)
{
  for (size_t i = 0; i < count; i++) {
    memcpy(sample, values, i * sizeof *sample);
    memcpy(sample + i, values + i + 1, (count - 1 - i) * sizeof *sample);
    left_out[i] = statistic(sample, count - 1);
  }
  double mean = dyno_mean(left_out, count), squares = 0, cubes = 0, widest = 0;
  for (size_t i = 0; i < count; i++)
    widest = fmax(widest, fabs(mean - left_out[i]));
  if (widest == 0)
    return 0;
  for (size_t i = 0; i < count; i++) {
    double difference = (mean - left_out[i]) / widest; /* cubes of large ones overflow */
    squares += difference * difference;
    cubes += difference * difference * difference;
  }
  return cubes / (6 * pow(squares, 1.5));
}

/* The normal quantile of the share of replicates below the estimate. Equal ones count half,
 * whatever the order of their sums does to the last digits; and one replicate is left on either
 * side so that the quantile is finite. */
static double bias_correction(const double *sorted, size_t replicates, double estimate)
{
  double below = 0, n = (double)replicates, close = 1e-12 * fabs(estimate);
  for (size_t i = 0; i < replicates && sorted[i] <= estimate + close; i++)
    below += sorted[i] < estimate - close ? 1 : 0.5;
  return dyno_normal_quantile(fmin(fmax(below / n, 0.5 / n), 1 - 0.5 / n));
}

/* Which quantile of the replicates stands for the quantile z of a normal. */
static double adjusted(double z, double bias, double accelerated)
{
  double shrink = 1 - accelerated * (bias + z);
  if (shrink <= 0) /* beyond the pole, where the formula turns round */
    return bias + z > 0 ? 1 : 0;
  return dyno_normal_cdf(bias + (bias + z) / shrink);
}

static void find_interval(dyno_interval *interval, double *replicate, double *sample,
                          const double *values, size_t count, dyno_statistic *statistic,
                          size_t replicates, uint64_t seed)
{
  for (size_t r = 0; r < replicates; r++) {
    resample(sample, values, count, seed, (uint64_t)r * count);
    replicate[r] = statistic(sample, count);
  }
  dyno_sort(replicate, replicates);
  double bias = bias_correction(replicate, replicates, statistic(values, count));
  double accelerated = acceleration(sample + count, sample, values, count, statistic);
  double z = dyno_normal_quantile((1 + interval->coverage) / 2);
  interval->low = dyno_quantile(replicate, replicates, adjusted(-z, bias, accelerated));
  interval->high = dyno_quantile(replicate, replicates, adjusted(z, bias, accelerated));
}

dyno_status dyno_bootstrap_interval(dyno_interval *interval, const double *values, size_t count,
                                    dyno_statistic *statistic, double confidence, size_t replicates,
                                    uint64_t seed, dyno_error *error)
{
  *interval = (dyno_interval){NAN, NAN, NAN};
  dyno_status status = dyno_check_values(values, count, error);
  if (status != DYNO_OK)
    return status;
  if (!(confidence > 0 && confidence < 1) || replicates < 100)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "a bootstrap takes a confidence between 0 and 1 and at least 100 resamples");
  if (count == 1)
    return DYNO_OK;
  double *replicate = calloc(replicates, sizeof *replicate);
  double *sample = calloc(count, 2 * sizeof *sample);
  if (replicate == NULL || sample == NULL) {
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu resamples", replicates);
  } else {
    interval->coverage = confidence;
    find_interval(interval, replicate, sample, values, count, statistic, replicates, seed);
  }
  free(replicate);
  free(sample);
  return status;
}
