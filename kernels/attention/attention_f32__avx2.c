#include "kernels/attention/attention.h"
#include "kernels/attention/chunks_float_avx2.h"

enum { PACKED = 1 };

static void score(float *scores, const void *query, size_t heads, const uint8_t *const *keys,
                  const uint8_t *const *ahead, dyno_chunk_range range, size_t head_size)
{
  dyno_score256(scores, query, heads, keys, ahead, range, head_size, PACKED);
}

static void add_values(float *sums, const float *keep, const float *take, const float *weights,
                       size_t heads, const uint8_t *const *values, const uint8_t *const *ahead,
                       dyno_chunk_range range, size_t head_size)
{
  dyno_add_values256(sums, keep, take, weights, heads, values, ahead, range, head_size, PACKED);
}

static const dyno_attention_steps steps = {
    .kv = DYNO_F32,
    .take_query = dyno_take_query256,
    .score = score,
    .soften = dyno_soften256,
    .merge = dyno_merge256,
    .add_values = add_values,
    .finish = dyno_finish256,
};

void dyno_attention_f32__avx2(const dyno_attention_args *args, size_t row0, size_t row1)
{
  dyno_attention_in_chunks(args, row0, row1, &steps);
}
