/* What the AVX2 variants over panels of 16 rows share: a lane is a row, and a tile is half a panel
 * times a few tokens. Bodies take `tokens` as a constant, so that sums[tokens] lives in registers.
 */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_AVX2_H
#define DYNO_KERNELS_MATMUL_PANEL16_AVX2_H

#include <immintrin.h>

#include "kernels/base/vector_avx2.h"
#include "kernels/matmul/panel16.h"

enum {
  DYNO_TILE256_ROWS = DYNO_LANES256, /* half of a panel's */
  DYNO_TILE256_MOST_TOKENS = 4,      /* of one half; a single token takes both halves */
};

/* The scales of the block at hand, in rows 8 half to 8 half + 7. MXFP4: 2^(e - 128), as in
 * panel16_avx512.h. The load begins at most three bytes before the line, in the quants. */
DYNO_ALWAYS_INLINE __m256 dyno_mxfp4_scales256(const dyno_panel16_blocks *at, size_t half)
{
  const void *shifted = at->line + 4 * DYNO_TILE256_ROWS * half + at->in_group - 3;
  __m256i top = _mm256_loadu_si256(shifted);
  __m256i bits = _mm256_and_si256(_mm256_srli_epi32(top, 1), _mm256_set1_epi32(0x7f800000));
  bits = _mm256_max_epi32(bits, _mm256_set1_epi32(0x00400000));
  return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0.5f));
}

/* Q4_0 and Q8_0: 8 halves. */
DYNO_ALWAYS_INLINE __m256 dyno_half_scales256(const dyno_panel16_blocks *at, size_t half)
{
  const void *halves = at->line + 2 * (DYNO_PANEL16_ROWS * at->in_group + DYNO_TILE256_ROWS * half);
  return _mm256_cvtph_ps(_mm_load_si128(halves));
}

/* Adds one token's block, rounded as DYNO_MATMUL_A8_NUMERICS says. */
DYNO_ALWAYS_INLINE __m256 dyno_add_block256(__m256 sum, __m256i products, __m256 weight_scales,
                                            float activation_scale)
{
  __m256 scales = _mm256_mul_ps(weight_scales, _mm256_set1_ps(activation_scale));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scales, sum);
}

/* Products of 8 rows and four elements of one token, in pairs. */
DYNO_ALWAYS_INLINE __m256i dyno_pairs256(__m256i weights, const dyno_panel16_blocks *at, size_t t,
                                         size_t j)
{
  return _mm256_maddubs_epi16(weights, _mm256_set1_epi32(dyno_panel16_quants(at, t, j)));
}

/* Adds 4 x 4 elements of one token to its products. Weights up to 24: four sums of two products
 * are at most 4 * 2 * 24 * 127, so 16 bits hold them and nothing saturates. */
DYNO_ALWAYS_INLINE __m256i dyno_add_products256(__m256i products, const __m256i *weights,
                                                const dyno_panel16_blocks *at, size_t t,
                                                size_t first_j)
{
  __m256i pairs = dyno_pairs256(weights[0], at, t, first_j);
  DYNO_UNROLL
  for (size_t j = 1; j < 4; j++)
    pairs = _mm256_add_epi16(pairs, dyno_pairs256(weights[j], at, t, first_j + j));
  return _mm256_add_epi32(products, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

DYNO_ALWAYS_INLINE void dyno_zero_sums256(__m256 *sums, size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = _mm256_setzero_ps();
}

DYNO_ALWAYS_INLINE void dyno_store_sums256(const dyno_panel16_tile *tile, const __m256 *sums,
                                           size_t half, size_t tokens)
{
  size_t first = DYNO_TILE256_ROWS * half;
  if (first >= tile->rows)
    return;
  size_t rows = tile->rows - first;
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m256 sum = sums[t];
    if (tile->bias != NULL)
      sum = _mm256_add_ps(sum, dyno_load256(tile->bias + first, rows));
    dyno_store256(tile->output + t * tile->output_stride + first, rows, sum);
  }
}

/* The next two define run_<tokens>, a dyno_panel16_step, from two things of the file that uses
 * them:
 *
 *   static const dyno_panel16_shape shape
 *   void multiply_block(__m256 *sums, const dyno_panel16_blocks *at, size_t half, size_t tokens)
 *
 * One half after the other, because the sums need the registers: */
#define DYNO_TILE256_STEP(tokens)                                                                  \
  static void run_##tokens(const dyno_panel16_tile *tile)                                          \
  {                                                                                                \
    for (size_t half = 0; DYNO_TILE256_ROWS * half < tile->rows; half++) {                         \
      __m256 sums[tokens];                                                                         \
      dyno_zero_sums256(sums, tokens);                                                             \
      dyno_panel16_blocks at = dyno_panel16_first_block(tile, tokens, shape);                      \
      for (; at.left > 0; dyno_panel16_next_block(&at))                                            \
        multiply_block(sums, &at, half, tokens);                                                   \
      dyno_store_sums256(tile, sums, half, tokens);                                                \
    }                                                                                              \
  }

/* Both halves at once, so that the panel is read as one stream: */
#define DYNO_TILE256_SINGLE_STEP                                                                   \
  static void run_1(const dyno_panel16_tile *tile)                                                 \
  {                                                                                                \
    __m256 first = _mm256_setzero_ps(), second = first;                                            \
    dyno_panel16_blocks at = dyno_panel16_first_block(tile, 1, shape);                             \
    for (; at.left > 0; dyno_panel16_next_block(&at)) {                                            \
      multiply_block(&first, &at, 0, 1);                                                           \
      multiply_block(&second, &at, 1, 1);                                                          \
    }                                                                                              \
    dyno_store_sums256(tile, &first, 0, 1);                                                        \
    dyno_store_sums256(tile, &second, 1, 1);                                                       \
  }

#endif
