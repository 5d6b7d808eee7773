/* Attention in chunks with AVX2, over keys and values of any format of which `packed` elements fill
 * a dword: a constant of the caller, 1 for F32, 2 for BF16 and 4 for INT8. */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_FLOAT_AVX2_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_FLOAT_AVX2_H

#include <math.h>

#include "kernels/attention/chunks.h"
#include "kernels/base/exp_avx2.h"
#include "kernels/base/vector_avx2.h"

enum {
  DYNO_HEADS256 = 4,                                     /* computed together */
  DYNO_PANEL_VECTORS256 = DYNO_KV_PANEL / DYNO_LANES256, /* of scores */
  DYNO_VALUE_VECTORS256 = 2,                             /* of the head size, added at a time */
};

/* Into the L2 cache, because a whole chunk passes before it is used. */
DYNO_ALWAYS_INLINE void dyno_prefetch(const uint8_t *line)
{
  _mm_prefetch((const char *)line, _MM_HINT_T1);
}

/* Element e of every dword as a float. */
DYNO_ALWAYS_INLINE __m256 dyno_element256(__m256i dwords, size_t e, size_t packed)
{
  if (packed == 4) {
    __m256i highest = _mm256_slli_epi32(dwords, (int)(24 - 8 * e));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(highest, 24));
  }
  if (packed == 2)
    dwords = e == 0 ? _mm256_slli_epi32(dwords, 16)
                    : _mm256_and_si256(dwords, _mm256_set1_epi32((int)0xffff0000u));
  return _mm256_castsi256_ps(dwords);
}

static void dyno_take_query256(void *taken, const float *query, size_t heads, size_t head_size,
                               float scale)
{
  for (size_t i = 0; i < heads * head_size; i += DYNO_LANES256) {
    __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(query + i), _mm256_set1_ps(scale));
    _mm256_store_ps((float *)taken + i, scaled);
  }
}

/* Times the scales of a panel of keys in INT8. */
DYNO_ALWAYS_INLINE void dyno_scale_scores256(__m256 sums[DYNO_HEADS256][DYNO_PANEL_VECTORS256],
                                             const uint8_t *scales, size_t heads)
{
  DYNO_UNROLL
  for (size_t v = 0; v < DYNO_PANEL_VECTORS256; v++) {
    __m256 scale = _mm256_load_ps((const float *)(const void *)scales + v * DYNO_LANES256);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++)
      sums[h][v] = _mm256_mul_ps(sums[h][v], scale);
  }
}

/* The scores of a few heads for one panel; heads is a constant of the caller. */
DYNO_ALWAYS_INLINE void dyno_score_panel256(float *scores, const float *query, const uint8_t *keys,
                                            const uint8_t *ahead, size_t head_size, size_t heads,
                                            size_t packed)
{
  __m256 sums[DYNO_HEADS256][DYNO_PANEL_VECTORS256];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PANEL_VECTORS256; v++)
      sums[h][v] = _mm256_setzero_ps();
  }
  for (size_t i = 0; i < head_size; i += packed) {
    size_t at = i / packed * DYNO_KV_PANEL * DYNO_KV_DWORD;
    const __m256i *row = (const void *)(keys + at);
    if (ahead != NULL)
      dyno_prefetch(ahead + at);

    __m256i low = _mm256_load_si256(row), high = _mm256_load_si256(row + 1);
    DYNO_UNROLL
    for (size_t e = 0; e < packed; e++) {
      __m256 key[DYNO_PANEL_VECTORS256] = {dyno_element256(low, e, packed),
                                           dyno_element256(high, e, packed)};
      DYNO_UNROLL
      for (size_t h = 0; h < heads; h++) {
        __m256 element = _mm256_set1_ps(query[h * head_size + i + e]);
        DYNO_UNROLL
        for (size_t v = 0; v < DYNO_PANEL_VECTORS256; v++)
          sums[h][v] = _mm256_fmadd_ps(element, key[v], sums[h][v]);
      }
    }
  }
  if (packed == 4)
    dyno_scale_scores256(sums, keys + DYNO_KV_PANEL * head_size, heads);
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PANEL_VECTORS256; v++)
      _mm256_store_ps(scores + h * DYNO_CHUNK + v * DYNO_LANES256, sums[h][v]);
  }
}

