/* What the AVX-512 variants over panels of 16 rows times A8 share, with and without VNNI: a lane is
 * a row. Bodies take `tokens` as a constant, so that sums[tokens] lives in registers. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_A8_AVX512_H
#define DYNO_KERNELS_MATMUL_PANEL16_A8_AVX512_H

#include <immintrin.h>

#include "kernels/matmul/panel16_a8.h"

/* How far ahead of a tile of several tokens its panel is fetched into the level-2 cache, into the
 * next panel too. A tile of one token reads fast enough for the hardware to keep up, which
 * prefetches only disturb. */
enum { DYNO_A8_FETCH_AHEAD = 16 * 1024 };

/* Four numbers of a batch, or one: to be broadcast. */
DYNO_ALWAYS_INLINE __m512i dyno_broadcast512(const uint8_t *bytes)
{
  int32_t value;
  memcpy(&value, bytes, sizeof value);
  return _mm512_set1_epi32(value);
}

DYNO_ALWAYS_INLINE const uint8_t *dyno_a8_corrections(const uint8_t *batch, size_t tokens)
{
  return batch + tokens * DYNO_A8_BLOCK;
}

DYNO_ALWAYS_INLINE const uint8_t *dyno_a8_batch_scales(const uint8_t *batch, size_t tokens)
{
  return batch + tokens * (DYNO_A8_BLOCK + sizeof(int32_t));
}

/* The exponents of the block at hand in the scales of MXFP4, where a float has its own. The load is
 * shifted so that those wanted are the top bytes of the dwords; it begins at most three bytes
 * before the line, in the quants. */
DYNO_ALWAYS_INLINE __m512i dyno_mxfp4_exponents512(const uint8_t *line, size_t in_group)
{
  __m512i top = _mm512_loadu_si512(line + in_group - 3);
  return _mm512_and_si512(_mm512_srli_epi32(top, 1), _mm512_set1_epi32(0x7f800000));
}

/* The scales: 2^(e - 128), which goes with doubled E2M1 values. Exponent 0 means 2^-127, the
 * subnormal with the bits 0x00400000. */
DYNO_ALWAYS_INLINE __m512 dyno_mxfp4_scales512(__m512i exponents)
{
  __m512i bits = _mm512_max_epi32(exponents, _mm512_set1_epi32(0x00400000));
  return _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0.5f));
}

/* Whether all exponents of a group are within 65 and 190, so that with ordinary scales of the
 * activations, whose exponents are within 64 and 191, all products of scales are normal numbers. */
DYNO_ALWAYS_INLINE bool dyno_mxfp4_ordinary512(const uint8_t *line)
{
  __m512i above = _mm512_sub_epi8(_mm512_load_si512(line), _mm512_set1_epi8(65));
  return _mm512_cmpgt_epu8_mask(above, _mm512_set1_epi8(190 - 65)) == 0;
}

/* The 16 halves of a block in the scales of the other formats. */
DYNO_ALWAYS_INLINE __m512 dyno_half_scales512(const uint8_t *line, size_t in_group)
{
  return _mm512_cvtph_ps(
      _mm256_load_si256((const void *)(line + 2 * DYNO_PANEL16_ROWS * in_group)));
}

/* Adds one token's block, rounded as DYNO_MATMUL_A8_NUMERICS says. */
DYNO_ALWAYS_INLINE __m512 dyno_add_scaled512(__m512 sum, __m512i products, __m512 weight_scales,
                                             const uint8_t *scale)
{
  __m512 scales = _mm512_mul_ps(weight_scales, _mm512_castsi512_ps(dyno_broadcast512(scale)));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scales, sum);
}

/* The same for ordinary scales of MXFP4: exponents is what is to be added to those of the
 * activations. An addition of integers can go where multiplications cannot. */
DYNO_ALWAYS_INLINE __m512 dyno_add_raised512(__m512 sum, __m512i products, __m512i exponents,
                                             const uint8_t *scale)
{
  __m512i scales = _mm512_add_epi32(exponents, dyno_broadcast512(scale));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), _mm512_castsi512_ps(scales), sum);
}

DYNO_ALWAYS_INLINE __mmask16 dyno_a8_rows512(const dyno_a8_tile *tile)
{
  return (__mmask16)((1u << tile->rows) - 1);
}

DYNO_ALWAYS_INLINE void dyno_a8_begin512(const dyno_a8_tile *tile, __m512 *sums, size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] =
        tile->continued && t < tile->tokens
            ? _mm512_maskz_loadu_ps(dyno_a8_rows512(tile), tile->output + t * tile->output_stride)
            : _mm512_setzero_ps();
}

DYNO_ALWAYS_INLINE void dyno_a8_end512(const dyno_a8_tile *tile, const __m512 *sums, size_t tokens)
{
  __mmask16 rows = dyno_a8_rows512(tile);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    if (t >= tile->tokens)
      return;
    __m512 sum = sums[t];
    if (tile->bias != NULL)
      sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(rows, tile->bias));
    _mm512_mask_storeu_ps(tile->output + t * tile->output_stride, rows, sum);
  }
}

