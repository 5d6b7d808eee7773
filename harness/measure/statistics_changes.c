#include "harness/measure/statistics_changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/rng.h"

typedef struct search {
  const dyno_changes_options *options;
  double *values;   /* [count], in their order */
  double *shuffled; /* [count] */
  double *sums;     /* [(count + 1)^2]: of the distances in the rows and columns before */
  dyno_change *changes;
  size_t found;
  uint64_t drawn; /* random numbers so far */
} search;

/* sums[i][j]: of |x - y| over the first i and the first j values [n]. */
static void sum_distances(double *sums, const double *values, size_t n)
{
  size_t width = n + 1;
  for (size_t j = 0; j <= n; j++)
    sums[j] = 0;
  for (size_t i = 1; i <= n; i++) {
    double row = 0;
    sums[i * width] = 0;
    for (size_t j = 1; j <= n; j++) {
      row += fabs(values[i - 1] - values[j - 1]);
      sums[i * width + j] = sums[(i - 1) * width + j] + row;
    }
  }
}

/* The scaled energy distance of values [0, cut) and [cut, end): equations 5 and 6. */
static double energy(const double *sums, size_t width, size_t cut, size_t end)
{
  double m = (double)cut, n = (double)(end - cut);
  double first = sums[cut * width + cut];
  double between = sums[cut * width + end] - first;
  double second = sums[end * width + end] - first - 2 * between;
  double distance = 2 * between / (m * n) - first / (m * (m - 1)) - second / (n * (n - 1));
  return m * n / (m + n) * distance;
}

/* The clearest cut of values [n]; what follows it may end before they do, so that a level that
 * comes back hides nothing. */
static double best_cut(size_t *cut, double *sums, const double *values, size_t n, size_t shortest)
{
  double best = -INFINITY;
  sum_distances(sums, values, n);
  for (size_t at = shortest; at + shortest <= n; at++)
    for (size_t end = at + shortest; end <= n; end++) {
      double found = energy(sums, n + 1, at, end);
      if (found > best) {
        best = found;
        *cut = at;
      }
    }
  return best;
}

/* Fisher and Yates. */
static void permute(search *s, size_t n)
{
  for (size_t i = n - 1; i > 0; i--) {
    size_t other = (size_t)(dyno_random_unit(s->options->seed, s->drawn++) * (double)(i + 1));
    double value = s->shuffled[i];
    s->shuffled[i] = s->shuffled[other];
    s->shuffled[other] = value;
  }
}

/* Rounding must not make an order that is equally clear look less so. */
static double permutation_p(search *s, const double *values, size_t n, double observed)
{
  size_t as_clear = 1, ignored;
  memcpy(s->shuffled, values, n * sizeof *values);
  for (size_t i = 0; i < s->options->permutations; i++) {
    permute(s, n);
    double found = best_cut(&ignored, s->sums, s->shuffled, n, s->options->shortest);
    as_clear += found >= observed - 1e-9 * fabs(observed);
  }
  return (double)as_clear / (double)(s->options->permutations + 1);
}

/* Cuts the stretch [begin, end), and its parts, as long as cuts are clear. */
static void divide(search *s, size_t begin, size_t end)
{
  size_t n = end - begin, cut = 0;
  if (n < 2 * s->options->shortest)
    return;
  double observed = best_cut(&cut, s->sums, s->values + begin, n, s->options->shortest);
  if (!(observed > 0))
    return;
  double p = permutation_p(s, s->values + begin, n, observed);
  if (p > s->options->significance)
    return;
  divide(s, begin, begin + cut);
  s->changes[s->found++] = (dyno_change){.first = begin + cut, .p = p};
  divide(s, begin + cut, end);
}

static double median_between(search *s, size_t begin, size_t end)
{
  memcpy(s->shuffled, s->values + begin, (end - begin) * sizeof *s->shuffled);
  return dyno_median(s->shuffled, end - begin);
}

static void tell_levels(search *s, size_t count)
{
  for (size_t i = 0; i < s->found; i++) {
    dyno_change *change = &s->changes[i];
    size_t begin = i == 0 ? 0 : s->changes[i - 1].first;
    size_t end = i + 1 == s->found ? count : s->changes[i + 1].first;
    change->before = median_between(s, begin, change->first);
    change->after = median_between(s, change->first, end);
  }
}

dyno_status dyno_find_changes(dyno_change *changes, size_t *found, const double *values,
                              size_t count, const dyno_changes_options *options, dyno_error *error)
{
  *found = 0;
  dyno_status status = dyno_check_values(values, count, error);
  if (status != DYNO_OK || count < DYNO_CHANGES_LEAST_VALUES)
    return status;
  if (count > DYNO_CHANGES_MOST_VALUES)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%zu values: changes are looked for in at most %d",
                     count, DYNO_CHANGES_MOST_VALUES);
  search s = {.options = options, .changes = changes};
  s.values = calloc(2 * count + (count + 1) * (count + 1), sizeof *s.values);
  if (s.values == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory to look for changes in %zu values",
                     count);
  s.shuffled = s.values + count;
  s.sums = s.shuffled + count;
  memcpy(s.values, values, count * sizeof *values);
  divide(&s, 0, count);
  tell_levels(&s, count);
  free(s.values);
  *found = s.found;
  return DYNO_OK;
}
