#include "kernels/base/vector_avx2.h"
#include "kernels/quantize/quantize.h"
#include "kernels/quantize/store_kv.h"

/* 8 dwords of a key to their rows. */
DYNO_ALWAYS_INLINE void scatter(char *slot, __m256i dwords)
{
  uint32_t rows[DYNO_LANES256];
  _mm256_storeu_si256((void *)rows, dwords);
  DYNO_UNROLL
  for (size_t i = 0; i < DYNO_LANES256; i++)
    memcpy(slot + i * DYNO_KV_PANEL * DYNO_KV_DWORD, &rows[i], sizeof rows[i]);
}

/* As dyno_float_to_bf16 rounds, in the low half of every lane. */
DYNO_ALWAYS_INLINE __m256i round_to_bf16(const float *values)
{
  __m256 x = _mm256_loadu_ps(values);
  __m256i bits = _mm256_castps_si256(x), cut = _mm256_srli_epi32(bits, 16);
  __m256i half =
      _mm256_add_epi32(_mm256_and_si256(cut, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7fff));
  __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
  __m256i quiet = _mm256_or_si256(cut, _mm256_set1_epi32(0x0040));
  __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, quiet, nan);
}

static void store_key_f32(void *slot, const float *vector, size_t head_size)
{
  char *to = slot;
  for (size_t i = 0; i < head_size; i += DYNO_LANES256)
    scatter(to + i * DYNO_KV_PANEL * DYNO_KV_DWORD, _mm256_loadu_si256((const void *)(vector + i)));
}

static void store_value_f32(void *slot, const float *vector, size_t head_size)
{
  memcpy(slot, vector, head_size * sizeof *vector);
}

/* Packing goes by halves of a vector, which the permutation undoes. */
static void store_key_bf16(void *slot, const float *vector, size_t head_size)
{
  char *to = slot;
  for (size_t i = 0; i < head_size; i += 2 * DYNO_LANES256) {
    __m256i low = round_to_bf16(vector + i), high = round_to_bf16(vector + i + DYNO_LANES256);
    __m256i pairs = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
    scatter(to + i / 2 * DYNO_KV_PANEL * DYNO_KV_DWORD, pairs);
  }
}

/* The other half of every dword is another token's, and may be being written. */
static void store_value_bf16(void *slot, const float *vector, size_t head_size)
{
  char *to = slot;
  for (size_t i = 0; i < head_size; i += DYNO_LANES256) {
    uint16_t halves[2 * DYNO_LANES256];
    _mm256_storeu_si256((void *)halves, round_to_bf16(vector + i));
    DYNO_UNROLL
    for (size_t j = 0; j < DYNO_LANES256; j++)
      memcpy(to + (i + j) * DYNO_KV_DWORD, &halves[2 * j], sizeof halves[2 * j]);
  }
}

/* x / scale to the nearest integer, within +-127; 0 where the scale is. */
DYNO_ALWAYS_INLINE __m256i quantize_lanes(__m256 x, __m256 scale)
{
  __m256 nonzero = _mm256_cmp_ps(scale, _mm256_setzero_ps(), _CMP_NEQ_UQ);
  __m256 quotient = _mm256_and_ps(_mm256_div_ps(x, scale), nonzero);
  quotient = _mm256_max_ps(quotient, _mm256_set1_ps(-127));
  return _mm256_cvtps_epi32(_mm256_min_ps(quotient, _mm256_set1_ps(127)));
}

/* Packing goes by halves of a vector, which the permutations undo. */
static float round_to_i8(int8_t *quants, const float *vector, size_t head_size)
{
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256 largest = _mm256_setzero_ps();
  for (size_t i = 0; i < head_size; i += DYNO_LANES256)
    largest = _mm256_max_ps(largest, dyno_magnitude256(_mm256_loadu_ps(vector + i)));
  float scale = dyno_largest_lane256(largest) / 127;
  for (size_t i = 0; i < head_size; i += 4 * DYNO_LANES256) {
    __m256i lanes[4];
    DYNO_UNROLL
    for (size_t v = 0; v < 4; v++)
      lanes[v] =
          quantize_lanes(_mm256_loadu_ps(vector + i + v * DYNO_LANES256), _mm256_set1_ps(scale));
    __m256i low = _mm256_packs_epi32(lanes[0], lanes[1]);
    __m256i high = _mm256_packs_epi32(lanes[2], lanes[3]);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256((void *)(quants + i), bytes);
  }
  return scale;
}

void dyno_store_kv_f32__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv(args, row0, row1, sizeof(float), store_key_f32, store_value_f32);
}

void dyno_store_kv_bf16__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv(args, row0, row1, sizeof(uint16_t), store_key_bf16, store_value_bf16);
}

void dyno_store_kv_i8__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv_i8(args, row0, row1, round_to_i8);
}
