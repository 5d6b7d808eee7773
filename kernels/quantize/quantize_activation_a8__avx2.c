#include "kernels/base/a8.h"
#include "kernels/base/vector_avx2.h"
#include "kernels/quantize/quantize.h"

enum { VECTORS = DYNO_A8_BLOCK / DYNO_LANES256 };

/* x / scale to the nearest integer, within +-127; 0 where the scale is. */
DYNO_ALWAYS_INLINE __m256i quantize_lanes(__m256 x, __m256 scale)
{
  __m256 nonzero = _mm256_cmp_ps(scale, _mm256_setzero_ps(), _CMP_NEQ_UQ);
  __m256 quotient = _mm256_and_ps(_mm256_div_ps(x, scale), nonzero);
  quotient = _mm256_max_ps(quotient, _mm256_set1_ps(-127));
  return _mm256_cvtps_epi32(_mm256_min_ps(quotient, _mm256_set1_ps(127)));
}

DYNO_ALWAYS_INLINE int32_t add_lanes(__m256i x)
{
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

/* Packing goes by halves of a vector; this undoes it. */
DYNO_ALWAYS_INLINE __m256i pack_bytes(const __m256i quants[VECTORS])
{
  __m256i first = _mm256_packs_epi32(quants[0], quants[1]);
  __m256i second = _mm256_packs_epi32(quants[2], quants[3]);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order);
}

DYNO_ALWAYS_INLINE void quantize_block(int8_t *quants, float *scale, int32_t *sum,
                                       const float *input)
{
  __m256 x[VECTORS], largest = _mm256_setzero_ps();
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++) {
    x[i] = _mm256_loadu_ps(input + i * DYNO_LANES256);
    largest = _mm256_max_ps(largest, dyno_magnitude256(x[i]));
  }
  *scale = dyno_largest_lane256(largest) / 127;

  __m256i lanes[VECTORS], sums = _mm256_setzero_si256();
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++) {
    lanes[i] = quantize_lanes(x[i], _mm256_set1_ps(*scale));
    sums = _mm256_add_epi32(sums, lanes[i]);
  }
  _mm256_storeu_si256((void *)quants, pack_bytes(lanes));
  *sum = add_lanes(sums);
}

void dyno_quantize_activation_a8__avx2(const dyno_quantize_activation_args *args, size_t row0,
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
