/* What the AVX2 variants of all families do with a vector of eight floats. */
#ifndef DYNO_KERNELS_BASE_VECTOR_AVX2_H
#define DYNO_KERNELS_BASE_VECTOR_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "kernels/base/compiler.h"

enum { DYNO_LANES256 = 8 };

/* The first `count` lanes; all of them when count is 8 or more. */
DYNO_ALWAYS_INLINE __m256i dyno_first_lanes256(size_t count)
{
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  int lane_count = count < DYNO_LANES256 ? (int)count : DYNO_LANES256;
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lane_count), lanes);
}

/* The first `count` of eight floats, and zeros; touches no others. (vmaskmovps would do, but QEMU
 * up to 7.2 reads all eight.) */
DYNO_ALWAYS_INLINE __m256 dyno_load256(const float *values, size_t count)
{
  if (count >= DYNO_LANES256)
    return _mm256_loadu_ps(values);
  float some[DYNO_LANES256] = {0};
  memcpy(some, values, count * sizeof *some);
  return _mm256_loadu_ps(some);
}

/* Stores the first `count` of eight floats. */
DYNO_ALWAYS_INLINE void dyno_store256(float *values, size_t count, __m256 x)
{
  if (count >= DYNO_LANES256)
    _mm256_storeu_ps(values, x);
  else
    _mm256_maskstore_ps(values, dyno_first_lanes256(count), x);
}

/* The sum of the lanes, always in the same order. */
DYNO_ALWAYS_INLINE float dyno_add_lanes256(__m256 x)
{
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

DYNO_ALWAYS_INLINE float dyno_largest_lane256(__m256 x)
{
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

DYNO_ALWAYS_INLINE __m256 dyno_magnitude256(__m256 x)
{
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

#endif
