/* exp and 2^x of 16 floats at once, to about one unit in the last place. */
#ifndef DYNO_KERNELS_BASE_EXP_AVX512_H
#define DYNO_KERNELS_BASE_EXP_AVX512_H

#include <immintrin.h>

#include "kernels/base/compiler.h"

/* exp(r) for |r| <= ln 2 / 2. The Taylor series up to r^7 / 7! leaves a relative error below
 * 2^-27. */
DYNO_ALWAYS_INLINE __m512 dyno_exp_series512(__m512 r)
{
  __m512 sum = _mm512_set1_ps(1.0f / 5040);
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 720));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 120));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 24));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f / 6));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(0.5f));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f));
  sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(1.0f));
  return sum;
}

/* exp(x + rest), where rest is what rounding took from x. Underflows gradually and overflows to
 * infinity.
 *
 * exp(x) = 2^n exp(r) with n = x / ln 2 rounded. ln 2 is taken off in two parts. */
DYNO_ALWAYS_INLINE __m512 dyno_exp512_with(__m512 x, __m512 rest)
{
  /* Beyond these the result is 0 or infinity anyway, and n would grow without bounds. */
  __m512 inside = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(89)), _mm512_set1_ps(-105));
  rest = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, inside, _CMP_EQ_OQ), rest);
  x = inside;
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)),
                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e43p-1f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-0x1.05c61p-29f), r);
  r = _mm512_add_ps(r, rest);
  return _mm512_scalef_ps(dyno_exp_series512(r), n);
}

DYNO_ALWAYS_INLINE __m512 dyno_exp512(__m512 x)
{
  return dyno_exp512_with(x, _mm512_setzero_ps());
}

/* Underflows gradually and overflows to infinity. 2^x = 2^n exp(r), where n is x rounded. */
DYNO_ALWAYS_INLINE __m512 dyno_exp2_512(__m512 x)
{
  x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(129)), _mm512_set1_ps(-151));
  __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_mul_ps(_mm512_sub_ps(x, n), _mm512_set1_ps(0x1.62e43p-1f));
  return _mm512_scalef_ps(dyno_exp_series512(r), n);
}

#endif
