/* What the AVX-512 variants of all families do with a vector of 16 floats. */
#ifndef DYNO_KERNELS_BASE_VECTOR_AVX512_H
#define DYNO_KERNELS_BASE_VECTOR_AVX512_H

#include <immintrin.h>
#include <stddef.h>

#include "kernels/base/compiler.h"

enum { DYNO_LANES512 = 16 };

/* A mask of the first `count` lanes; of all of them when count is 16 or more. */
DYNO_ALWAYS_INLINE __mmask16 dyno_first_lanes512(size_t count)
{
  return (__mmask16)(count < DYNO_LANES512 ? (1u << count) - 1 : 0xffffu);
}

/* The sum of the lanes, always in the same order. */
DYNO_ALWAYS_INLINE float dyno_add_lanes512(__m512 x)
{
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