DYNO_ALWAYS_INLINE void dyno_a8_fetch512(const uint8_t *from, size_t bytes)
{
  DYNO_UNROLL
  for (size_t i = 0; i < bytes; i += DYNO_PANEL16_LINE)
    _mm_prefetch((const char *)from + DYNO_A8_FETCH_AHEAD + i, _MM_HINT_T1);
}

/* Defines tile_1, a dyno_a8_multiply, from three things of the file that uses it:
 *
 *   static const dyno_panel16_shape shape
 *   __m512i multiply_block(const uint8_t *quants, const uint8_t *batch)
 *   __m512 add_products(__m512 sum, __m512i products, const uint8_t *line, size_t in_group,
 *                       const uint8_t *batch)
 *
 * The panel is read in the order in which it lies, by few instructions: then the hardware
 * prefetches it as fast as a plain read. So the scales wait for all quants of their group, and
 * nothing is unrolled. */
#define DYNO_A8_SINGLE512                                                                          \
  static void tile_1(const dyno_a8_tile *tile)                                                     \
  {                                                                                                \
    __m512 sum;                                                                                    \
    dyno_a8_begin512(tile, &sum, 1);                                                               \
    const uint8_t *quants = tile->panel, *batch = tile->batch;                                     \
    size_t blocks = shape.group_blocks;                                                            \
    for (size_t left = tile->blocks; left > 0; left -= blocks) {                                   \
      if (blocks > left)                                                                           \
        blocks = left;                                                                             \
      __m512i products[DYNO_PANEL16_MOST_GROUP];                                                   \
      for (size_t b = 0; b < blocks; b++, quants += shape.block_bytes)                             \
        products[b] = multiply_block(quants, batch + b * DYNO_A8_TOKEN_BYTES);                     \
      for (size_t b = 0; b < blocks; b++, batch += DYNO_A8_TOKEN_BYTES)                            \
        sum = add_products(sum, products[b], quants, b, batch);                                    \
      quants += DYNO_PANEL16_LINE;                                                                 \
    }                                                                                              \
    dyno_a8_end512(tile, &sum, 1);                                                                 \
  }

/* Defines tile_<tokens> from
 *
 *   static const dyno_panel16_shape shape
 *   bool is_ordinary(const uint8_t *line)
 *   void add_block(__m512 *sums, const uint8_t *quants, const uint8_t *line, size_t in_group,
 *                  const uint8_t *batch, size_t tokens, bool ordinary)
 */
#define DYNO_A8_TILE512(tokens_)                                                                   \
  static void tile_##tokens_(const dyno_a8_tile *tile)                                             \
  {                                                                                                \
    __m512 sums[tokens_];                                                                          \
    dyno_a8_begin512(tile, sums, tokens_);                                                         \
    const uint8_t *quants = tile->panel, *batch = tile->batch;                                     \
    size_t blocks = shape.group_blocks;                                                            \
    for (size_t left = tile->blocks; left > 0; left -= blocks) {                                   \
      if (blocks > left)                                                                           \
        blocks = left;                                                                             \
      const uint8_t *line = quants + blocks * shape.block_bytes;                                   \
      bool ordinary = tile->ordinary && is_ordinary(line);                                         \
      for (size_t b = 0; b < blocks; b++) {                                                        \
        dyno_a8_fetch512(quants, shape.block_bytes);                                               \
        add_block(sums, quants, line, b, batch, tokens_, ordinary);                                \
        quants += shape.block_bytes;                                                               \
        batch += (size_t)(tokens_)*DYNO_A8_TOKEN_BYTES;                                            \
      }                                                                                            \
      dyno_a8_fetch512(line, DYNO_PANEL16_LINE);                                                   \
      quants += DYNO_PANEL16_LINE;                                                                 \
    }                                                                                              \
    dyno_a8_end512(tile, sums, tokens_);                                                           \
  }

#define DYNO_A8_TILES512                                                                           \
  DYNO_A8_SINGLE512                                                                                \
  DYNO_A8_TILE512(2)                                                                               \
  DYNO_A8_TILE512(4)                                                                               \
  DYNO_A8_TILE512(6)                                                                               \
  DYNO_A8_TILE512(8)                                                                               \
  DYNO_A8_TILE512(10)                                                                              \
  DYNO_A8_TILE512(12)                                                                              \
  DYNO_A8_TILE512(14)                                                                              \
  DYNO_A8_TILE512(16)                                                                              \
  static const dyno_a8_step steps[] = {{1, tile_1},   {2, tile_2},   {4, tile_4},                  \
                                       {6, tile_6},   {8, tile_8},   {10, tile_10},                \
                                       {12, tile_12}, {14, tile_14}, {16, tile_16}};

#endif
