/* Panels of 16 rows of a format in 32-element blocks, times A8, on a tier without an int8 product
 * that sums in 32 bits.
 *
 * There what is paid for each token is dear, and what is done to the weights should be done once
 * for all of them. So a stretch of a panel is decoded into what the multiplications want, which
 * fits the level-1 cache, and multiplied with the same stretch of up to DYNO_DECODED_TOKENS tokens.
 * For a few tokens that would not pay: they are multiplied with the panel as it is.
 *
 * The tokens are gathered first, in tiles of a few, so that a tile reads two streams; a variant has
 * an order of its own in both. Between the stretches the sums wait in the output. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_DECODED_H
#define DYNO_KERNELS_MATMUL_PANEL16_DECODED_H

#include "kernels/matmul/panel16.h"

enum {
  DYNO_DECODED_TOKENS = 64,
  DYNO_DECODED_BYTES = 20 * 1024,       /* most of a stretch */
  DYNO_DECODED_BATCH_BYTES = 80 * 1024, /* most of a stretch of all tokens */
};

/* A stretch of one panel times a few tokens. */
typedef struct dyno_decoded_tile {
  float *output; /* of the first token, at the panel's first row */
  size_t output_stride;
  const uint8_t *weights; /* decoded, or the panel at the first block of a group; aligned to 64 */
  const uint8_t *batch;   /* of these tokens */
  const float *bias;      /* at the panel's first row; NULL when there is none, or not yet */
  size_t rows;            /* of the panel that exist, 1 to 16 */
  size_t blocks;
  bool continued; /* the sums go on from the output */
} dyno_decoded_tile;

/* Computes a tile of exactly `tokens` tokens. */
typedef struct dyno_decoded_step {
  size_t tokens;
  void (*multiply)(const dyno_decoded_tile *tile);
} dyno_decoded_step;

/* One of the two ways to multiply. */
typedef struct dyno_decoded_way {
  size_t token_bytes; /* of one block of a token, gathered */
  /* Puts blocks [first, first + count) of a token's row into place t of a tile of `tokens`. */
  void (*gather)(uint8_t *batch, size_t t, size_t tokens, const void *row, size_t k, size_t first,
                 size_t count);
  const dyno_decoded_step *steps; /* most tokens first; the last has one token and ends the list */
} dyno_decoded_way;

typedef struct dyno_decoded_variant {
  dyno_panel16_shape shape;
  size_t decoded_bytes; /* of one block of a panel, decoded */
  /* decoded: blocks * decoded_bytes, aligned to 64. panel: at the first block of a group. */
  void (*decode)(uint8_t *decoded, const uint8_t *panel, size_t blocks);
  dyno_decoded_way many; /* with decoded weights */
  dyno_decoded_way few;  /* with the panel, for groups of less than many_tokens */
  size_t many_tokens;
} dyno_decoded_variant;

/* Runs rows [row0, row1) of a matmul. */
void dyno_panel16_decoded_matmul(const dyno_matmul_args *args, size_t row0, size_t row1,
                                 const dyno_decoded_variant *variant);

#endif
