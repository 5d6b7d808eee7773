/* exp and 2^x of 8 floats at once, to about one unit in the last place. */
#ifndef DYNO_KERNELS_BASE_EXP_AVX2_H
#define DYNO_KERNELS_BASE_EXP_AVX2_H

#include <immintrin.h>

#include "kernels/base/compiler.h"

/* 2^n for -126 <= n <= 127. */
DYNO_ALWAYS_INLINE __m256 dyno_power_of_two256(__m256i n)
{
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* x 2^n, for integers n from -151 to 129. */
DYNO_ALWAYS_INLINE __m256 dyno_scale256(__m256 x, __m256 n)
{
  /* 2^n in two factors, because that is beyond a float's. */
  __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  x = _mm256_mul_ps(x, dyno_power_of_two256(half));
  return _mm256_mul_ps(x, dyno_power_of_two256(_mm256_sub_epi32(whole, half)));
}

/* exp(r) for |r| <= ln 2 / 2. The Taylor series up to r^7 / 7! leaves a relative error below
 * 2^-27. */
DYNO_ALWAYS_INLINE __m256 dyno_exp_series256(__m256 r)
{
  __m256 sum = _mm256_set1_ps(1.0f / 5040);
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 720));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 120));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 24));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f / 6));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(0.5f));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(1.0f));
  return sum;
}

/* exp(x + rest), where rest is what rounding took from x. Underflows gradually and overflows to
 * infinity.
 *
 * exp(x) = 2^n exp(r) with n = x / ln 2 rounded. ln 2 is taken off in two parts. */
DYNO_ALWAYS_INLINE __m256 dyno_exp256_with(__m256 x, __m256 rest)
{
  /* Beyond these the result is 0 or infinity anyway, and n would grow without bounds. */
  __m256 inside = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(89)), _mm256_set1_ps(-105));
  rest = _mm256_and_ps(_mm256_cmp_ps(x, inside, _CMP_EQ_OQ), rest);
  x = inside;
  __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p+0f)),
                             _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e43p-1f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-0x1.05c61p-29f), r);
  r = _mm256_add_ps(r, rest);
  return dyno_scale256(dyno_exp_series256(r), n);
}

DYNO_ALWAYS_INLINE __m256 dyno_exp256(__m256 x)
{
  return dyno_exp256_with(x, _mm256_setzero_ps());
}

/* Underflows gradually and overflows to infinity. 2^x = 2^n exp(r), where n is x rounded. */
DYNO_ALWAYS_INLINE __m256 dyno_exp2_256(__m256 x)
{
  x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(129)), _mm256_set1_ps(-151));
  __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_mul_ps(_mm256_sub_ps(x, n), _mm256_set1_ps(0x1.62e43p-1f));
  return dyno_scale256(dyno_exp_series256(r), n);
}

#endif
