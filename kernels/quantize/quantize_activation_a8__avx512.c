#include "kernels/base/a8.h"
#include "kernels/base/vector_avx512.h"
#include "kernels/quantize/quantize.h"

/* x / scale to the nearest integer, within +-127; 0 where the scale is. */
DYNO_ALWAYS_INLINE __m512i quantize_lanes(__m512 x, __m512 scale)
{
  __mmask16 nonzero = _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  __m512 quotient = _mm512_maskz_div_ps(nonzero, x, scale);
  quotient = _mm512_max_ps(quotient, _mm512_set1_ps(-127));
  return _mm512_cvtps_epi32(_mm512_min_ps(quotient, _mm512_set1_ps(127)));
}

DYNO_ALWAYS_INLINE void quantize_block(int8_t *quants, float *scale, int32_t *sum,
                                       const float *input)
{
  __m512 low = _mm512_loadu_ps(input), high = _mm512_loadu_ps(input + 16);
  *scale = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high))) / 127;
  __m512 scales = _mm512_set1_ps(*scale);
  __m512i low_quants = quantize_lanes(low, scales), high_quants = quantize_lanes(high, scales);
  _mm_storeu_si128((void *)quants, _mm512_cvtepi32_epi8(low_quants));
  _mm_storeu_si128((void *)(quants + 16), _mm512_cvtepi32_epi8(high_quants));
  *sum = _mm512_reduce_add_epi32(_mm512_add_epi32(low_quants, high_quants));
}

void dyno_quantize_activation_a8__avx512(const dyno_quantize_activation_args *args, size_t row0,
                                         size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *input = args->input + t * args->k;
    char *row = (char *)args->output + t * dyno_a8_row_bytes(args->k);
    int8_t *quants = (int8_t *)row;
    float *scales = (float *)(void *)(row + dyno_a8_scales_offset(args->k));
    int32_t *sums = (int32_t *)(void *)(row + dyno_a8_sums_offset(args->k));
    for (size_t b = args->column0 / DYNO_A8_BLOCK; b < args->column1 / DYNO_A8_BLOCK; b++)
      quantize_block(quants + b * DYNO_A8_BLOCK, &scales[b], &sums[b], input + b * DYNO_A8_BLOCK);
  }
}
