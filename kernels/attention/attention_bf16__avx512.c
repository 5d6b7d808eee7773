#include "kernels/attention/attention.h"
#include "kernels/attention/chunks_avx512.h"

/* Pairs of elements are transposed as dwords and then taken apart. */
static void load_keys(float *keys, const uint8_t *const *rows, dyno_chunk_range range,
                      size_t head_size)
{
  const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_LANES512) {
    for (size_t i = 0; i < head_size; i += 2 * DYNO_LANES512) {
      __m512i pairs[DYNO_LANES512];
      DYNO_UNROLL
      for (size_t lane = 0; lane < DYNO_LANES512; lane++)
        pairs[lane] = _mm512_loadu_si512(rows[p + lane] + i * sizeof(uint16_t));
      dyno_transpose512(pairs);
      float *column = keys + i * DYNO_CHUNK + p;
      DYNO_UNROLL
      for (size_t j = 0; j < DYNO_LANES512; j++, column += 2 * DYNO_CHUNK) {
        _mm512_store_si512(column, _mm512_slli_epi32(pairs[j], 16));
        _mm512_store_si512(column + DYNO_CHUNK, _mm512_and_si512(pairs[j], high));
      }
    }
  }
}

static void load_values(float *values, const uint8_t *const *rows, dyno_chunk_range range,
                        size_t head_size)
{
  for (size_t p = range.begin; p < range.end; p++)
    for (size_t i = 0; i < head_size; i += DYNO_LANES512) {
      const void *halves = rows[p] + i * sizeof(uint16_t);
      __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(halves));
      _mm512_store_si512(values + p * head_size + i, _mm512_slli_epi32(words, 16));
    }
}

static const dyno_attention_steps steps = {
    .kv = DYNO_BF16,
    .load_keys = load_keys,
    .load_values = load_values,
    .score = dyno_score512,
    .soften = dyno_soften512,
    .add_values = dyno_add_values512,
    .divide = dyno_divide512,
};

void dyno_attention_bf16__avx512(const dyno_attention_args *args, size_t row0, size_t row1)
{
  dyno_attention_in_chunks(args, row0, row1, &steps);
}
