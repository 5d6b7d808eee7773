/* The steps of a variant whose blocks are 16 bytes of nibbles and one scale, without a zero point.
 *
 * A file that includes it has before: the `shape` of its panels; `unpack`, which makes unsigned
 * bytes of low nibbles; the OFFSET by which these are too large; and `block_scales`, the scales of
 * half a panel's rows. After it stands DYNO_DECODED_STEPS256. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_SYMMETRIC_AVX2_H
#define DYNO_KERNELS_MATMUL_PANEL16_SYMMETRIC_AVX2_H

#include "kernels/matmul/panel16_nibbles_avx2.h"

enum {
  DECODED_BYTES = (DYNO_NIBBLES_LINES + 1) * DYNO_PANEL16_LINE, /* the scales last */
  MANY_BYTES = DYNO_NIBBLES_TOKEN_BYTES,
  FEW_BYTES = DYNO_NIBBLES_TOKEN_BYTES,
};

static void decode(uint8_t *decoded, const uint8_t *panel, size_t blocks)
{
  dyno_panel16_blocks at = dyno_decoded_first(panel, blocks, shape);
  for (; at.left > 0; dyno_panel16_next_block(&at), decoded += DECODED_BYTES) {
    dyno_nibbles_decode(decoded, at.quants, unpack);
    for (size_t half = 0; half < DYNO_DECODED_HALVES; half++)
      dyno_decoded_store256(decoded, DYNO_NIBBLES_LINES, half, block_scales(&at, half));
  }
}

static void gather(uint8_t *batch, size_t t, size_t tokens, const void *row, size_t k, size_t first,
                   size_t count)
{
  dyno_nibbles_gather(batch, t, tokens, row, k, first, count, OFFSET);
}

DYNO_ALWAYS_INLINE void add_decoded(dyno_decoded_sums *sums, const uint8_t *decoded,
                                    const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  __m256 scales[DYNO_DECODED_HALVES];
  dyno_nibbles_multiply_decoded(products, decoded, batch, tokens, true);
  dyno_decoded_floats256(scales, decoded, DYNO_NIBBLES_LINES);
  dyno_decoded_add256(sums, products, scales, batch + dyno_nibbles_scales(tokens), tokens);
}

DYNO_ALWAYS_INLINE void add_block(dyno_decoded_sums *sums, const dyno_panel16_blocks *at,
                                  const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  dyno_nibbles_multiply(products, at->quants, batch, tokens, true, unpack);
  __m256 scales[] = {block_scales(at, 0), block_scales(at, 1)};
  dyno_decoded_add256(sums, products, scales, batch + dyno_nibbles_scales(tokens), tokens);
}

#endif
