#include "harness/measure/statistics_steady.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/rng.h"

enum { PERMUTATIONS = 1999, SHORTEST_SEGMENT = 2 };

static size_t find_slopes(double *slopes, const double *at, const double *values, size_t count)
{
  size_t pairs = 0;
  for (size_t i = 0; i < count; i++)
    for (size_t j = i + 1; j < count; j++) {
      double distance = at == NULL ? (double)(j - i) : at[j] - at[i];
      if (distance != 0)
        slopes[pairs++] = (values[j] - values[i]) / distance;
    }
  return pairs;
}

dyno_status dyno_theil_sen(double *slope, const double *at, const double *values, size_t count,
                           dyno_error *error)
{
  *slope = NAN;
  dyno_status status = dyno_check_values(values, count, error);
  if (status == DYNO_OK && at != NULL)
    status = dyno_check_values(at, count, error);
  if (status != DYNO_OK || count == 1)
    return status;
  double *slopes = calloc(count, (count - 1) / 2 * sizeof *slopes + sizeof *slopes);
  if (slopes == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the slopes between %zu values",
                     count);
  size_t pairs = find_slopes(slopes, at, values, count);
  if (pairs > 0)
    *slope = dyno_median(slopes, pairs);
  free(slopes);
  return DYNO_OK;
}

/* What runs of equal values take from the variance: the sum of t (t - 1) (2 t + 5), without
 * sorting: each of t equal values adds (t - 1) (2 t + 5). */
static double tie_correction(const double *values, size_t count)
{
  double total = 0;
  for (size_t i = 0; i < count; i++) {
    double equal = 0;
    for (size_t j = 0; j < count; j++)
      equal += values[j] == values[i];
    total += (equal - 1) * (2 * equal + 5);
  }
  return total;
}

double dyno_mann_kendall(const double *values, size_t count)
{
  double n = (double)count, rises = 0;
  for (size_t i = 0; i < count; i++)
    for (size_t j = i + 1; j < count; j++)
      rises += (values[j] > values[i]) - (values[j] < values[i]);
  double variance = (n * (n - 1) * (2 * n + 5) - tie_correction(values, count)) / 18;
  if (variance <= 0 || rises == 0)
    return 1;
  return fmin(erfc((fabs(rises) - 1) / sqrt(variance) / sqrt(2)), 1);
}

/* How much the means of two segments explain: the squares between them, k (n - k) / n times the
 * squared difference of means, at the best place *change. values sum to 0, so that the sum of the
 * first k is enough. */
static double best_change(size_t *change, const double *values, size_t count)
{
  double best = -1, sum = 0, n = (double)count;
  for (size_t k = 1; k + SHORTEST_SEGMENT <= count; k++) {
    sum += values[k - 1];
    if (k < SHORTEST_SEGMENT)
      continue;
    double explained = sum * sum * n / ((double)k * (n - (double)k));
    if (explained > best) {
      best = explained;
      *change = k;
    }
  }
  return best;
}

/* Fisher and Yates; number `shuffle` of the seed. */
static void permute(double *values, size_t count, uint64_t seed, uint64_t shuffle)
{
  for (size_t i = count - 1; i > 0; i--) {
    double unit = dyno_random_unit(seed, shuffle * count + i);
    size_t other = (size_t)(unit * (double)(i + 1));
    double value = values[i];
    values[i] = values[other];
    values[other] = value;
  }
}

/* How often the values in random order show a change as clear as theirs; they themselves are one
 * order of many. Rounding must not make an equal one less clear. */
static double permutation_p(double *shuffled, size_t count, double observed, uint64_t seed)
{
  size_t as_clear = 1, ignored;
  for (uint64_t i = 0; i < PERMUTATIONS; i++) {
    permute(shuffled, count, seed, i);
    as_clear += best_change(&ignored, shuffled, count) >= observed * (1 - 1e-12);
  }
  return (double)as_clear / (PERMUTATIONS + 1);
}

static double median_of(double *scratch, const double *values, size_t count)
{
  memcpy(scratch, values, count * sizeof *scratch);
  return dyno_median(scratch, count);
}

static void find_change(dyno_trend *trend, double *scratch, const double *values, size_t count,
                        uint64_t seed)
{
  double level = fabs(median_of(scratch, values, count)), mean = 0;
  for (size_t i = 0; i < count; i++)
    mean += values[i] / (double)count;
  for (size_t i = 0; i < count; i++)
    scratch[i] = values[i] - mean;
  double observed = best_change(&trend->change, scratch, count);
  trend->change_p = permutation_p(scratch, count, observed, seed);
  double before = median_of(scratch, values, trend->change);
  double after = median_of(scratch, values + trend->change, count - trend->change);
  trend->change_size = level > 0 ? (after - before) / level : NAN;
  trend->drift = level > 0 ? trend->slope * (double)(count - 1) / level : NAN;
}

static dyno_steadiness judge(const dyno_trend *trend)
{
  bool drifts = fabs(trend->drift) > DYNO_STEADY_TOLERANCE;
  bool changes = fabs(trend->change_size) > DYNO_STEADY_TOLERANCE;
  if ((drifts && trend->drift_p < DYNO_STEADY_SIGNIFICANCE) ||
      (changes && trend->change_p < DYNO_STEADY_SIGNIFICANCE))
    return DYNO_UNSTEADY;
  return drifts || changes ? DYNO_UNDECIDED : DYNO_STEADY;
}

dyno_status dyno_judge_steadiness(dyno_trend *trend, const double *values, size_t count,
                                  uint64_t seed, dyno_error *error)
{
  *trend = (dyno_trend){NAN, NAN, 1, 0, NAN, 1, DYNO_UNDECIDED};
  dyno_status status = dyno_theil_sen(&trend->slope, NULL, values, count, error);
  if (status != DYNO_OK || count < DYNO_STEADY_LEAST_VALUES)
    return status;
  double *scratch = calloc(count, sizeof *scratch);
  if (scratch == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to reorder %zu values", count);
  find_change(trend, scratch, values, count, seed);
  free(scratch);
  trend->drift_p = dyno_mann_kendall(values, count);
  trend->verdict = judge(trend);
  return DYNO_OK;
}

const char *dyno_steadiness_name(dyno_steadiness verdict)
{
  static const char *const names[] = {
      [DYNO_STEADY] = "steady", [DYNO_UNSTEADY] = "unsteady", [DYNO_UNDECIDED] = "undecided"};
  return names[verdict];
}
