/* The tiles of panel16_decoded.h with AVX2: 16 rows, as two vectors of 8, times a few tokens. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_DECODED_AVX2_H
#define DYNO_KERNELS_MATMUL_PANEL16_DECODED_AVX2_H

#include "kernels/matmul/panel16_avx2.h"
#include "kernels/matmul/panel16_decoded.h"

enum {
  DYNO_DECODED_MOST_TILE = 4, /* tokens */
  DYNO_DECODED_HALVES = 2,    /* of a panel */
};

/* How far ahead of the multiplications a panel that is not decoded is fetched, into the next panel
 * too. They take about as long as reading does, and the hardware alone does not do both at once. */
enum { DYNO_DECODED_FETCH_AHEAD = 2048 };

DYNO_ALWAYS_INLINE void dyno_decoded_fetch256(const uint8_t *quants, size_t bytes)
{
  DYNO_UNROLL
  for (size_t i = 0; i < bytes; i += DYNO_PANEL16_LINE)
    _mm_prefetch((const char *)quants + DYNO_DECODED_FETCH_AHEAD + i, _MM_HINT_T0);
}

/* A walk over the blocks of a panel alone (dyno_panel16_next_block). */
DYNO_ALWAYS_INLINE dyno_panel16_blocks dyno_decoded_first(const uint8_t *panel, size_t blocks,
                                                          const dyno_panel16_shape shape)
{
  dyno_panel16_blocks at = {.left = blocks, .shape = shape, .quants = panel};
  dyno_panel16_enter_group(&at);
  return at;
}

/* The float sums of a tile. */
typedef struct dyno_decoded_sums {
  __m256 of[DYNO_DECODED_HALVES][DYNO_DECODED_MOST_TILE];
} dyno_decoded_sums;

/* Line i of a decoded block, one half. */
DYNO_ALWAYS_INLINE const void *dyno_decoded_line256(const uint8_t *decoded, size_t i, size_t half)
{
  return decoded + i * DYNO_PANEL16_LINE + half * sizeof(__m256i);
}

DYNO_ALWAYS_INLINE void dyno_decoded_store256(uint8_t *decoded, size_t i, size_t half, __m256 line)
{
  _mm256_store_ps((void *)(decoded + i * DYNO_PANEL16_LINE + half * sizeof line), line);
}

DYNO_ALWAYS_INLINE __m256i dyno_broadcast256(const uint8_t *bytes)
{
  int32_t value;
  memcpy(&value, bytes, sizeof value);
  return _mm256_set1_epi32(value);
}

/* Numbers of the tokens of a tile are called, in this order, products[half][t]. */
typedef __m256i dyno_decoded_products[DYNO_DECODED_HALVES][DYNO_DECODED_MOST_TILE];

/* Adds a block of every token, rounded as DYNO_MATMUL_A8_NUMERICS says. weight_scales: of the two
 * halves. scales: one of each token. */
DYNO_ALWAYS_INLINE void dyno_decoded_add256(dyno_decoded_sums *sums, dyno_decoded_products products,
                                            const __m256 *weight_scales, const uint8_t *scales,
                                            size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m256 activation_scale = _mm256_castsi256_ps(dyno_broadcast256(scales + t * sizeof(float)));
    DYNO_UNROLL
    for (size_t half = 0; half < DYNO_DECODED_HALVES; half++) {
      __m256 scale = _mm256_mul_ps(activation_scale, weight_scales[half]);
      sums->of[half][t] =
          _mm256_fmadd_ps(_mm256_cvtepi32_ps(products[half][t]), scale, sums->of[half][t]);
    }
  }
}

/* Line i of a decoded block as floats, both halves. */
DYNO_ALWAYS_INLINE void dyno_decoded_floats256(__m256 *halves, const uint8_t *decoded, size_t i)
{
  DYNO_UNROLL
  for (size_t half = 0; half < DYNO_DECODED_HALVES; half++)
    halves[half] = _mm256_load_ps(dyno_decoded_line256(decoded, i, half));
}

