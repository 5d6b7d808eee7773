/* The block formats of dtype.h, 32 elements at a time: their integers are brought into order as
 * bytes, then widened, converted and scaled. */
#include "kernels/matmul/decode.h"

#include <immintrin.h>

#include "kernels/base/compiler.h"

static float load_f16(const uint8_t *bytes)
{
  return dyno_f16_to_float(dyno_load_u16(bytes));
}

/* values[i] = scale * integers[i], signed. */
DYNO_ALWAYS_INLINE void store_scaled(float *values, __m128i integers, float scale)
{
  for (size_t i = 0; i < 16; i += 8) {
    __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(integers));
    _mm256_storeu_ps(values + i, _mm256_mul_ps(_mm256_set1_ps(scale), x));
    integers = _mm_unpackhi_epi64(integers, integers);
  }
}

DYNO_ALWAYS_INLINE void store_scaled_32(float *values, __m256i integers, float scale)
{
  store_scaled(values, _mm256_castsi256_si128(integers), scale);
  store_scaled(values + 16, _mm256_extracti128_si256(integers, 1), scale);
}

/* values[i] = scale * integers[i] - minimum, each rounded. */
DYNO_ALWAYS_INLINE void store_affine_32(float *values, __m256i integers, float scale, float minimum)
{
  __m128i half = _mm256_castsi256_si128(integers);
  for (size_t i = 0; i < 32; i += 8) {
    if (i == 16)
      half = _mm256_extracti128_si256(integers, 1);
    __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half));
    x = _mm256_mul_ps(_mm256_set1_ps(scale), x);
    _mm256_storeu_ps(values + i, _mm256_sub_ps(x, _mm256_set1_ps(minimum)));
    half = _mm_unpackhi_epi64(half, half);
  }
}

/* 16 bytes of nibbles: the low ones, then the high ones. */
DYNO_ALWAYS_INLINE __m256i unpack_nibbles(const uint8_t *bytes)
{
  __m128i nibbles = _mm_loadu_si128((const void *)bytes);
  __m256i both = _mm256_set_m128i(_mm_srli_epi16(nibbles, 4), nibbles);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* The low nibbles, or the high ones, of 32 bytes. */
DYNO_ALWAYS_INLINE __m256i half_bytes(const uint8_t *bytes, bool high)
{
  __m256i nibbles = _mm256_loadu_si256((const void *)bytes);
  return _mm256_and_si256(high ? _mm256_srli_epi16(nibbles, 4) : nibbles, _mm256_set1_epi8(15));
}

/* Byte i becomes `set` where bit i is set, and 0 elsewhere. */
DYNO_ALWAYS_INLINE __m256i spread_bits(uint32_t bits, uint8_t set)
{
  const __m256i source = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                          2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
  __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), source);
  __m256i chosen = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
  return _mm256_and_si256(chosen, _mm256_set1_epi8((char)set));
}

static void decode_q8_0(float *values, const uint8_t *block)
{
  store_scaled_32(values, _mm256_loadu_si256((const void *)(block + 2)), load_f16(block));
}

static void decode_q4_0(float *values, const uint8_t *block)
{
  __m256i integers = _mm256_sub_epi8(unpack_nibbles(block + 2), _mm256_set1_epi8(8));
  store_scaled_32(values, integers, load_f16(block));
}

static void decode_q4_1(float *values, const uint8_t *block)
{
  store_affine_32(values, unpack_nibbles(block + 4), load_f16(block), -load_f16(block + 2));
}

static void decode_q5_0(float *values, const uint8_t *block)
{
  uint32_t high;
  memcpy(&high, block + 2, sizeof high);
  __m256i integers = _mm256_or_si256(unpack_nibbles(block + 6), spread_bits(high, 16));
  store_scaled_32(values, _mm256_sub_epi8(integers, _mm256_set1_epi8(16)), load_f16(block));
}

static void decode_mxfp4(float *values, const uint8_t *block)
{
  const __m128i table = _mm_loadu_si128((const void *)dyno_e2m1_doubled);
  __m256i doubled =
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), unpack_nibbles(block + 1));
  store_scaled_32(values, doubled, 0.5f * dyno_e8m0_to_float(block[0]));
}

