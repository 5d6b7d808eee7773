/* Attention in chunks with AVX-512 and float arithmetic, over keys and values of any format of
 * which `packed` elements fill a dword: a constant of the caller, 1 for F32, 2 for BF16 and 4 for
 * INT8. */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_FLOAT_AVX512_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_FLOAT_AVX512_H

#include "kernels/attention/chunks_avx512.h"

/* Element e of every dword as a float. */
DYNO_ALWAYS_INLINE __m512 dyno_element512(__m512i dwords, size_t e, size_t packed)
{
  if (packed == 4) {
    __m512i highest = _mm512_slli_epi32(dwords, (unsigned)(24 - 8 * e));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(highest, 24));
  }
  if (packed == 2)
    dwords = e == 0 ? _mm512_slli_epi32(dwords, 16)
                    : _mm512_and_si512(dwords, _mm512_set1_epi32((int)0xffff0000u));
  return _mm512_castsi512_ps(dwords);
}

static void dyno_take_query512(void *taken, const float *query, size_t heads, size_t head_size,
                               float scale)
{
  for (size_t i = 0; i < heads * head_size; i += DYNO_LANES512) {
    __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(query + i), _mm512_set1_ps(scale));
    _mm512_store_ps((float *)taken + i, scaled);
  }
}

/* Times the scales of a part's keys in INT8. */
DYNO_ALWAYS_INLINE void dyno_scale_scores512(__m512 sums[DYNO_HEADS512][DYNO_PART_PANELS512],
                                             const uint8_t *const *keys, size_t head_size,
                                             size_t heads)
{
  DYNO_UNROLL
  for (size_t v = 0; v < DYNO_PART_PANELS512; v++) {
    __m512 scale = _mm512_load_ps(keys[v] + DYNO_KV_PANEL * head_size);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++)
      sums[h][v] = _mm512_mul_ps(sums[h][v], scale);
  }
}

/* The scores of a few heads for one part of a chunk; heads is a constant of the caller. */
DYNO_ALWAYS_INLINE void dyno_score_part512(float *scores, const float *query,
                                           const uint8_t *const *keys, const uint8_t *const *ahead,
                                           size_t head_size, size_t heads, size_t packed)
{
  __m512 sums[DYNO_HEADS512][DYNO_PART_PANELS512];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PART_PANELS512; v++)
      sums[h][v] = _mm512_setzero_ps();
  }
  const uint8_t *first = keys[0], *second = keys[1];
  for (size_t i = 0; i < head_size; i += packed) {
    size_t at = i / packed * DYNO_KV_PANEL * DYNO_KV_DWORD;
    __m512i low = _mm512_load_si512(first + at), high = _mm512_load_si512(second + at);
    if (ahead != NULL) {
      dyno_prefetch(ahead[0] + at);
      dyno_prefetch(ahead[1] + at);
    }
    DYNO_UNROLL
    for (size_t e = 0; e < packed; e++) {
      __m512 key[DYNO_PART_PANELS512] = {dyno_element512(low, e, packed),
                                         dyno_element512(high, e, packed)};
      DYNO_UNROLL
      for (size_t h = 0; h < heads; h++) {
        __m512 element = _mm512_set1_ps(query[h * head_size + i + e]);
        DYNO_UNROLL
        for (size_t v = 0; v < DYNO_PART_PANELS512; v++)
          sums[h][v] = _mm512_fmadd_ps(element, key[v], sums[h][v]);
      }
    }
  }
  if (packed == 4)
    dyno_scale_scores512(sums, keys, head_size, heads);
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PART_PANELS512; v++)
      _mm512_store_ps(scores + h * DYNO_CHUNK + v * DYNO_LANES512, sums[h][v]);
  }
}

DYNO_ALWAYS_INLINE void dyno_score512(float *scores, const float *query, size_t heads,
                                      const uint8_t *const *keys, const uint8_t *const *ahead,
                                      dyno_chunk_range range, size_t head_size, size_t packed)
{
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_CHUNK_PART) {
    const uint8_t *const *panels = keys + p / DYNO_KV_PANEL;
    const uint8_t *const *wanted = ahead == NULL ? NULL : ahead + p / DYNO_KV_PANEL;
    size_t h = 0;
    for (; h + DYNO_HEADS512 <= heads; h += DYNO_HEADS512, wanted = NULL)
      dyno_score_part512(scores + h * DYNO_CHUNK + p, query + h * head_size, panels, wanted,
                         head_size, DYNO_HEADS512, packed);
    for (; h < heads; h++, wanted = NULL)
      dyno_score_part512(scores + h * DYNO_CHUNK + p, query + h * head_size, panels, wanted,
                         head_size, 1, packed);
  }
}

