#include "kernels/base/vector_avx512.h"
#include "kernels/quantize/quantize.h"
#include "kernels/quantize/store_kv.h"

/* 16 dwords of a key to their rows. */
DYNO_ALWAYS_INLINE void scatter(char *slot, __m512i dwords)
{
  const __m512i rows = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i at = _mm512_mullo_epi32(rows, _mm512_set1_epi32(DYNO_KV_PANEL * DYNO_KV_DWORD));
  _mm512_i32scatter_epi32(slot, at, dwords, 1);
}

/* As dyno_float_to_bf16 rounds, in the low half of every lane. */
DYNO_ALWAYS_INLINE __m512i round_to_bf16(const float *values)
{
  __m512 x = _mm512_loadu_ps(values);
  __m512i bits = _mm512_castps_si512(x), cut = _mm512_srli_epi32(bits, 16);
  __m512i half =
      _mm512_add_epi32(_mm512_and_si512(cut, _mm512_set1_epi32(1)), _mm512_set1_epi32(0x7fff));
  __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
  __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(rounded, nan, cut, _mm512_set1_epi32(0x0040));
}

static void store_key_f32(void *slot, const float *vector, size_t head_size)
{
  char *to = slot;
  for (size_t i = 0; i < head_size; i += DYNO_LANES512)
    scatter(to + i * DYNO_KV_PANEL * DYNO_KV_DWORD, _mm512_loadu_si512(vector + i));
}

static void store_value_f32(void *slot, const float *vector, size_t head_size)
{
  memcpy(slot, vector, head_size * sizeof *vector);
}

static void store_key_bf16(void *slot, const float *vector, size_t head_size)
{
  char *to = slot;
  for (size_t i = 0; i < head_size; i += 2 * DYNO_LANES512) {
    __m256i low = _mm512_cvtepi32_epi16(round_to_bf16(vector + i));
    __m256i high = _mm512_cvtepi32_epi16(round_to_bf16(vector + i + DYNO_LANES512));
    __m512i pairs = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    scatter(to + i / 2 * DYNO_KV_PANEL * DYNO_KV_DWORD, pairs);
  }
}

/* The other half of every dword is another token's, and may be being written. */
static void store_value_bf16(void *slot, const float *vector, size_t head_size)
{
  char *to = slot;
  for (size_t i = 0; i < head_size; i += DYNO_LANES512)
    _mm512_mask_storeu_epi16(to + i * DYNO_KV_DWORD, 0x55555555u, round_to_bf16(vector + i));
}

/* x / scale to the nearest integer, within +-127; 0 where the scale is. */
static float round_to_i8(int8_t *quants, const float *vector, size_t head_size)
{
  __m512 largest = _mm512_setzero_ps();
  for (size_t i = 0; i < head_size; i += DYNO_LANES512)
    largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(vector + i)));
  float scale = _mm512_reduce_max_ps(largest) / 127;
  __mmask16 nonzero = scale != 0 ? 0xffff : 0;
  for (size_t i = 0; i < head_size; i += DYNO_LANES512) {
    __m512 x = _mm512_loadu_ps(vector + i);
    __m512 quotient = _mm512_maskz_div_ps(nonzero, x, _mm512_set1_ps(scale));
    quotient = _mm512_max_ps(quotient, _mm512_set1_ps(-127));
    quotient = _mm512_min_ps(quotient, _mm512_set1_ps(127));
    _mm_storeu_si128((void *)(quants + i), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(quotient)));
  }
  return scale;
}

void dyno_store_kv_f32__avx512(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv(args, row0, row1, sizeof(float), store_key_f32, store_value_f32);
}

void dyno_store_kv_bf16__avx512(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv(args, row0, row1, sizeof(uint16_t), store_key_bf16, store_value_bf16);
}

void dyno_store_kv_i8__avx512(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv_i8(args, row0, row1, round_to_i8);
}
