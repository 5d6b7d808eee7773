#include "kernels/base/vector_avx2.h"
#include "kernels/elementwise/elementwise.h"

static void rotate_head(float *first, const float *cosines, const float *sines, size_t half)
{
  float *second = first + half;
  for (size_t i = 0; i < half; i += DYNO_LANES256) {
    size_t count = half - i;
    __m256 cosine = dyno_load256(cosines + i, count), sine = dyno_load256(sines + i, count);
    __m256 x = dyno_load256(first + i, count), y = dyno_load256(second + i, count);
    dyno_store256(first + i, count, _mm256_fmsub_ps(x, cosine, _mm256_mul_ps(y, sine)));
    dyno_store256(second + i, count, _mm256_fmadd_ps(y, cosine, _mm256_mul_ps(x, sine)));
  }
}

void dyno_rope__avx2(const dyno_rope_args *args, size_t row0, size_t row1)
{
  size_t half = args->head_size / 2;
  for (size_t t = row0; t < row1; t++)
    for (size_t head = 0; head < args->heads; head++)
      rotate_head(args->values + t * args->stride + head * args->head_size, args->cosine + t * half,
                  args->sine + t * half, half);
}
