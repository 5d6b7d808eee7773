/* Seeded numbers for tests: the same on every machine. */
#ifndef DYNO_TESTS_UNIT_RANDOM_H
#define DYNO_TESTS_UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators". */
static inline uint64_t random_next(uint64_t *state)
{
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Below bound, which is not 0. */
static inline size_t random_below(uint64_t *state, size_t bound)
{
  return (size_t)(random_next(state) % bound);
}

static inline float random_float(uint64_t *state, float low, float high)
{
  double unit = (double)(random_next(state) >> 11) * 0x1p-53;
  return (float)((double)low + unit * ((double)high - (double)low));
}

/* Kinds of inputs that break kernels. */
typedef enum input_pattern {
  PATTERN_UNIFORM,  /* within -1 and 1 */
  PATTERN_ZEROS,    /* both signs */
  PATTERN_DENORMAL, /* the smallest there are */
  PATTERN_HUGE,     /* near FLT_MAX */
  PATTERN_SPIKE,    /* one value of 20 standard deviations among small ones */
  PATTERN_MIXED,    /* magnitudes from 1e-30 to 1e30 */
  PATTERN_REPEATED, /* four values only, so that there are ties */
  PATTERN_COUNT
} input_pattern;

static inline float random_of_pattern(uint64_t *state, input_pattern pattern, size_t i)
{
  float x = random_float(state, -1, 1);
  switch (pattern) {
  case PATTERN_ZEROS:
    return x < 0 ? -0.0f : 0.0f;
  case PATTERN_DENORMAL:
    return x * 0x1p-130f;
  case PATTERN_HUGE:
    return x * 0x1.fffffep127f;
  case PATTERN_SPIKE:
    return i % 37 == 5 ? 20 : x;
  case PATTERN_MIXED:
    for (size_t n = random_below(state, 31); n > 0; n--)
      x *= random_next(state) % 64 < 32 ? 10.0f : 0.1f;
    return x;
  case PATTERN_REPEATED:
    return (float)(int)(x * 2.5f);
  default:
    return x;
  }
}

static inline void random_fill(uint64_t *state, input_pattern pattern, float *values, size_t count)
{
  for (size_t i = 0; i < count; i++)
    values[i] = random_of_pattern(state, pattern, i);
}

#endif
