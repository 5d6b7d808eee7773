#include <float.h>

#include "kernels/base/vector_avx2.h"
#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize_weight.h"

enum { VECTORS = DYNO_QUANT_BLOCK / DYNO_LANES256 };

DYNO_ALWAYS_INLINE float largest_magnitude(const __m256 x[VECTORS])
{
  __m256 low = _mm256_max_ps(dyno_magnitude256(x[0]), dyno_magnitude256(x[1]));
  __m256 high = _mm256_max_ps(dyno_magnitude256(x[2]), dyno_magnitude256(x[3]));
  return dyno_largest_lane256(_mm256_max_ps(low, high));
}

DYNO_ALWAYS_INLINE void load(__m256 x[VECTORS], const float *values)
{
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++)
    x[i] = _mm256_loadu_ps(values + i * DYNO_LANES256);
}

/* The first of the values that is equal, in magnitude or altogether; the very first if none is, as
 * with NaNs. */
DYNO_ALWAYS_INLINE float first_equal(const float *values, const __m256 x[VECTORS], float wanted,
                                     bool magnitude)
{
  unsigned mask = 0;
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++) {
    __m256 compared = magnitude ? dyno_magnitude256(x[i]) : x[i];
    __m256 equal = _mm256_cmp_ps(compared, _mm256_set1_ps(wanted), _CMP_EQ_OQ);
    mask |= (unsigned)_mm256_movemask_ps(equal) << i * DYNO_LANES256;
  }
  return values[mask == 0 ? 0 : (unsigned)__builtin_ctz(mask)];
}

DYNO_ALWAYS_INLINE __m256 clamp(__m256 x, float low, float high)
{
  return _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(low)), _mm256_set1_ps(high));
}

/* Packing goes by halves of a vector; this undoes it. */
DYNO_ALWAYS_INLINE __m256i pack_bytes(const __m256i quants[VECTORS])
{
  __m256i first = _mm256_packs_epi32(quants[0], quants[1]);
  __m256i second = _mm256_packs_epi32(quants[2], quants[3]);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order);
}

/* Byte i: number i below, number i + 16 above. */
DYNO_ALWAYS_INLINE void store_nibbles(uint8_t *bytes, const __m256i quants[VECTORS])
{
  __m256i packed = pack_bytes(quants);
  __m128i high = _mm_slli_epi16(_mm256_extracti128_si256(packed, 1), 4);
  _mm_storeu_si128((void *)bytes, _mm_or_si128(_mm256_castsi256_si128(packed), high));
}

/* To the nearest, halves away from zero: what truncation makes of x and nearly 1/2 more. */
DYNO_ALWAYS_INLINE __m256i round_away(__m256 x)
{
  __m256 sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0f));
  __m256 half = _mm256_or_ps(sign, _mm256_set1_ps(0x1.fffffep-2f));
  return _mm256_cvttps_epi32(_mm256_add_ps(x, half));
}

DYNO_ALWAYS_INLINE void quantize_q8_0(uint8_t *block, const float *values)
{
  __m256 x[VECTORS];
  __m256i quants[VECTORS];
  load(x, values);
  float d = dyno_clamp(largest_magnitude(x) / 127, 0, DYNO_F16_MAX);
  __m256 inverse = _mm256_set1_ps(dyno_reciprocal(d));
  dyno_store_u16(block, _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++)
    quants[i] = round_away(clamp(_mm256_mul_ps(x[i], inverse), -127, 127));
  _mm256_storeu_si256((void *)(block + 2), pack_bytes(quants));
}

DYNO_ALWAYS_INLINE void quantize_q4_0(uint8_t *block, const float *values)
{
  __m256 x[VECTORS];
  __m256i quants[VECTORS];
  load(x, values);
  float magnitude = largest_magnitude(x);
  float largest = first_equal(values, x, magnitude, true);
  float d = dyno_clamp((magnitude == 0 ? 0 : largest) / -8, -DYNO_F16_MAX, DYNO_F16_MAX);
  __m256 inverse = _mm256_set1_ps(dyno_reciprocal(d));
  dyno_store_u16(block, _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++) {
    __m256 step = _mm256_add_ps(_mm256_mul_ps(x[i], inverse), _mm256_set1_ps(8.5f));
    quants[i] = _mm256_cvttps_epi32(clamp(step, 0, 15));
  }
  store_nibbles(block + 2, quants);
}

