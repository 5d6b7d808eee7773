#include "kernels/base/vector_avx2.h"
#include "kernels/sampling/ranking.h"
#include "kernels/sampling/sampling.h"

/* Offers those of values[first..n) that could still get into a full list: what compares neither
 * less than nor equal to its last value, NaNs among them. */
static void scan(dyno_ranking *ranking, const float *values, size_t first, size_t n)
{
  for (size_t i = first; i < n; i += DYNO_LANES256) {
    __m256 x = dyno_load256(values + i, n - i);
    __m256 last = _mm256_set1_ps(ranking->value[ranking->size - 1]);
    __m256 better = _mm256_cmp_ps(x, last, _CMP_NLE_UQ);
    better = _mm256_and_ps(better, _mm256_castsi256_ps(dyno_first_lanes256(n - i)));
    for (unsigned candidates = (unsigned)_mm256_movemask_ps(better); candidates != 0;
         candidates &= candidates - 1) {
      size_t index = i + (size_t)__builtin_ctz(candidates);
      dyno_ranking_offer(ranking, values[index], index);
    }
  }
}

void dyno_top_k__avx2(const dyno_top_k_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1 && args->chosen > 0; t++) {
    const float *values = args->values + t * args->n;
    dyno_ranking ranking = {.index = args->index + t * args->chosen,
                            .value = args->value + t * args->chosen,
                            .size = args->chosen};
    for (size_t i = 0; i < args->chosen; i++)
      dyno_ranking_offer(&ranking, values[i], i);
    scan(&ranking, values, args->chosen, args->n);
  }
}