static void dyno_soften512(float *scores, dyno_softmax softmax, size_t heads,
                           dyno_chunk_range range)
{
  __mmask16 lanes[DYNO_CHUNK_PANELS];
  dyno_chunk_lanes512(lanes, range);
  for (size_t h = 0; h < heads; h++, scores += DYNO_CHUNK) {
    softmax.largest[h] = dyno_largest_score512(scores, lanes, range);
    const __m512 largest = _mm512_set1_ps(softmax.largest[h]);
    __m512 sum = _mm512_setzero_ps();
    for (size_t p = range.begin / DYNO_LANES512 * DYNO_LANES512; p < range.end;
         p += DYNO_LANES512) {
      __m512 weight = dyno_exp2_512(_mm512_sub_ps(_mm512_load_ps(scores + p), largest));
      weight = _mm512_maskz_mov_ps(lanes[p / DYNO_LANES512], weight);
      _mm512_store_ps(scores + p, weight);
      sum = _mm512_add_ps(sum, weight);
    }
    softmax.sum[h] = dyno_add_lanes512(sum);
  }
}

/* Adds the positions of a row of dwords that are in the range: elements [from, to) of each. */
DYNO_ALWAYS_INLINE void dyno_add_row512(__m512 sums[DYNO_HEADS512][DYNO_VALUE_VECTORS512],
                                        const float *weights, const uint8_t *values, size_t from,
                                        size_t to, size_t heads, size_t packed)
{
  __m512i dwords[DYNO_VALUE_VECTORS512];
  DYNO_UNROLL
  for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
    dwords[v] = _mm512_load_si512(values + v * sizeof(__m512i));
  DYNO_UNROLL
  for (size_t e = from; e < to; e++) {
    __m512 value[DYNO_VALUE_VECTORS512];
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
      value[v] = dyno_element512(dwords[v], e, packed);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m512 weight = _mm512_set1_ps(weights[h * DYNO_CHUNK + e]);
      DYNO_UNROLL
      for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
        sums[h][v] = _mm512_fmadd_ps(weight, value[v], sums[h][v]);
    }
  }
}

/* Some elements of a few heads, a constant of the caller; `at` is the byte of a row of values. */
DYNO_ALWAYS_INLINE void dyno_add_values_part512(float *sums, const float *keep, const float *take,
                                                const float *weights, const uint8_t *const *values,
                                                const uint8_t *const *ahead, size_t at,
                                                dyno_chunk_range range, size_t head_size,
                                                size_t heads, size_t packed)
{
  const size_t row_bytes = head_size * DYNO_KV_DWORD, panel_rows = DYNO_KV_PANEL / packed;
  __m512 added[DYNO_HEADS512][DYNO_VALUE_VECTORS512];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
      added[h][v] = _mm512_setzero_ps();
  }
  size_t row = range.begin / packed, end = range.end / packed;
#define ROW (values[row / panel_rows] + row % panel_rows * row_bytes + at)
  if (range.begin % packed != 0) {
    dyno_add_row512(added, weights + row * packed, ROW, 1, packed, heads, packed);
    row++;
  }
  for (; row < end; row++) {
    if (ahead != NULL)
      dyno_prefetch_row512(ahead[row / panel_rows] + row % panel_rows * row_bytes + at);
    dyno_add_row512(added, weights + row * packed, ROW, 0, packed, heads, packed);
  }

  if (range.end % packed != 0 && row == end)
    dyno_add_row512(added, weights + row * packed, ROW, 0, 1, heads, packed);
#undef ROW
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++) {
      float *sum = sums + h * head_size + v * DYNO_LANES512;
      __m512 kept = _mm512_mul_ps(_mm512_load_ps(sum), _mm512_set1_ps(keep[h]));
      _mm512_store_ps(sum, _mm512_fmadd_ps(added[h][v], _mm512_set1_ps(take[h]), kept));
    }
  }
}

DYNO_ALWAYS_INLINE void dyno_add_values512(float *sums, const float *keep, const float *take,
                                           const float *weights, size_t heads,
                                           const uint8_t *const *values,
                                           const uint8_t *const *ahead, dyno_chunk_range range,
                                           size_t head_size, size_t packed)
{
  const size_t step = DYNO_VALUE_VECTORS512 * DYNO_LANES512;
  size_t h = 0;
  for (; h + DYNO_HEADS512 <= heads; h += DYNO_HEADS512)
    for (size_t i = 0; i < head_size; i += step)
      dyno_add_values_part512(sums + h * head_size + i, keep + h, take + h,
                              weights + h * DYNO_CHUNK, values, h == 0 ? ahead : NULL,
                              i * DYNO_KV_DWORD, range, head_size, DYNO_HEADS512, packed);
  for (; h < heads; h++)
    for (size_t i = 0; i < head_size; i += step)
      dyno_add_values_part512(sums + h * head_size + i, keep + h, take + h,
                              weights + h * DYNO_CHUNK, values, h == 0 ? ahead : NULL,
                              i * DYNO_KV_DWORD, range, head_size, 1, packed);
}

#endif
