#include <math.h>

#include "kernels/base/vector_avx512.h"
#include "kernels/elementwise/elementwise.h"

static float sum_of_squares(const float *input, size_t k)
{
  __m512 sum = _mm512_setzero_ps();
  for (size_t i = 0; i < k; i += DYNO_LANES512) {
    __m512 x = _mm512_maskz_loadu_ps(dyno_first_lanes512(k - i), input + i);
    sum = _mm512_fmadd_ps(x, x, sum);
  }
  return dyno_add_lanes512(sum);
}

void dyno_rmsnorm__avx512(const dyno_rmsnorm_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *input = args->input + t * args->k;
    float *output = args->output + t * args->k;
    float mean = sum_of_squares(input, args->k) / (float)args->k;
    __m512 scale = _mm512_set1_ps(1 / sqrtf(mean + args->epsilon));
    for (size_t i = 0; i < args->k; i += DYNO_LANES512) {
      __mmask16 lanes = dyno_first_lanes512(args->k - i);
      __m512 x = _mm512_maskz_loadu_ps(lanes, input + i);
      __m512 weight = _mm512_maskz_loadu_ps(lanes, args->weight + i);
      _mm512_mask_storeu_ps(output + i, lanes, _mm512_mul_ps(_mm512_mul_ps(x, scale), weight));
    }
  }
}
