/* Keys and values in INT8, multiplied as floats: queries are rotated as keys were, scores get the
 * scale of their key, and weights that of their value. */
#include "kernels/attention/attention.h"
#include "kernels/attention/chunks_float_avx512.h"
#include "kernels/base/hadamard.h"

enum { PACKED = 4 };

static void take_query(void *taken, const float *query, size_t heads, size_t head_size, float scale)
{
  float *vectors = taken;
  dyno_take_query512(vectors, query, heads, head_size, scale);
  for (size_t h = 0; h < heads; h++)
    dyno_hadamard(vectors + h * head_size, head_size);
}

static void score(float *scores, const void *query, size_t heads, const uint8_t *const *keys,
                  const uint8_t *const *ahead, dyno_chunk_range range, size_t head_size)
{
  dyno_score512(scores, query, heads, keys, ahead, range, head_size, PACKED);
}

/* Weights times the scales of the values; 0 for positions that are not in the range, whose scales
 * may be anything. */
static void scale_weights(float *scaled, const float *weights, size_t heads,
                          const uint8_t *const *values, dyno_chunk_range range, size_t head_size)
{
  __mmask16 lanes[DYNO_CHUNK_PANELS];
  dyno_chunk_lanes512(lanes, range);
  for (size_t p = range.begin / DYNO_KV_PANEL * DYNO_KV_PANEL; p < range.end; p += DYNO_KV_PANEL) {
    size_t panel = p / DYNO_KV_PANEL;
    __m512 scale = _mm512_maskz_load_ps(lanes[panel], values[panel] + DYNO_KV_PANEL * head_size);
    for (size_t at = p; at < heads * DYNO_CHUNK; at += DYNO_CHUNK)
      _mm512_store_ps(scaled + at, _mm512_mul_ps(_mm512_load_ps(weights + at), scale));
  }
}

/* Rows of values are added whole: what the range leaves out of them has a weight of 0. */
static void add_values(float *sums, const float *keep, const float *take, const float *weights,
                       size_t heads, const uint8_t *const *values, const uint8_t *const *ahead,
                       dyno_chunk_range range, size_t head_size)
{
  _Alignas(64) float scaled[DYNO_HEADS512 * DYNO_CHUNK];
  const dyno_chunk_range rows = {range.begin / PACKED * PACKED,
                                 (range.end + PACKED - 1) / PACKED * PACKED};
  for (size_t h = 0; h < heads; h += DYNO_HEADS512) {
    size_t count = heads - h < DYNO_HEADS512 ? heads - h : DYNO_HEADS512;
    scale_weights(scaled, weights + h * DYNO_CHUNK, count, values, range, head_size);
    dyno_add_values512(sums + h * head_size, keep + h, take + h, scaled, count, values,
                       h == 0 ? ahead : NULL, rows, head_size, PACKED);
  }
}

static const dyno_attention_steps steps = {
    .kv = DYNO_I8,
    .take_query = take_query,
    .score = score,
    .soften = dyno_soften512,
    .merge = dyno_merge512,
    .add_values = add_values,
    .finish = dyno_finish512,
};

void dyno_attention_i8__avx512(const dyno_attention_args *args, size_t row0, size_t row1)
{
  dyno_attention_in_chunks(args, row0, row1, &steps);
}