DYNO_ALWAYS_INLINE void quantize_q4_1(uint8_t *block, const float *values)
{
  __m256 x[VECTORS];
  __m256i quants[VECTORS];
  load(x, values);
  __m256 most = _mm256_max_ps(_mm256_max_ps(x[0], x[1]), _mm256_max_ps(x[2], x[3]));
  __m256 least = _mm256_min_ps(_mm256_min_ps(x[0], x[1]), _mm256_min_ps(x[2], x[3]));
  __m256 negated = _mm256_xor_ps(least, _mm256_set1_ps(-0.0f));
  float high = dyno_largest_lane256(most);
  /* The first, because 0 and -0 are equal. */
  float low = first_equal(values, x, -dyno_largest_lane256(negated), false);
  low = dyno_clamp(low, -DYNO_F16_MAX, DYNO_F16_MAX);
  float d = dyno_clamp((high - low) / 15 + 0.0f, 0, DYNO_F16_MAX);
  __m256 inverse = _mm256_set1_ps(dyno_reciprocal(d)), lows = _mm256_set1_ps(low);
  dyno_store_u16(block, _cvtss_sh(d, _MM_FROUND_TO_NEAREST_INT));
  dyno_store_u16(block + 2, _cvtss_sh(low, _MM_FROUND_TO_NEAREST_INT));
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++) {
    __m256 step = _mm256_mul_ps(_mm256_sub_ps(x[i], lows), inverse);
    step = clamp(_mm256_add_ps(step, _mm256_set1_ps(0.5f)), 0, 15);
    quants[i] = _mm256_cvttps_epi32(step);
  }
  store_nibbles(block + 4, quants);
}

/* The steps between E2M1 magnitudes double at 2 and at 4: the nearest code is the least of what
 * the three step sizes say. */
DYNO_ALWAYS_INLINE __m256i nearest_e2m1(__m256 x)
{
  __m256 magnitude = _mm256_min_ps(dyno_magnitude256(x), _mm256_set1_ps(8));
  __m256i fine = _mm256_cvtps_epi32(_mm256_add_ps(magnitude, magnitude));
  __m256i middle = _mm256_add_epi32(_mm256_cvtps_epi32(magnitude), _mm256_set1_epi32(2));
  __m256i coarse = _mm256_add_epi32(
      _mm256_cvtps_epi32(_mm256_mul_ps(magnitude, _mm256_set1_ps(0.5f))), _mm256_set1_epi32(4));
  __m256i code = _mm256_min_epi32(_mm256_min_epi32(fine, middle),
                                  _mm256_min_epi32(coarse, _mm256_set1_epi32(7)));
  __m256i sign =
      _mm256_and_si256(_mm256_srli_epi32(_mm256_castps_si256(x), 28), _mm256_set1_epi32(8));
  __m256i zero = _mm256_cmpeq_epi32(code, _mm256_setzero_si256());
  return _mm256_or_si256(code, _mm256_andnot_si256(zero, sign));
}

DYNO_ALWAYS_INLINE void quantize_mxfp4(uint8_t *block, const float *values)
{
  __m256 x[VECTORS];
  __m256i quants[VECTORS];
  load(x, values);
  float largest = dyno_clamp(largest_magnitude(x), 0, FLT_MAX);
  int exponent = (int)(dyno_float_to_bits(largest) >> 23) - 129;
  exponent = exponent < -127 ? -127 : exponent;
  __m256 inverse = _mm256_set1_ps(dyno_bits_to_float((uint32_t)(127 - exponent) << 23));
  block[0] = (uint8_t)(exponent + 127);
  DYNO_UNROLL
  for (size_t i = 0; i < VECTORS; i++)
    quants[i] = nearest_e2m1(_mm256_mul_ps(x[i], inverse));
  store_nibbles(block + 1, quants);
}

#define VARIANT(format, block_bytes)                                                               \
  void dyno_quantize_weight_##format##__avx2(const dyno_quantize_weight_args *args, size_t row0,   \
                                             size_t row1)                                          \
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

/* Half of a vector's bits for each of the first `count` values. */
DYNO_ALWAYS_INLINE void store_halves(uint16_t *output, __m128i halves, size_t count)
{
  if (count >= DYNO_LANES256)
    _mm_storeu_si128((void *)output, halves);
  else
    memcpy(output, &halves, count * sizeof *output);
}

void dyno_quantize_weight_f16__avx2(const dyno_quantize_weight_args *args, size_t row0, size_t row1)
{
  uint16_t *output = args->output;
  size_t end = row1 * args->k;
  for (size_t i = row0 * args->k; i < end; i += DYNO_LANES256) {
    __m256 x = dyno_load256(args->input + i, end - i);
    store_halves(output + i, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT), end - i);
  }
}

void dyno_quantize_weight_bf16__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                     size_t row1)
{
  uint16_t *output = args->output;
  size_t end = row1 * args->k;
  for (size_t i = row0 * args->k; i < end; i += DYNO_LANES256) {
    __m256 x = dyno_load256(args->input + i, end - i);
    __m256i bits = _mm256_castps_si256(x), upper = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    __m256i rounded = _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), quiet, nan);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
    store_halves(output + i, _mm256_castsi256_si128(packed), end - i);
  }
}
