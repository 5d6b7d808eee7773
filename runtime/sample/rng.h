/* Random numbers without a state: a function of a seed and of what they are for, so that the same
 * token of the same sequence gets the same number whatever was computed before it or beside it.
 *
 * Philox4x32-10: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
 */
#ifndef DYNO_RUNTIME_SAMPLE_RNG_H
#define DYNO_RUNTIME_SAMPLE_RNG_H

#include <stdint.h>

typedef struct dyno_philox_block {
  uint32_t word[4];
} dyno_philox_block;

/* The random block that belongs to a counter and a key. */
static inline dyno_philox_block dyno_philox4x32_10(dyno_philox_block counter, uint32_t key0,
                                                   uint32_t key1)
{
  for (int round = 0; round < 10; round++) {
    uint64_t product0 = (uint64_t)0xd2511f53u * counter.word[0];
    uint64_t product1 = (uint64_t)0xcd9e8d57u * counter.word[2];
    counter = (dyno_philox_block){{
        (uint32_t)(product1 >> 32) ^ counter.word[1] ^ key0,
        (uint32_t)product1,
        (uint32_t)(product0 >> 32) ^ counter.word[3] ^ key1,
        (uint32_t)product0,
    }};
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return counter;
}

/* A number in [0, 1), a multiple of 2^-53. */
static inline double dyno_random_unit(uint64_t seed, uint64_t position)
{
  dyno_philox_block counter = {{(uint32_t)position, (uint32_t)(position >> 32), 0, 0}};
  dyno_philox_block block = dyno_philox4x32_10(counter, (uint32_t)seed, (uint32_t)(seed >> 32));
  uint64_t bits = (uint64_t)block.word[1] << 32 | block.word[0];
  return (double)(bits >> 11) * 0x1p-53;
}

#endif
