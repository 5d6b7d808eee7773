/* The tile of the VNNI variants: a panel of 16 rows times a few tokens, whose accumulators stay
 * in registers. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_AVX512VNNI_H
#define DYNO_KERNELS_MATMUL_PANEL16_AVX512VNNI_H

#include "kernels/matmul/panel16_avx512.h"

/* What the formats differ in. */
typedef struct dyno_vnni_format {
  dyno_panel16_shape shape;
  /* Weights are handed to vpdpbusd as unsigned bytes, offset too large; the products of the
   * offset are taken off again through the sum of the activations. */
  int offset;
  /* Element 4j + i of row r becomes byte 4r + i of weights[j]. */
  void (*load)(__m512i weights[8], const uint8_t *quants);
  __m512 (*scales)(const uint8_t *line, size_t in_group);
} dyno_vnni_format;

DYNO_ALWAYS_INLINE void dyno_vnni_block(__m512 *sums, const __m512i *weights, int offset,
                                        __m512 scale, const dyno_tile_tokens *at, size_t block,
                                        size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const uint8_t *row = at->row[t], *quants = row + DYNO_A8_BLOCK * block;
    __m512i dot = _mm512_set1_epi32(-offset * dyno_load_i32(row + at->sums + 4 * block));
    DYNO_UNROLL
    for (size_t j = 0; j < 8; j++)
      dot = _mm512_dpbusd_epi32(dot, weights[j], _mm512_set1_epi32(dyno_load_i32(quants + 4 * j)));
    sums[t] = dyno_add_block(sums[t], dot, scale, dyno_load_f32(row + at->scales + 4 * block));
  }
}

/* format and tokens are constants of the caller. */
DYNO_ALWAYS_INLINE void dyno_vnni_tile(const dyno_panel16_tile *tile, size_t tokens,
                                       const dyno_vnni_format format)
{
  size_t blocks = tile->k / DYNO_PANEL16_BLOCK;
  const uint8_t *quants = tile->panel;
  dyno_tile_tokens at;
  __m512 sums[DYNO_PANEL16_MOST_TOKENS];
  dyno_tile_start(&at, sums, tile, tokens);
  for (size_t block = 0; block < blocks; quants += DYNO_PANEL16_LINE) {
    size_t left = blocks - block;
    size_t in_group = left < format.shape.group_blocks ? left : format.shape.group_blocks;
    const uint8_t *line = quants + in_group * format.shape.block_bytes;
    for (size_t i = 0; i < in_group; i++, block++, quants += format.shape.block_bytes) {
      __m512i weights[8];
      format.load(weights, quants);
      dyno_vnni_block(sums, weights, format.offset, format.scales(line, i), &at, block, tokens);
    }
  }
  dyno_tile_finish(tile, sums, tokens);
}

/* Defines run_1 to run_16 and the list of them, `steps`, for dyno_panel16_matmul. */
#define DYNO_VNNI_STEP(tokens, format)                                                             \
  static void run_##tokens(const dyno_panel16_tile *tile)                                          \
  {                                                                                                \
    dyno_vnni_tile(tile, tokens, format);                                                          \
  }

#define DYNO_VNNI_STEPS(format)                                                                    \
  DYNO_VNNI_STEP(1, format)                                                                        \
  DYNO_VNNI_STEP(2, format)                                                                        \
  DYNO_VNNI_STEP(4, format)                                                                        \
  DYNO_VNNI_STEP(8, format)                                                                        \
  DYNO_VNNI_STEP(16, format)                                                                       \
  static const dyno_panel16_step steps[] = {                                                       \
      {16, run_16}, {8, run_8}, {4, run_4}, {2, run_2}, {1, run_1}}

#endif
