#include <immintrin.h>
#include <stddef.h>

#include "kernels/base/compiler.h"

enum { LANES = 16 };
typedef __m512 lanes;

DYNO_ALWAYS_INLINE lanes lanes_of(float value)
{
  return _mm512_set1_ps(value);
}

DYNO_ALWAYS_INLINE lanes lanes_load(const float *values)
{
  return _mm512_load_ps(values);
}

DYNO_ALWAYS_INLINE void lanes_store(float *values, lanes x)
{
  _mm512_store_ps(values, x);
}

DYNO_ALWAYS_INLINE lanes lanes_add(lanes a, lanes b)
{
  return _mm512_add_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b)
{
  return _mm512_sub_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b)
{
  return _mm512_mul_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_div(lanes a, lanes b)
{
  return _mm512_div_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_round(lanes x)
{
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

DYNO_ALWAYS_INLINE lanes lanes_min(lanes a, lanes b)
{
  return _mm512_min_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_max(lanes a, lanes b)
{
  return _mm512_max_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_magnitude(lanes x)
{
  return _mm512_abs_ps(x);
}

DYNO_ALWAYS_INLINE lanes lanes_if_greater(lanes a, lanes b, lanes x, lanes y)
{
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}

#include "kernels/quantize/fit_weight_lanes.h"

FIT_VARIANT(dyno_fit_weight_q4_0__avx512, q4_0, 18)
FIT_VARIANT(dyno_fit_weight_q4_1__avx512, q4_1, 20)
FIT_VARIANT(dyno_fit_weight_mxfp4__avx512, mxfp4, 17)
