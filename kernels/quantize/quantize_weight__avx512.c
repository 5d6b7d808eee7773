#include <float.h>

#include "kernels/base/vector_avx512.h"
#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize_weight.h"

/* A block is two vectors. */
typedef struct pair {
  __m512 low, high;
} pair;

DYNO_ALWAYS_INLINE pair load(const float *values)
{
  return (pair){_mm512_loadu_ps(values), _mm512_loadu_ps(values + DYNO_LANES512)};
}

DYNO_ALWAYS_INLINE float largest_magnitude(const pair *x)
{
  return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x->low), _mm512_abs_ps(x->high)));
}

/* The first of the values for which the comparison holds; the very first if it holds for none, as
 * with NaNs. */
DYNO_ALWAYS_INLINE float first_of(const float *values, __mmask16 low, __mmask16 high)
{
  unsigned mask = (unsigned)low | (unsigned)high << DYNO_LANES512;
  return values[mask == 0 ? 0 : (unsigned)__builtin_ctz(mask)];
}

DYNO_ALWAYS_INLINE __m512 clamp(__m512 x, float low, float high)
{
  return _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(low)), _mm512_set1_ps(high));
}

/* Byte i: number i below, number i + 16 above. */
DYNO_ALWAYS_INLINE void store_nibbles(uint8_t *bytes, __m512i low, __m512i high)
{
  __m512i nibbles = _mm512_or_si512(low, _mm512_slli_epi32(high, 4));
  _mm_storeu_si128((void *)bytes, _mm512_cvtepi32_epi8(nibbles));
}

/* To the nearest, halves away from zero: what truncation makes of x and nearly 1/2 more. */
DYNO_ALWAYS_INLINE __m128i round_away(__m512 x)
{
  __m512 sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0f));
  __m512 half = _mm512_or_ps(sign, _mm512_set1_ps(0x1.fffffep-2f));
  return _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(_mm512_add_ps(x, half)));
}