DYNO_ALWAYS_INLINE void dyno_score256(float *scores, const float *query, size_t heads,
                                      const uint8_t *const *keys, const uint8_t *const *ahead,
                                      dyno_chunk_range range, size_t head_size, size_t packed)
{
  for (size_t p = range.begin / DYNO_KV_PANEL * DYNO_KV_PANEL; p < range.end; p += DYNO_KV_PANEL) {
    const uint8_t *panel = keys[p / DYNO_KV_PANEL];
    const uint8_t *wanted = ahead == NULL ? NULL : ahead[p / DYNO_KV_PANEL];
    size_t h = 0;
    for (; h + DYNO_HEADS256 <= heads; h += DYNO_HEADS256, wanted = NULL)
      dyno_score_panel256(scores + h * DYNO_CHUNK + p, query + h * head_size, panel, wanted,
                          head_size, DYNO_HEADS256, packed);
    for (; h < heads; h++, wanted = NULL)
      dyno_score_panel256(scores + h * DYNO_CHUNK + p, query + h * head_size, panel, wanted,
                          head_size, 1, packed);
  }
}

/* The lanes of the vector at p that are in the range. */
DYNO_ALWAYS_INLINE __m256 dyno_lanes_in_range256(dyno_chunk_range range, size_t p)
{
  __m256i before = dyno_first_lanes256(range.begin > p ? range.begin - p : 0);
  __m256i inside = dyno_first_lanes256(range.end - p);
  return _mm256_castsi256_ps(_mm256_andnot_si256(before, inside));
}

static void dyno_soften256(float *scores, dyno_softmax softmax, size_t heads,
                           dyno_chunk_range range)
{
  const __m256 lowest = _mm256_set1_ps(-INFINITY);
  size_t first = range.begin / DYNO_LANES256 * DYNO_LANES256;
  for (size_t h = 0; h < heads; h++, scores += DYNO_CHUNK) {
    __m256 largest = lowest, sum = _mm256_setzero_ps();
    for (size_t p = first; p < range.end; p += DYNO_LANES256) {
      __m256 lanes = dyno_lanes_in_range256(range, p);
      __m256 seen = _mm256_blendv_ps(lowest, _mm256_load_ps(scores + p), lanes);
      largest = _mm256_max_ps(largest, seen);
    }
    softmax.largest[h] = dyno_largest_lane256(largest);
    largest = _mm256_set1_ps(softmax.largest[h]);
    for (size_t p = first; p < range.end; p += DYNO_LANES256) {
      __m256 weight = dyno_exp2_256(_mm256_sub_ps(_mm256_load_ps(scores + p), largest));
      weight = _mm256_and_ps(weight, dyno_lanes_in_range256(range, p));
      _mm256_store_ps(scores + p, weight);
      sum = _mm256_add_ps(sum, weight);
    }
    softmax.sum[h] = dyno_add_lanes256(sum);
  }
}

static void dyno_merge256(dyno_softmax all, dyno_softmax more, float *keep, float *take,
                          size_t heads)
{
  for (size_t h = 0; h < heads; h += DYNO_LANES256) {
    __m256 before = _mm256_load_ps(all.largest + h), after = _mm256_load_ps(more.largest + h);
    __m256 largest = _mm256_max_ps(before, after);
    __m256 kept = dyno_exp2_256(_mm256_sub_ps(before, largest));
    __m256 taken = dyno_exp2_256(_mm256_sub_ps(after, largest));
    __m256 sum = _mm256_mul_ps(_mm256_load_ps(more.sum + h), taken);
    _mm256_store_ps(all.sum + h, _mm256_fmadd_ps(_mm256_load_ps(all.sum + h), kept, sum));
    _mm256_store_ps(all.largest + h, largest);
    _mm256_store_ps(keep + h, kept);
    _mm256_store_ps(take + h, taken);
  }
}

/* Adds the positions of a row of dwords that are in the range: elements [from, to) of each. */
DYNO_ALWAYS_INLINE void dyno_add_row256(__m256 sums[DYNO_HEADS256][DYNO_VALUE_VECTORS256],
                                        const float *weights, const uint8_t *values, size_t from,
                                        size_t to, size_t heads, size_t packed)
{
  __m256i dwords[DYNO_VALUE_VECTORS256];
  DYNO_UNROLL
  for (size_t v = 0; v < DYNO_VALUE_VECTORS256; v++)
    dwords[v] = _mm256_load_si256((const void *)(values + v * sizeof(__m256i)));
  DYNO_UNROLL
  for (size_t e = from; e < to; e++) {
    __m256 value[DYNO_VALUE_VECTORS256];
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS256; v++)
      value[v] = dyno_element256(dwords[v], e, packed);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m256 weight = _mm256_set1_ps(weights[h * DYNO_CHUNK + e]);
      DYNO_UNROLL
      for (size_t v = 0; v < DYNO_VALUE_VECTORS256; v++)
        sums[h][v] = _mm256_fmadd_ps(weight, value[v], sums[h][v]);
    }
  }
}

