/* Panels of 16 rows of a format in 32-element blocks, times A8 activations.
 *
 * The tokens of a tile are first gathered into a batch, so that a tile reads two streams: the panel
 * and the batch. A batch of T tokens holds, block by block,
 *
 *   int8  quants[T][32]
 *   int32 corrections[T]   sum of the block's quants, times minus the offset of the weights
 *   float scales[T]        1 where the scale is 0; then quants and correction are 0
 *
 * of at most DYNO_A8_BATCH_BLOCKS blocks; longer rows are multiplied part after part, and the sums
 * wait in the output. T may be more than the tokens there are: the others are zeros. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_A8_H
#define DYNO_KERNELS_MATMUL_PANEL16_A8_H

#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/compiler.h"
#include "kernels/matmul/panel16.h"

enum {
  DYNO_A8_BATCH_TOKENS = 16,
  DYNO_A8_BATCH_BLOCKS = 128, /* a multiple of every layout's blocks in a group */
  DYNO_A8_TOKEN_BYTES = 40,   /* of one block of one token in a batch */
};

/* Part of one panel times a batch. */
typedef struct dyno_a8_tile {
  float *output; /* of the first token, at the panel's first row */
  size_t output_stride;
  const uint8_t *panel; /* at the part's first block, the first of a group */
  const uint8_t *batch; /* aligned to 64 */
  const float *bias;    /* at the panel's first row; NULL when there is none, or not yet */
  size_t rows;          /* of the panel that exist, 1 to 16 */
  size_t tokens;        /* of the batch that exist */
  size_t blocks;        /* of the part */
  bool continued;       /* the sums go on from the output */
  bool ordinary;        /* all scales of the batch are (dyno_a8_ordinary) */
} dyno_a8_tile;

/* Computes a tile of as many tokens as it was made for. */
typedef void dyno_a8_multiply(const dyno_a8_tile *tile);

typedef struct dyno_a8_step {
  size_t tokens;
  dyno_a8_multiply *multiply;
} dyno_a8_step;

typedef struct dyno_a8_variant {
  dyno_panel16_shape shape;
  int offset;                /* of the weights that it multiplies with */
  const dyno_a8_step *steps; /* ascending; the last has most_tokens */
  size_t most_tokens;        /* at most DYNO_A8_BATCH_TOKENS */
} dyno_a8_variant;

/* Runs rows [row0, row1) of a matmul. */
void dyno_panel16_a8_matmul(const dyno_matmul_args *args, size_t row0, size_t row1,
                            const dyno_a8_variant *variant);

/* A scale 2^e with |e| <= 63 or so: its product with a like power of two is a normal number, and
 * can be had by adding exponents. */
static inline bool dyno_a8_ordinary(float scale)
{
  uint32_t bits;
  memcpy(&bits, &scale, sizeof bits);
  return bits >= 64u << 23 && bits < 192u << 23;
}

#endif
