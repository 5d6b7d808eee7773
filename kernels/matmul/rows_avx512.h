/* What the AVX-512 variants over plain rows share. Lane l of an output's accumulator takes the
 * columns l, l + 16, ... in order, and the lanes are added up as a tree, whatever the tile. */
#ifndef DYNO_KERNELS_MATMUL_ROWS_AVX512_H
#define DYNO_KERNELS_MATMUL_ROWS_AVX512_H

#include <immintrin.h>

#include "kernels/base/compiler.h"
#include "kernels/matmul/rows.h"

enum { DYNO_ROWS512_LANES = 16 };

/* A mask of the columns from i to k, at most 16. */
DYNO_ALWAYS_INLINE __mmask16 dyno_columns512(size_t i, size_t k)
{
  return k - i < DYNO_ROWS512_LANES ? (__mmask16)((1u << (k - i)) - 1) : 0xffff;
}

DYNO_ALWAYS_INLINE float dyno_add_lanes512(__m512 sum)
{
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