/* Some elements of a few heads, a constant of the caller; `at` is the byte of a row of values. */
DYNO_ALWAYS_INLINE void dyno_add_values_part256(float *sums, const float *keep, const float *take,
                                                const float *weights, const uint8_t *const *values,
                                                const uint8_t *const *ahead, size_t at,
                                                dyno_chunk_range range, size_t head_size,
                                                size_t heads, size_t packed)
{
  const size_t row_bytes = head_size * DYNO_KV_DWORD, panel_rows = DYNO_KV_PANEL / packed;
  __m256 added[DYNO_HEADS256][DYNO_VALUE_VECTORS256];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS256; v++)
      added[h][v] = _mm256_setzero_ps();
  }
  size_t row = range.begin / packed, end = range.end / packed;
#define ROW (values[row / panel_rows] + row % panel_rows * row_bytes + at)
  if (range.begin % packed != 0) {
    dyno_add_row256(added, weights + row * packed, ROW, 1, packed, heads, packed);
    row++;
  }
  for (; row < end; row++) {
    if (ahead != NULL)
      dyno_prefetch(ahead[row / panel_rows] + row % panel_rows * row_bytes + at);
    dyno_add_row256(added, weights + row * packed, ROW, 0, packed, heads, packed);
  }

  if (range.end % packed != 0 && row == end)
    dyno_add_row256(added, weights + row * packed, ROW, 0, 1, heads, packed);
#undef ROW
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS256; v++) {
      float *sum = sums + h * head_size + v * DYNO_LANES256;
      __m256 kept = _mm256_mul_ps(_mm256_load_ps(sum), _mm256_set1_ps(keep[h]));
      _mm256_store_ps(sum, _mm256_fmadd_ps(added[h][v], _mm256_set1_ps(take[h]), kept));
    }
  }
}

DYNO_ALWAYS_INLINE void dyno_add_values256(float *sums, const float *keep, const float *take,
                                           const float *weights, size_t heads,
                                           const uint8_t *const *values,
                                           const uint8_t *const *ahead, dyno_chunk_range range,
                                           size_t head_size, size_t packed)
{
  const size_t step = DYNO_VALUE_VECTORS256 * DYNO_LANES256;
  size_t h = 0;
  for (; h + DYNO_HEADS256 <= heads; h += DYNO_HEADS256)
    for (size_t i = 0; i < head_size; i += step)
      dyno_add_values_part256(sums + h * head_size + i, keep + h, take + h,
                              weights + h * DYNO_CHUNK, values, h == 0 ? ahead : NULL,
                              i * DYNO_KV_DWORD, range, head_size, DYNO_HEADS256, packed);
  for (; h < heads; h++)
    for (size_t i = 0; i < head_size; i += step)
      dyno_add_values_part256(sums + h * head_size + i, keep + h, take + h,
                              weights + h * DYNO_CHUNK, values, h == 0 ? ahead : NULL,
                              i * DYNO_KV_DWORD, range, head_size, 1, packed);
}

/* What the sums of 8 heads are multiplied by in the end. */
DYNO_ALWAYS_INLINE __m256 dyno_last_factor256(dyno_softmax softmax, const float *sinks,
                                              size_t heads)
{
  __m256 sum = _mm256_load_ps(softmax.sum), one = _mm256_set1_ps(1);
  if (sinks == NULL)
    return _mm256_div_ps(one, sum);
  __m256 sink = _mm256_mul_ps(dyno_load256(sinks, heads), _mm256_set1_ps(0x1.715476p+0f));
  __m256 before = _mm256_load_ps(softmax.largest), largest = _mm256_max_ps(before, sink);
  __m256 kept = dyno_exp2_256(_mm256_sub_ps(before, largest));
  __m256 weight = dyno_exp2_256(_mm256_sub_ps(sink, largest));
  return _mm256_div_ps(kept, _mm256_fmadd_ps(sum, kept, weight));
}

static void dyno_finish256(float *output, const float *sums, dyno_softmax softmax,
                           const float *sinks, size_t heads, size_t head_size)
{
  for (size_t h = 0; h < heads; h += DYNO_LANES256) {
    float factor[DYNO_LANES256];
    size_t count = heads - h < DYNO_LANES256 ? heads - h : DYNO_LANES256;
    dyno_softmax here = {softmax.largest + h, softmax.sum + h};
    _mm256_storeu_ps(factor, dyno_last_factor256(here, sinks == NULL ? NULL : sinks + h, count));
    for (size_t i = h * head_size; i < (h + count) * head_size; i += DYNO_LANES256) {
      __m256 scale = _mm256_set1_ps(factor[i / head_size - h]);
      _mm256_storeu_ps(output + i, _mm256_mul_ps(_mm256_load_ps(sums + i), scale));
    }
  }
}

#endif
