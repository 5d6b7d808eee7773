/* The inner loops of attention in chunks with AVX2, but for decoding keys and values. */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_AVX2_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_AVX2_H

#include "kernels/attention/chunks.h"
#include "kernels/base/exp_avx2.h"
#include "kernels/base/vector_avx2.h"

/* Transposes 8 x 8 dwords. */
DYNO_ALWAYS_INLINE void dyno_transpose256(__m256i x[8])
{
  __m256i pairs[8], fours[8];
  DYNO_UNROLL
  for (size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  DYNO_UNROLL
  for (size_t i = 0; i < 8; i += 4) {
    fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  /* Half q of fours[4 i + j] now holds column 4 q + j of rows 4 i to 4 i + 3. */
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    x[j] = _mm256_permute2x128_si256(fours[j], fours[4 + j], 0x20);
    x[4 + j] = _mm256_permute2x128_si256(fours[j], fours[4 + j], 0x31);
  }
}

enum { DYNO_SCORE_VECTORS = DYNO_CHUNK_PART / DYNO_LANES256, DYNO_SCORE_HEADS = 2 };

/* The scores of a few heads for one part of a chunk; heads is a constant of the caller. */
DYNO_ALWAYS_INLINE void dyno_score_part256(float *scores, const float *query, const float *keys,
                                           float scale, size_t head_size, size_t heads)
{
  __m256 sums[DYNO_SCORE_HEADS][DYNO_SCORE_VECTORS];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
      sums[h][v] = _mm256_setzero_ps();
  }
  for (size_t i = 0; i < head_size; i++) {
    __m256 key[DYNO_SCORE_VECTORS];
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
      key[v] = _mm256_load_ps(keys + i * DYNO_CHUNK + v * DYNO_LANES256);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m256 element = _mm256_set1_ps(query[h * head_size + i]);
      DYNO_UNROLL
      for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
        sums[h][v] = _mm256_fmadd_ps(element, key[v], sums[h][v]);
    }
  }
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_SCORE_VECTORS; v++)
      _mm256_store_ps(scores + h * DYNO_CHUNK + v * DYNO_LANES256,
                      _mm256_mul_ps(sums[h][v], _mm256_set1_ps(scale)));
  }
}

static void dyno_score256(float *scores, const float *query, size_t heads, const float *keys,
                          float scale, dyno_chunk_range range, size_t head_size)
{
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_CHUNK_PART) {
    size_t h = 0;
    for (; h + DYNO_SCORE_HEADS <= heads; h += DYNO_SCORE_HEADS)
      dyno_score_part256(scores + h * DYNO_CHUNK + p, query + h * head_size, keys + p, scale,
                         head_size, DYNO_SCORE_HEADS);
    for (; h < heads; h++)
      dyno_score_part256(scores + h * DYNO_CHUNK + p, query + h * head_size, keys + p, scale,
                         head_size, 1);
  }
}

/* The lanes of the vector at p that are in the range, all bits set. */
DYNO_ALWAYS_INLINE __m256 dyno_lanes_in_range256(dyno_chunk_range range, size_t p)
{
  __m256i before = dyno_first_lanes256(range.begin > p ? range.begin - p : 0);
  __m256i up_to = dyno_first_lanes256(range.end > p ? range.end - p : 0);
  return _mm256_castsi256_ps(_mm256_andnot_si256(before, up_to));
}

