/* What the loops have in common.
 *
 * The accumulators of the MAC loops: enough to hide a latency of 6 cycles at two operations a
 * cycle, and still few enough for the 16 registers of AVX2. A macro, because an array of vectors
 * stays in memory when the compiler does not unroll the loop over it. */
#ifndef DYNO_KERNELS_CEILING_LOOPS_H
#define DYNO_KERNELS_CEILING_LOOPS_H

#define DYNO_CEILING_CHAINS 12

/* STEP(i) for every chain i. */
#define DYNO_CEILING_EACH_CHAIN(STEP)                                                              \
  STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10) STEP(11)

/* Keeps the loads before it before those after it. Compilers like to reorder the loads of an
 * unrolled loop, and the prefetcher then loses a third of its speed. */
#define DYNO_CEILING_IN_ORDER() __asm__ volatile("" ::: "memory")

/* The lanes of a vector together. Not by the compiler's own reduction: gcc writes it with signed
 * numbers, which may not overflow. */
static inline uint64_t dyno_ceiling_sum(const uint64_t *lanes, size_t count)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += lanes[i];
  return sum;
}

#endif
