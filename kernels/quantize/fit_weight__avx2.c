#include <immintrin.h>
#include <stddef.h>

#include "kernels/base/compiler.h"
#include "kernels/base/vector_avx2.h"

enum { LANES = 8 };
typedef __m256 lanes;

DYNO_ALWAYS_INLINE lanes lanes_of(float value)
{
  return _mm256_set1_ps(value);
}

DYNO_ALWAYS_INLINE lanes lanes_load(const float *values)
{
  return _mm256_load_ps(values);
}

DYNO_ALWAYS_INLINE void lanes_store(float *values, lanes x)
{
  _mm256_store_ps(values, x);
}

DYNO_ALWAYS_INLINE lanes lanes_add(lanes a, lanes b)
{
  return _mm256_add_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b)
{
  return _mm256_sub_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b)
{
  return _mm256_mul_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_div(lanes a, lanes b)
{
  return _mm256_div_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_round(lanes x)
{
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

DYNO_ALWAYS_INLINE lanes lanes_min(lanes a, lanes b)
{
  return _mm256_min_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_max(lanes a, lanes b)
{
  return _mm256_max_ps(a, b);
}

DYNO_ALWAYS_INLINE lanes lanes_magnitude(lanes x)
{
  return dyno_magnitude256(x);
}

DYNO_ALWAYS_INLINE lanes lanes_if_greater(lanes a, lanes b, lanes x, lanes y)
{
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

#include "kernels/quantize/fit_weight_lanes.h"

FIT_VARIANT(dyno_fit_weight_q4_0__avx2, q4_0, 18)
FIT_VARIANT(dyno_fit_weight_q4_1__avx2, q4_1, 20)
FIT_VARIANT(dyno_fit_weight_mxfp4__avx2, mxfp4, 17)
