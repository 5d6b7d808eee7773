/* What the AVX2 variants over plain rows share. Lane l of an output's accumulator takes the columns
 * l, l + 8, ... in order, and the lanes are added up as a tree, whatever the tile. */
#ifndef DYNO_KERNELS_MATMUL_ROWS_AVX2_H
#define DYNO_KERNELS_MATMUL_ROWS_AVX2_H

#include <immintrin.h>

#include "kernels/base/compiler.h"
#include "kernels/matmul/rows.h"

enum { DYNO_ROWS256_LANES = 8 };

/* The first `count` of eight floats, at most; zeros instead of the others. */
DYNO_ALWAYS_INLINE __m256 dyno_load256(const float *values, size_t count)
{
  if (count >= DYNO_ROWS256_LANES)
    return _mm256_loadu_ps(values);
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_maskload_ps(values, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lanes));
}

DYNO_ALWAYS_INLINE float dyno_add_lanes256(__m256 sum)
{
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