static void dyno_soften256(float *scores, float *largest, float *denominator, float *rescale,
                           size_t heads, dyno_chunk_range range)
{
  size_t first = range.begin / DYNO_LANES256 * DYNO_LANES256;
  for (size_t h = 0; h < heads; h++, scores += DYNO_CHUNK) {
    __m256 maximum = _mm256_set1_ps(largest[h]), sum = _mm256_setzero_ps();
    for (size_t p = first; p < range.end; p += DYNO_LANES256) {
      __m256 lanes = dyno_lanes_in_range256(range, p);
      __m256 larger = _mm256_max_ps(maximum, _mm256_load_ps(scores + p));
      maximum = _mm256_blendv_ps(maximum, larger, lanes);
    }
    maximum = _mm256_set1_ps(dyno_largest_lane256(maximum));
    __m256 before = _mm256_sub_ps(_mm256_set1_ps(largest[h]), maximum);
    rescale[h] = _mm256_cvtss_f32(dyno_exp256(before));
    largest[h] = _mm256_cvtss_f32(maximum);
    for (size_t p = first; p < range.end; p += DYNO_LANES256) {
      __m256 lanes = dyno_lanes_in_range256(range, p);
      __m256 weight = dyno_exp256(_mm256_sub_ps(_mm256_load_ps(scores + p), maximum));
      weight = _mm256_and_ps(weight, lanes);
      _mm256_store_ps(scores + p, weight);
      sum = _mm256_add_ps(sum, weight);
    }
    denominator[h] = denominator[h] * rescale[h] + dyno_add_lanes256(sum);
  }
}

enum { DYNO_VALUE_HEADS = 2, DYNO_VALUE_VECTORS = 4 };

/* heads and vectors are constants of the caller. */
DYNO_ALWAYS_INLINE void dyno_add_values_part256(float *sums, const float *rescale,
                                                const float *scores, const float *values,
                                                dyno_chunk_range range, size_t head_size,
                                                size_t heads, size_t vectors)
{
  __m256 sum[DYNO_VALUE_HEADS][DYNO_VALUE_VECTORS];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < vectors; v++)
      sum[h][v] = _mm256_mul_ps(_mm256_loadu_ps(sums + h * head_size + v * DYNO_LANES256),
                                _mm256_set1_ps(rescale[h]));
  }
  for (size_t p = range.begin; p < range.end; p++) {
    __m256 value[DYNO_VALUE_VECTORS];
    DYNO_UNROLL
    for (size_t v = 0; v < vectors; v++)
      value[v] = _mm256_loadu_ps(values + p * head_size + v * DYNO_LANES256);
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m256 weight = _mm256_set1_ps(scores[h * DYNO_CHUNK + p]);
      DYNO_UNROLL
      for (size_t v = 0; v < vectors; v++)
        sum[h][v] = _mm256_fmadd_ps(weight, value[v], sum[h][v]);
    }
  }
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < vectors; v++)
      _mm256_storeu_ps(sums + h * head_size + v * DYNO_LANES256, sum[h][v]);
  }
}

DYNO_ALWAYS_INLINE void dyno_add_values_heads256(float *sums, const float *rescale,
                                                 const float *scores, const float *values,
                                                 dyno_chunk_range range, size_t head_size,
                                                 size_t heads)
{
  size_t i = 0;
  for (; i + DYNO_VALUE_VECTORS * DYNO_LANES256 <= head_size;
       i += DYNO_VALUE_VECTORS * DYNO_LANES256)
    dyno_add_values_part256(sums + i, rescale, scores, values + i, range, head_size, heads,
                            DYNO_VALUE_VECTORS);
  for (; i < head_size; i += DYNO_LANES256)
    dyno_add_values_part256(sums + i, rescale, scores, values + i, range, head_size, heads, 1);
}

static void dyno_add_values256(float *sums, const float *rescale, const float *scores, size_t heads,
                               const float *values, dyno_chunk_range range, size_t head_size)
{
  size_t h = 0;
  for (; h + DYNO_VALUE_HEADS <= heads; h += DYNO_VALUE_HEADS)
    dyno_add_values_heads256(sums + h * head_size, rescale + h, scores + h * DYNO_CHUNK, values,
                             range, head_size, DYNO_VALUE_HEADS);
  for (; h < heads; h++)
    dyno_add_values_heads256(sums + h * head_size, rescale + h, scores + h * DYNO_CHUNK, values,
                             range, head_size, 1);
}

static void dyno_divide256(float *output, const float *sums, const float *denominator, size_t heads,
                           size_t head_size)
{
  for (size_t h = 0; h < heads; h++)
    for (size_t i = h * head_size; i < (h + 1) * head_size; i += DYNO_LANES256)
      _mm256_storeu_ps(output + i,
                       _mm256_div_ps(_mm256_loadu_ps(sums + i), _mm256_set1_ps(denominator[h])));
}

#endif
