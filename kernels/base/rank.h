/* The order in which the router and top-k pick. */
#ifndef DYNO_KERNELS_BASE_RANK_H
#define DYNO_KERNELS_BASE_RANK_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether value a at index i is picked before value b at index j: the larger first, equal ones
 * (0 and -0 are) by lower index, and NaNs after everything else. A total order. */
static inline bool dyno_ranks_before(float a, size_t i, float b, size_t j)
{
  bool a_is_nan = isnan(a), b_is_nan = isnan(b);
  if (a_is_nan != b_is_nan)
    return b_is_nan;
  if (!a_is_nan && a != b)
    return a > b;
  return i < j;
}

/* The first index, in that order, of values [n] that is ranked after index previous; the first of
 * all when previous is n. There must be one. */
static inline size_t dyno_next_ranked(const float *values, size_t n, size_t previous)
{
  size_t best = n;
  for (size_t i = 0; i < n; i++) {
    if (previous < n && !dyno_ranks_before(values[previous], previous, values[i], i))
      continue;
    if (best == n || dyno_ranks_before(values[i], i, values[best], best))
      best = i;
  }
  return best;
}

#endif
