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

void dyno_store_kv_f32__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv(args, row0, row1, sizeof(float), store_key_f32, store_value_f32);
}

void dyno_store_kv_bf16__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1)
{
  dyno_store_kv(args, row0, row1, sizeof(uint16_t), store_key_bf16, store_value_bf16);
}
