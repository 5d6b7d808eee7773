#include <math.h>

#include "kernels/base/vector_avx2.h"
#include "kernels/elementwise/elementwise.h"

static float sum_of_squares(const float *input, size_t k)
{
  __m256 sum = _mm256_setzero_ps();
  for (size_t i = 0; i < k; i += DYNO_LANES256) {
    __m256 x = dyno_load256(input + i, k - i);
    sum = _mm256_fmadd_ps(x, x, sum);
  }
  return dyno_add_lanes256(sum);
}

void dyno_rmsnorm__avx2(const dyno_rmsnorm_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *input = args->input + t * args->k;
    float *output = args->output + t * args->k;
    float mean = sum_of_squares(input, args->k) / (float)args->k;
    __m256 scale = _mm256_set1_ps(1 / sqrtf(mean + args->epsilon));
    for (size_t i = 0; i < args->k; i += DYNO_LANES256) {
      __m256 x = dyno_load256(input + i, args->k - i);
      __m256 weight = dyno_load256(args->weight + i, args->k - i);
      dyno_store256(output + i, args->k - i, _mm256_mul_ps(_mm256_mul_ps(x, scale), weight));
    }
  }
}