DYNO_ALWAYS_INLINE void quantize_q8_0(uint8_t *block, const float *values)
{
  const pair x = load(values);
  float d = dyno_clamp(largest_magnitude(&x) / 127, 0, DYNO_F16_MAX);
  __m512 inverse = _mm512_set1_ps(dyno_reciprocal(d));
  dyno_store_u16(block, _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
  __m128i low = round_away(clamp(_mm512_mul_ps(x.low, inverse), -127, 127));
  __m128i high = round_away(clamp(_mm512_mul_ps(x.high, inverse), -127, 127));
  _mm_storeu_si128((void *)(block + 2), low);
  _mm_storeu_si128((void *)(block + 18), high);
}

DYNO_ALWAYS_INLINE __m512i steps_q4_0(__m512 x, __m512 inverse)
{
  __m512 step = _mm512_add_ps(_mm512_mul_ps(x, inverse), _mm512_set1_ps(8.5f));
  return _mm512_cvttps_epi32(clamp(step, 0, 15));
}

DYNO_ALWAYS_INLINE void quantize_q4_0(uint8_t *block, const float *values)
{
  const pair x = load(values);
  float magnitude = largest_magnitude(&x);
  __m512 wanted = _mm512_set1_ps(magnitude);
  float largest = first_of(values, _mm512_cmp_ps_mask(_mm512_abs_ps(x.low), wanted, _CMP_EQ_OQ),
                           _mm512_cmp_ps_mask(_mm512_abs_ps(x.high), wanted, _CMP_EQ_OQ));
  float d = dyno_clamp((magnitude == 0 ? 0 : largest) / -8, -DYNO_F16_MAX, DYNO_F16_MAX);
  __m512 inverse = _mm512_set1_ps(dyno_reciprocal(d));
  dyno_store_u16(block, _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
  store_nibbles(block + 2, steps_q4_0(x.low, inverse), steps_q4_0(x.high, inverse));
}

DYNO_ALWAYS_INLINE __m512i steps_q4_1(__m512 x, __m512 low, __m512 inverse)
{
  __m512 step = _mm512_mul_ps(_mm512_sub_ps(x, low), inverse);
  return _mm512_cvttps_epi32(clamp(_mm512_add_ps(step, _mm512_set1_ps(0.5f)), 0, 15));
}

DYNO_ALWAYS_INLINE void quantize_q4_1(uint8_t *block, const float *values)
{
  const pair x = load(values);
  float high = _mm512_reduce_max_ps(_mm512_max_ps(x.low, x.high));
  float least = _mm512_reduce_min_ps(_mm512_min_ps(x.low, x.high));
  __m512 wanted = _mm512_set1_ps(least);
  /* The first, because 0 and -0 are equal. */
  float low = first_of(values, _mm512_cmp_ps_mask(x.low, wanted, _CMP_EQ_OQ),
                       _mm512_cmp_ps_mask(x.high, wanted, _CMP_EQ_OQ));
  low = dyno_clamp(low, -DYNO_F16_MAX, DYNO_F16_MAX);
  float d = dyno_clamp((high - low) / 15 + 0.0f, 0, DYNO_F16_MAX);
  __m512 inverse = _mm512_set1_ps(dyno_reciprocal(d)), lows = _mm512_set1_ps(low);
  dyno_store_u16(block, _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
  dyno_store_u16(block + 2, _cvtss_sh(low, _MM_FROUND_TO_NEAREST_INT));
  store_nibbles(block + 4, steps_q4_1(x.low, lows, inverse), steps_q4_1(x.high, lows, inverse));
}

/* The steps between E2M1 magnitudes double at 2 and at 4: the nearest code is the least of what
 * the three step sizes say. */
DYNO_ALWAYS_INLINE __m512i nearest_e2m1(__m512 x)
{
  __m512 magnitude = _mm512_min_ps(_mm512_abs_ps(x), _mm512_set1_ps(8));
  __m512i fine = _mm512_cvtps_epi32(_mm512_add_ps(magnitude, magnitude));
  __m512i middle = _mm512_add_epi32(_mm512_cvtps_epi32(magnitude), _mm512_set1_epi32(2));
  __m512i coarse = _mm512_add_epi32(
      _mm512_cvtps_epi32(_mm512_mul_ps(magnitude, _mm512_set1_ps(0.5f))), _mm512_set1_epi32(4));
  __m512i code = _mm512_min_epi32(_mm512_min_epi32(fine, middle),
                                  _mm512_min_epi32(coarse, _mm512_set1_epi32(7)));
  __m512i sign =
      _mm512_and_si512(_mm512_srli_epi32(_mm512_castps_si512(x), 28), _mm512_set1_epi32(8));
  return _mm512_mask_or_epi32(code, _mm512_test_epi32_mask(code, code), code, sign);
}

DYNO_ALWAYS_INLINE void quantize_mxfp4(uint8_t *block, const float *values)
{
  const pair x = load(values);
  float largest = dyno_clamp(largest_magnitude(&x), 0, FLT_MAX);
  int exponent = (int)(dyno_float_to_bits(largest) >> 23) - 129;
  exponent = exponent < -127 ? -127 : exponent;
  __m512 inverse = _mm512_set1_ps(dyno_bits_to_float((uint32_t)(127 - exponent) << 23));
  block[0] = (uint8_t)(exponent + 127);
  store_nibbles(block + 1, nearest_e2m1(_mm512_mul_ps(x.low, inverse)),
                nearest_e2m1(_mm512_mul_ps(x.high, inverse)));
}

#define VARIANT(format, block_bytes)                                                               \
  void dyno_quantize_weight_##format##__avx512(const dyno_quantize_weight_args *args, size_t row0, \
                                               size_t row1)                                        \
  {                                                                                                \
    size_t blocks = args->k / DYNO_QUANT_BLOCK;                                                    \
    uint8_t *output = args->output;                                                                \
    for (size_t b = row0 * blocks; b < row1 * blocks; b++)                                         \
      quantize_##format(output + b * (block_bytes), args->input + b * DYNO_QUANT_BLOCK);           \
  }

VARIANT(q8_0, 34)
VARIANT(q4_0, 18)
VARIANT(q4_1, 20)
VARIANT(mxfp4, 17)

void dyno_quantize_weight_f16__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                      size_t row1)
{
  uint16_t *output = args->output;
  for (size_t i = row0 * args->k; i < row1 * args->k; i += DYNO_LANES512) {
    __mmask16 mask = dyno_first_lanes512(row1 * args->k - i);
    __m256i halves =
        _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, args->input + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_mask_storeu_epi16(output + i, mask, halves);
  }
}

void dyno_quantize_weight_bf16__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                       size_t row1)
{
  uint16_t *output = args->output;
  for (size_t i = row0 * args->k; i < row1 * args->k; i += DYNO_LANES512) {
    __mmask16 mask = dyno_first_lanes512(row1 * args->k - i);
    __m512 x = _mm512_maskz_loadu_ps(mask, args->input + i);
    __m512i bits = _mm512_castps_si512(x), upper = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
    __m512i rounded = _mm512_mask_mov_epi32(_mm512_srli_epi32(up, 16),
                                            _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), quiet);
    _mm256_mask_storeu_epi16(output + i, mask, _mm512_cvtepi32_epi16(rounded));
  }
}
