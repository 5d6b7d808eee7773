#include "harness/measure/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *left, const void *right)
{
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

void dyno_sort(double *values, size_t count)
{
  if (count > 1)
    qsort(values, count, sizeof *values, compare_doubles);
}

double dyno_quantile(const double *sorted, size_t count, double probability)
{
  double position = (double)(count - 1) * probability;
  size_t below = (size_t)position;
  if (below + 1 >= count)
    return sorted[count - 1];
  double fraction = position - (double)below;
  return sorted[below] + fraction * (sorted[below + 1] - sorted[below]);
}

double dyno_median(double *values, size_t count)
{
  dyno_sort(values, count);
  return dyno_quantile(values, count, 0.5);
}

/* ln n!; lgamma itself writes a global. */
static double log_factorial(size_t n)
{
  int sign;
  return lgamma_r((double)n + 1, &sign);
}

/* P(X <= most) for X binomial with `trials` fair coins; 2^-trials alone would underflow at 1075
 * trials, hence the logarithms. */
static double fair_binomial_cdf(size_t most, size_t trials)
{
  double scale = log_factorial(trials) - (double)trials * log(2), total = 0;
  for (size_t i = 0; i <= most; i++)
    total += exp(scale - log_factorial(i) - log_factorial(trials - i));
  return fmin(total, 1);
}

dyno_interval dyno_median_interval(const double *sorted, size_t count, double confidence)
{
  dyno_interval interval = {NAN, NAN, NAN};
  double tail_allowed = (1 - confidence) / 2;
  /* [sorted[rank], sorted[count - 1 - rank]] misses the median with probability 2 P(X <= rank). */
  for (size_t rank = 0; rank < count - rank; rank++) {
    double tail = fair_binomial_cdf(rank, count);
    if (tail > tail_allowed)
      break;
    interval = (dyno_interval){sorted[rank], sorted[count - 1 - rank], 1 - 2 * tail};
  }
  return interval;
}

double dyno_sign_test(size_t positive, size_t negative)
{
  size_t fewer = positive < negative ? positive : negative;
  if (positive == negative)
    return 1;
  return fmin(2 * fair_binomial_cdf(fewer, positive + negative), 1);
}

double dyno_normal_cdf(double z)
{
  return erfc(-z / sqrt(2)) / 2;
}

/* Bisection in the lower half, where the distribution function keeps all its digits. */
double dyno_normal_quantile(double probability)
{
  double tail = fmin(probability, 1 - probability), low = -40, high = 0;
  for (int i = 0; i < 80; i++) {
    double middle = (low + high) / 2;
    if (dyno_normal_cdf(middle) < tail)
      low = middle;
    else
      high = middle;
  }
  return probability < 0.5 ? high : -high;
}

dyno_interval dyno_proportion_interval(size_t hits, size_t count, double confidence)
{
  if (count == 0)
    return (dyno_interval){NAN, NAN, NAN};
  double n = (double)count, p = (double)hits / n, z = dyno_normal_quantile((1 + confidence) / 2);
  double z2 = z * z;
  double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  double half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return (dyno_interval){.low = hits == 0 ? 0 : fmax(centre - half, 0),
                         .high = hits == count ? 1 : fmin(centre + half, 1),
                         .coverage = confidence};
}

dyno_status dyno_check_values(const double *values, size_t count, dyno_error *error)
{
  if (count == 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "there are no values to describe");
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i]))
      return dyno_fail(error, DYNO_ERROR_USAGE, "value %zu of %zu is %s, not a finite number",
                       i + 1, count, isnan(values[i]) ? "NaN" : "infinite");
  for (size_t i = 0; i < count; i++)
    if (fabs(values[i]) > DYNO_MOST_VALUE)
      return dyno_fail(error, DYNO_ERROR_USAGE, "value %zu of %zu is too large to be squared: %g",
                       i + 1, count, values[i]);
  return DYNO_OK;
}

/* Two passes, and sums of differences: the textbook one-pass formula loses all digits when the
 * spread is small against the mean, which is what timings are like. Equal values give exactly 0. */
static void describe_moments(dyno_summary *summary, const double *values, size_t count)
{
  double n = (double)count, above_first = 0, squares = 0;
  for (size_t i = 0; i < count; i++)
    above_first += values[i] - values[0];
  summary->mean = values[0] + above_first / n;
  for (size_t i = 0; i < count; i++)
    squares += (values[i] - summary->mean) * (values[i] - summary->mean);
  summary->standard_deviation = count > 1 ? sqrt(squares / (n - 1)) : NAN;
  summary->variation = summary->mean != 0 ? summary->standard_deviation / fabs(summary->mean) : NAN;
}

dyno_status dyno_summarize(dyno_summary *summary, const double *values, size_t count,
                           dyno_error *error)
{
  *summary = (dyno_summary){0};
  dyno_status status = dyno_check_values(values, count, error);
  if (status != DYNO_OK)
    return status;
  double *sorted = malloc(count * sizeof *sorted);
  if (sorted == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to sort %zu values", count);
  memcpy(sorted, values, count * sizeof *sorted);
  dyno_sort(sorted, count);

  summary->count = count;
  summary->minimum = sorted[0];
  summary->maximum = sorted[count - 1];
  describe_moments(summary, sorted, count);
  summary->median = dyno_quantile(sorted, count, 0.5);
  summary->p25 = dyno_quantile(sorted, count, 0.25);
  summary->p75 = dyno_quantile(sorted, count, 0.75);
  summary->p90 = dyno_quantile(sorted, count, 0.90);
  summary->p95 = dyno_quantile(sorted, count, 0.95);
  summary->p99 = dyno_quantile(sorted, count, 0.99);
  summary->median_interval = dyno_median_interval(sorted, count, 0.95);

  for (size_t i = 0; i < count; i++)
    sorted[i] = fabs(sorted[i] - summary->median);
  summary->median_deviation = dyno_median(sorted, count);
  free(sorted);
  return DYNO_OK;
}

dyno_status dyno_geometric_mean(double *mean, const double *values, size_t count, dyno_error *error)
{
  double logarithms = 0;
  *mean = NAN;
  dyno_status status = dyno_check_values(values, count, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    if (values[i] <= 0)
      status = dyno_fail(error, DYNO_ERROR_USAGE,
                         "value %zu of %zu is %g: a geometric mean takes only values above 0",
                         i + 1, count, values[i]);
    logarithms += log(values[i]) / (double)count;
  }
  if (status == DYNO_OK)
    *mean = exp(logarithms);
  return status;
}
