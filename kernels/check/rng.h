/* Random numbers that are the same everywhere for the same seed: splitmix64 (Steele, Lea and
 * Flood 2014, "Fast splittable pseudorandom number generators"). */
#ifndef DYNO_KERNELS_CHECK_RNG_H
#define DYNO_KERNELS_CHECK_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct dyno_rng {
  uint64_t state;
} dyno_rng;

static inline uint64_t dyno_rng_next(dyno_rng *rng)
{
  uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Folds a value into a seed. */
static inline uint64_t dyno_rng_mix(uint64_t seed, uint64_t value)
{
  dyno_rng rng = {seed ^ (value + 0x9e3779b97f4a7c15u + (seed << 6) + (seed >> 2))};
  return dyno_rng_next(&rng);
}

/* 0 to count - 1; count from 1 to 2^32. The bias of at most 2^-32 does not matter here. */
static inline size_t dyno_rng_below(dyno_rng *rng, size_t count)
{
  return (size_t)(((dyno_rng_next(rng) >> 32) * (uint64_t)count) >> 32);
}

/* Uniform in [-1, 1). */
static inline float dyno_rng_uniform(dyno_rng *rng)
{
  return (float)(int32_t)(dyno_rng_next(rng) >> 40) * 0x1p-23f - 1;
}

/* About normal, with mean 0 and variance 1: the sum of four uniform 16-bit numbers (Irwin-Hall),
 * which never goes beyond 3.5. */
static inline float dyno_rng_normal(dyno_rng *rng)
{
  uint64_t bits = dyno_rng_next(rng);
  int32_t sum = (int32_t)(bits & 0xffff) + (int32_t)(bits >> 16 & 0xffff) +
                (int32_t)(bits >> 32 & 0xffff) + (int32_t)(bits >> 48);
  return (float)(sum - 131070) * 0x1.bb67aep-16f; /* sqrt(3) / 2^16 */
}

#endif
