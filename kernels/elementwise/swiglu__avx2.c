#include "kernels/base/exp_avx2.h"
#include "kernels/base/vector_avx2.h"
#include "kernels/elementwise/elementwise.h"

/* g / (1 + exp(-alpha g)) * (u + 1). What rounding takes from alpha g is handed to exp, which
 * would turn it into a large relative error. */
DYNO_ALWAYS_INLINE __m256 swiglu(__m256 gate, __m256 up, float alpha, float limit)
{
  __m256 g = _mm256_min_ps(gate, _mm256_set1_ps(limit));
  __m256 u = _mm256_max_ps(_mm256_min_ps(up, _mm256_set1_ps(limit)), _mm256_set1_ps(-limit));
  __m256 argument = _mm256_mul_ps(g, _mm256_set1_ps(-alpha));
  __m256 rest = _mm256_fmsub_ps(g, _mm256_set1_ps(-alpha), argument);
  __m256 one = _mm256_set1_ps(1);
  __m256 swish = _mm256_div_ps(g, _mm256_add_ps(one, dyno_exp256_with(argument, rest)));
  return _mm256_mul_ps(swish, _mm256_add_ps(u, one));
}

void dyno_swiglu__avx2(const dyno_swiglu_args *args, size_t row0, size_t row1)
{
  size_t end = row1 * args->k;
  for (size_t i = row0 * args->k; i < end; i += DYNO_LANES256) {
    __m256 gate = dyno_load256(args->gate + i, end - i);
    __m256 up = dyno_load256(args->up + i, end - i);
    dyno_store256(args->output + i, end - i, swiglu(gate, up, args->alpha, args->limit));
  }
}
