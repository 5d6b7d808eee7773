#include "kernels/base/exp_avx512.h"
#include "kernels/base/vector_avx512.h"
#include "kernels/elementwise/elementwise.h"

/* g / (1 + exp(-alpha g)) * (u + 1). What rounding takes from alpha g is handed to exp, which
 * would turn it into a large relative error. */
DYNO_ALWAYS_INLINE __m512 swiglu(__m512 gate, __m512 up, float alpha, float limit)
{
  __m512 g = _mm512_min_ps(gate, _mm512_set1_ps(limit));
  __m512 u = _mm512_max_ps(_mm512_min_ps(up, _mm512_set1_ps(limit)), _mm512_set1_ps(-limit));
  __m512 argument = _mm512_mul_ps(g, _mm512_set1_ps(-alpha));
  __m512 rest = _mm512_fmsub_ps(g, _mm512_set1_ps(-alpha), argument);
  __m512 one = _mm512_set1_ps(1);
  __m512 swish = _mm512_div_ps(g, _mm512_add_ps(one, dyno_exp512_with(argument, rest)));
  return _mm512_mul_ps(swish, _mm512_add_ps(u, one));
}

void dyno_swiglu__avx512(const dyno_swiglu_args *args, size_t row0, size_t row1)
{
  size_t end = row1 * args->k;
  for (size_t i = row0 * args->k; i < end; i += DYNO_LANES512) {
    __mmask16 lanes = dyno_first_lanes512(end - i);
    __m512 gate = _mm512_maskz_loadu_ps(lanes, args->gate + i);
    __m512 up = _mm512_maskz_loadu_ps(lanes, args->up + i);
    _mm512_mask_storeu_ps(args->output + i, lanes, swiglu(gate, up, args->alpha, args->limit));
  }
}
