#include "kernels/attention/attention.h"
#include "kernels/attention/chunks_avx2.h"

/* Pairs of elements are transposed as dwords and then taken apart. */
static void load_keys(float *keys, const uint8_t *const *rows, dyno_chunk_range range,
                      size_t head_size)
{
  const __m256i high = _mm256_set1_epi32((int)0xffff0000u);
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_LANES256) {
    for (size_t i = 0; i < head_size; i += 2 * DYNO_LANES256) {
      __m256i pairs[DYNO_LANES256];
      DYNO_UNROLL
      for (size_t lane = 0; lane < DYNO_LANES256; lane++)
        pairs[lane] = _mm256_loadu_si256((const void *)(rows[p + lane] + i * sizeof(uint16_t)));
      dyno_transpose256(pairs);
      float *column = keys + i * DYNO_CHUNK + p;
      DYNO_UNROLL
      for (size_t j = 0; j < DYNO_LANES256; j++, column += 2 * DYNO_CHUNK) {
        _mm256_store_si256((void *)column, _mm256_slli_epi32(pairs[j], 16));
        _mm256_store_si256((void *)(column + DYNO_CHUNK), _mm256_and_si256(pairs[j], high));
      }
    }
  }
}

static void load_values(float *values, const uint8_t *const *rows, dyno_chunk_range range,
                        size_t head_size)
{
  for (size_t p = range.begin; p < range.end; p++)
    for (size_t i = 0; i < head_size; i += DYNO_LANES256) {
      const void *halves = rows[p] + i * sizeof(uint16_t);
      __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(halves));
      _mm256_store_si256((void *)(values + p * head_size + i), _mm256_slli_epi32(words, 16));
    }
}

static const dyno_attention_steps steps = {
    .kv = DYNO_BF16,
    .load_keys = load_keys,
    .load_values = load_values,
    .score = dyno_score256,
    .soften = dyno_soften256,
    .add_values = dyno_add_values256,
    .divide = dyno_divide256,
};

void dyno_attention_bf16__avx2(const dyno_attention_args *args, size_t row0, size_t row1)
{
  dyno_attention_in_chunks(args, row0, row1, &steps);
}
