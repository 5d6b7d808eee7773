/* The inner loops of attention in chunks with AVX-512, but for decoding keys and values. */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_AVX512_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_AVX512_H

#include "kernels/attention/chunks.h"
#include "kernels/base/exp_avx512.h"
#include "kernels/base/vector_avx512.h"

/* Transposes 16 x 16 dwords. */
DYNO_ALWAYS_INLINE void dyno_transpose512(__m512i x[16])
{
  __m512i pairs[16], fours[16];
  DYNO_UNROLL
  for (size_t i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  DYNO_UNROLL
  for (size_t i = 0; i < 16; i += 4) {
    fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  /* Quarter q of fours[4 i + j] now holds column 4 q + j of rows 4 i to 4 i + 3. */
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    __m512i even_low = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0x88);
    __m512i even_high = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0x88);
    __m512i odd_low = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0xdd);
    __m512i odd_high = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0xdd);
    x[j] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    x[8 + j] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    x[4 + j] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    x[12 + j] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
  }
}

enum { DYNO_SCORE_VECTORS = DYNO_CHUNK_PART / DYNO_LANES512, DYNO_SCORE_HEADS = 8 };

/* The scores of a few heads for one part of a chunk; heads is a constant of the caller. */
DYNO_ALWAYS_INLINE void dyno_score_part512(float *scores, const float *query, const float *keys,
                                           float scale, size_t head_size, size_t heads)
{
  __m512 sums[DYNO_SCORE_HEADS][DYNO_SCORE_VECTORS];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
      sums[h][v] = _mm512_setzero_ps();
  }
  for (size_t i = 0; i < head_size; i++) {
    __m512 key[DYNO_SCORE_VECTORS];
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
      key[v] = _mm512_load_ps(keys + i * DYNO_CHUNK + v * DYNO_LANES512);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m512 element = _mm512_set1_ps(query[h * head_size + i]);
      DYNO_UNROLL
      for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
        sums[h][v] = _mm512_fmadd_ps(element, key[v], sums[h][v]);
    }
  }
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
      _mm512_store_ps(scores + h * DYNO_CHUNK + v * DYNO_LANES512,
                      _mm512_mul_ps(sums[h][v], _mm512_set1_ps(scale)));
  }
}

static void dyno_score512(float *scores, const float *query, size_t heads, const float *keys,
                          float scale, dyno_chunk_range range, size_t head_size)
{
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_CHUNK_PART) {
    size_t h = 0;
    for (; h + DYNO_SCORE_HEADS <= heads; h += DYNO_SCORE_HEADS)
      dyno_score_part512(scores + h * DYNO_CHUNK + p, query + h * head_size, keys + p, scale,
                         head_size, DYNO_SCORE_HEADS);
    for (; h < heads; h++)
      dyno_score_part512(scores + h * DYNO_CHUNK + p, query + h * head_size, keys + p, scale,
                         head_size, 1);
  }
}

/* The lanes of the vector at p that are in the range. */
DYNO_ALWAYS_INLINE __mmask16 dyno_lanes_in_range512(dyno_chunk_range range, size_t p)
{
  __mmask16 before = dyno_first_lanes512(range.begin > p ? range.begin - p : 0);
  return (__mmask16)(dyno_first_lanes512(range.end > p ? range.end - p : 0) & ~before);
}