/* The eight 6-bit scales and minima of Q4_K and Q5_K (dtype.c). */
static void unpack_scales(uint8_t scales[8], uint8_t minima[8], const uint8_t *packed)
{
  for (size_t j = 0; j < 4; j++) {
    scales[j] = packed[j] & 63;
    minima[j] = packed[j + 4] & 63;
    scales[j + 4] = (uint8_t)((packed[j + 8] & 15) | packed[j] >> 6 << 4);
    minima[j + 4] = (uint8_t)(packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4);
  }
}

/* Eight runs of 32, each with a scale and a minimum. high_bits is NULL for Q4_K; for Q5_K bit r of
 * its byte i belongs to run r. */
DYNO_ALWAYS_INLINE void decode_runs(float *values, const uint8_t *header, const uint8_t *high_bits,
                                    const uint8_t *nibbles)
{
  uint8_t scales[8], minima[8];
  unpack_scales(scales, minima, header + 4);
  float d = load_f16(header), dmin = load_f16(header + 2);
  for (size_t run = 0; run < 8; run++) {
    __m256i integers = half_bytes(nibbles + run / 2 * 32, run % 2 != 0);
    if (high_bits != NULL) {
      __m256i bit = _mm256_set1_epi8((char)(1u << run));
      __m256i high = _mm256_and_si256(_mm256_loadu_si256((const void *)high_bits), bit);
      high = _mm256_and_si256(_mm256_cmpeq_epi8(high, bit), _mm256_set1_epi8(16));
      integers = _mm256_or_si256(integers, high);
    }
    store_affine_32(values + run * 32, integers, d * (float)scales[run], dmin * (float)minima[run]);
  }
}

static void decode_q4_k(float *values, const uint8_t *block)
{
  decode_runs(values, block, NULL, block + 16);
}

static void decode_q5_k(float *values, const uint8_t *block)
{
  decode_runs(values, block, block + 16, block + 48);
}

/* Two halves of four runs of 32: nibble run / 2 of byte 32 (run % 2) + i, and bits 2 run of the
 * high plane; a scale covers 16 elements. */
static void decode_q6_k(float *values, const uint8_t *block)
{
  float d = load_f16(block + 208);
  for (size_t run = 0; run < 8; run++) {
    size_t half = run / 4, in_half = run % 4;
    __m256i low = half_bytes(block + half * 64 + in_half % 2 * 32, in_half >= 2);
    __m256i high = _mm256_loadu_si256((const void *)(block + 128 + half * 32));
    high = _mm256_srl_epi16(high, _mm_cvtsi32_si128((int)(2 * in_half)));
    high = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4);
    __m256i integers = _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(32));
    const uint8_t *scales = block + 192 + run * 2;
    store_scaled(values + run * 32, _mm256_castsi256_si128(integers), d * (float)(int8_t)scales[0]);
    store_scaled(values + run * 32 + 16, _mm256_extracti128_si256(integers, 1),
                 d * (float)(int8_t)scales[1]);
  }
}

typedef void decode_function(float *values, const uint8_t *block);

static decode_function *const decoders[DYNO_DTYPE_COUNT] = {
    [DYNO_Q8_0] = decode_q8_0, [DYNO_Q4_0] = decode_q4_0,   [DYNO_Q4_1] = decode_q4_1,
    [DYNO_Q5_0] = decode_q5_0, [DYNO_Q4_K] = decode_q4_k,   [DYNO_Q5_K] = decode_q5_k,
    [DYNO_Q6_K] = decode_q6_k, [DYNO_MXFP4] = decode_mxfp4,
};

void dyno_decode__avx2(float *values, const void *row, dyno_dtype format, size_t k)
{
  const dyno_dtype_info *info = dyno_dtype_get(format);
  decode_function *decode = decoders[format];
  const uint8_t *block = row;
  for (size_t i = 0; i < k; i += info->block_elements, block += info->block_bytes)
    decode(values + i, block);
}
