/* Random bits by counter: a stream is its starting point, and every row of every tensor has one
 * of its own, so that rows can be made in any order and by any thread.
 *
 * SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators". */
#ifndef DYNO_RUNTIME_SYNTH_RANDOM_H
#define DYNO_RUNTIME_SYNTH_RANDOM_H

#include <stdint.h>

typedef struct dyno_random {
  uint64_t state;
} dyno_random;

static inline uint64_t dyno_random_mix(uint64_t z)
{
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline uint64_t dyno_random_next(dyno_random *random)
{
  return dyno_random_mix(random->state += 0x9e3779b97f4a7c15u);
}

/* The stream of part `index` of whatever has this key. */
static inline dyno_random dyno_random_stream(uint64_t key, uint64_t index)
{
  return (dyno_random){dyno_random_mix(key + dyno_random_mix(index + 1))};
}

#endif
