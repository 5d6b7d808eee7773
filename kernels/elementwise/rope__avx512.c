#include "kernels/base/vector_avx512.h"
#include "kernels/elementwise/elementwise.h"

static void rotate_head(float *first, const float *cosines, const float *sines, size_t half)
{
  float *second = first + half;
  for (size_t i = 0; i < half; i += DYNO_LANES512) {
    __mmask16 lanes = dyno_first_lanes512(half - i);
    __m512 cosine = _mm512_maskz_loadu_ps(lanes, cosines + i);
    __m512 sine = _mm512_maskz_loadu_ps(lanes, sines + i);
    __m512 x = _mm512_maskz_loadu_ps(lanes, first + i);
    __m512 y = _mm512_maskz_loadu_ps(lanes, second + i);
    _mm512_mask_storeu_ps(first + i, lanes, _mm512_fmsub_ps(x, cosine, _mm512_mul_ps(y, sine)));
    _mm512_mask_storeu_ps(second + i, lanes, _mm512_fmadd_ps(y, cosine, _mm512_mul_ps(x, sine)));
  }
}

void dyno_rope__avx512(const dyno_rope_args *args, size_t row0, size_t row1)
{
  size_t half = args->head_size / 2;
  for (size_t t = row0; t < row1; t++)
    for (size_t head = 0; head < args->heads; head++)
      rotate_head(args->values + t * args->stride + head * args->head_size, args->cosine + t * half,
                  args->sine + t * half, half);
}
