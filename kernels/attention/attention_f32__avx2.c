#include "kernels/attention/attention.h"
#include "kernels/attention/chunks_avx2.h"

static void load_keys(float *keys, const uint8_t *const *rows, dyno_chunk_range range,
                      size_t head_size)
{
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_LANES256) {
    for (size_t i = 0; i < head_size; i += DYNO_LANES256) {
      __m256i elements[DYNO_LANES256];
      DYNO_UNROLL
      for (size_t lane = 0; lane < DYNO_LANES256; lane++)
        elements[lane] = _mm256_loadu_si256((const void *)(rows[p + lane] + i * sizeof(float)));
      dyno_transpose256(elements);
      DYNO_UNROLL
      for (size_t j = 0; j < DYNO_LANES256; j++)
        _mm256_store_si256((void *)(keys + (i + j) * DYNO_CHUNK + p), elements[j]);
    }
  }
}

static void load_values(float *values, const uint8_t *const *rows, dyno_chunk_range range,
                        size_t head_size)
{
  for (size_t p = range.begin; p < range.end; p++)
    memcpy(values + p * head_size, rows[p], head_size * sizeof *values);
}

static const dyno_attention_steps steps = {
    .kv = DYNO_F32,
    .load_keys = load_keys,
    .load_values = load_values,
    .score = dyno_score256,
    .soften = dyno_soften256,
    .add_values = dyno_add_values256,
    .divide = dyno_divide256,
};

void dyno_attention_f32__avx2(const dyno_attention_args *args, size_t row0, size_t row1)
{
  dyno_attention_in_chunks(args, row0, row1, &steps);
}