static void dyno_soften512(float *scores, float *largest, float *denominator, float *rescale,
                           size_t heads, dyno_chunk_range range)
{
  size_t first = range.begin / DYNO_LANES512 * DYNO_LANES512;
  for (size_t h = 0; h < heads; h++, scores += DYNO_CHUNK) {
    __m512 maximum = _mm512_set1_ps(largest[h]), sum = _mm512_setzero_ps();
    for (size_t p = first; p < range.end; p += DYNO_LANES512) {
      __mmask16 lanes = dyno_lanes_in_range512(range, p);
      maximum = _mm512_mask_max_ps(maximum, lanes, maximum, _mm512_load_ps(scores + p));
    }
    maximum = _mm512_set1_ps(_mm512_reduce_max_ps(maximum));
    __m512 before = _mm512_sub_ps(_mm512_set1_ps(largest[h]), maximum);
    rescale[h] = _mm512_cvtss_f32(dyno_exp512(before));
    largest[h] = _mm512_cvtss_f32(maximum);
    for (size_t p = first; p < range.end; p += DYNO_LANES512) {
      __mmask16 lanes = dyno_lanes_in_range512(range, p);
      __m512 weight = dyno_exp512(_mm512_sub_ps(_mm512_load_ps(scores + p), maximum));
      weight = _mm512_maskz_mov_ps(lanes, weight);
      _mm512_store_ps(scores + p, weight);
      sum = _mm512_add_ps(sum, weight);
    }
    denominator[h] = denominator[h] * rescale[h] + dyno_add_lanes512(sum);
  }
}

enum { DYNO_VALUE_HEADS = 4, DYNO_VALUE_VECTORS = 4 };

/* heads and vectors are constants of the caller. */
DYNO_ALWAYS_INLINE void dyno_add_values_part512(float *sums, const float *rescale,
                                                const float *scores, const float *values,
                                                dyno_chunk_range range, size_t head_size,
                                                size_t heads, size_t vectors)
{
  __m512 sum[DYNO_VALUE_HEADS][DYNO_VALUE_VECTORS];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < vectors; v++)
      sum[h][v] = _mm512_mul_ps(_mm512_loadu_ps(sums + h * head_size + v * DYNO_LANES512),
                                _mm512_set1_ps(rescale[h]));
  }
  for (size_t p = range.begin; p < range.end; p++) {
    __m512 value[DYNO_VALUE_VECTORS];
    DYNO_UNROLL
    for (size_t v = 0; v < vectors; v++)
      value[v] = _mm512_loadu_ps(values + p * head_size + v * DYNO_LANES512);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m512 weight = _mm512_set1_ps(scores[h * DYNO_CHUNK + p]);
      DYNO_UNROLL
      for (size_t v = 0; v < vectors; v++)
        sum[h][v] = _mm512_fmadd_ps(weight, value[v], sum[h][v]);
    }
  }
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < vectors; v++)
      _mm512_storeu_ps(sums + h * head_size + v * DYNO_LANES512, sum[h][v]);
  }
}

DYNO_ALWAYS_INLINE void dyno_add_values_heads512(float *sums, const float *rescale,
                                                 const float *scores, const float *values,
                                                 dyno_chunk_range range, size_t head_size,
                                                 size_t heads)
{
  size_t i = 0;
  for (; i + DYNO_VALUE_VECTORS * DYNO_LANES512 <= head_size;
       i += DYNO_VALUE_VECTORS * DYNO_LANES512)
    dyno_add_values_part512(sums + i, rescale, scores, values + i, range, head_size, heads,
                            DYNO_VALUE_VECTORS);
  for (; i < head_size; i += DYNO_LANES512)
    dyno_add_values_part512(sums + i, rescale, scores, values + i, range, head_size, heads, 1);
}

static void dyno_add_values512(float *sums, const float *rescale, const float *scores, size_t heads,
                               const float *values, dyno_chunk_range range, size_t head_size)
{
  size_t h = 0;
  for (; h + DYNO_VALUE_HEADS <= heads; h += DYNO_VALUE_HEADS)
    dyno_add_values_heads512(sums + h * head_size, rescale + h, scores + h * DYNO_CHUNK, values,
                             range, head_size, DYNO_VALUE_HEADS);
  for (; h < heads; h++)
    dyno_add_values_heads512(sums + h * head_size, rescale + h, scores + h * DYNO_CHUNK, values,
                             range, head_size, 1);
}

static void dyno_divide512(float *output, const float *sums, const float *denominator, size_t heads,
                           size_t head_size)
{
  for (size_t h = 0; h < heads; h++)
    for (size_t i = h * head_size; i < (h + 1) * head_size; i += DYNO_LANES512)
      _mm512_storeu_ps(output + i,
                       _mm512_div_ps(_mm512_loadu_ps(sums + i), _mm512_set1_ps(denominator[h])));
}

#endif