DYNO_ALWAYS_INLINE void dyno_decoded_begin256(const dyno_decoded_tile *tile,
                                              dyno_decoded_sums *sums, size_t tokens)
{
  DYNO_UNROLL
  for (size_t half = 0; half < DYNO_DECODED_HALVES; half++) {
    size_t first = DYNO_TILE256_ROWS * half;
    bool any = tile->continued && first < tile->rows;
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums->of[half][t] =
          any ? dyno_load256(tile->output + t * tile->output_stride + first, tile->rows - first)
              : _mm256_setzero_ps();
  }
}

DYNO_ALWAYS_INLINE void dyno_decoded_end256(const dyno_decoded_tile *tile,
                                            const dyno_decoded_sums *sums, size_t tokens)
{
  const dyno_panel16_tile stored = {
      .output = tile->output,
      .output_stride = tile->output_stride,
      .bias = tile->bias,
      .rows = tile->rows,
  };
  DYNO_UNROLL
  for (size_t half = 0; half < DYNO_DECODED_HALVES; half++)
    dyno_store_sums256(&stored, sums->of[half], half, tokens);
}

/* Defines many_steps and few_steps from four things of the file that uses it:
 *
 *   static const dyno_panel16_shape shape
 *   enum { DECODED_BYTES, MANY_BYTES, FEW_BYTES }    of a block of a panel, of a token, of a token
 *   void add_decoded(dyno_decoded_sums *sums, const uint8_t *decoded, const uint8_t *batch,
 *                    size_t tokens)
 *   void add_block(dyno_decoded_sums *sums, const dyno_panel16_blocks *at, const uint8_t *batch,
 *                  size_t tokens)
 */
#define DYNO_DECODED_MANY256(tokens_)                                                              \
  static void many_##tokens_(const dyno_decoded_tile *tile)                                        \
  {                                                                                                \
    dyno_decoded_sums sums;                                                                        \
    dyno_decoded_begin256(tile, &sums, tokens_);                                                   \
    const uint8_t *decoded = tile->weights, *batch = tile->batch;                                  \
    for (size_t left = tile->blocks; left > 0; left--) {                                           \
      add_decoded(&sums, decoded, batch, tokens_);                                                 \
      decoded += DECODED_BYTES;                                                                    \
      batch += (size_t)(tokens_)*MANY_BYTES;                                                       \
    }                                                                                              \
    dyno_decoded_end256(tile, &sums, tokens_);                                                     \
  }

#define DYNO_DECODED_FEW256(tokens_)                                                               \
  static void few_##tokens_(const dyno_decoded_tile *tile)                                         \
  {                                                                                                \
    dyno_decoded_sums sums;                                                                        \
    dyno_decoded_begin256(tile, &sums, tokens_);                                                   \
    dyno_panel16_blocks at = dyno_decoded_first(tile->weights, tile->blocks, shape);               \
    const uint8_t *batch = tile->batch;                                                            \
    for (; at.left > 0; dyno_panel16_next_block(&at)) {                                            \
      dyno_decoded_fetch256(at.quants, shape.block_bytes);                                         \
      add_block(&sums, &at, batch, tokens_);                                                       \
      batch += (size_t)(tokens_)*FEW_BYTES;                                                        \
    }                                                                                              \
    dyno_decoded_end256(tile, &sums, tokens_);                                                     \
  }

#define DYNO_DECODED_STEPS256                                                                      \
  DYNO_DECODED_MANY256(1)                                                                          \
  DYNO_DECODED_MANY256(2)                                                                          \
  DYNO_DECODED_MANY256(4)                                                                          \
  DYNO_DECODED_FEW256(1)                                                                           \
  DYNO_DECODED_FEW256(2)                                                                           \
  DYNO_DECODED_FEW256(4)                                                                           \
  static const dyno_decoded_step many_steps[] = {{4, many_4}, {2, many_2}, {1, many_1}};           \
  static const dyno_decoded_step few_steps[] = {{4, few_4}, {2, few_2}, {1, few_1}};

#endif
