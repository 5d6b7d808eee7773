/* Panels of 16 rows: the packed layouts of the 32-element block formats, and the walk over them
 * that the SIMD variants share.
 *
 * A panel holds 16 consecutive rows of one matrix, so that a vector lane is a row; the last panel
 * is padded with rows of zeros. A panel is one sequential stream of groups of blocks: first the
 * quants of each block, then one 64-byte line with the scales of the whole group. The last group
 * holds only the blocks that there are, and a whole line of scales.
 *
 *   format  blocks in a group  quants of a block
 *   mxfp4   4                  256 bytes: 4 vectors of 64, dword r of vector j being the bytes
 *                              4j to 4j+3 of row r's 16 bytes of nibbles, as in the row format
 *   q4_0    2                  the same
 *   q8_0    2                  512 bytes: 8 vectors of 64, dword r of vector j being the quants
 *                              4j to 4j+3 of row r, plus 128 (vpdpbusd wants them unsigned)
 *
 * Scales of mxfp4: byte 4r + j is the exponent of block j in row r. Scales of the others: half
 * 16j + r is the scale of block j in row r. Padding: zero quants (128 in q8_0); exponent 127
 * (that is 1.0, so that no padding row computes with subnormals); scale 0. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_H
#define DYNO_KERNELS_MATMUL_PANEL16_H

#include "kernels/kernel.h"

enum {
  DYNO_PANEL16_ROWS = 16,
  DYNO_PANEL16_LINE = 64,        /* bytes of a vector, and of a group's scales */
  DYNO_PANEL16_BLOCK = 32,       /* elements */
  DYNO_PANEL16_MOST_TOKENS = 16, /* in a tile */
};

typedef struct dyno_panel16_shape {
  size_t block_bytes; /* quants of one block of all 16 rows */
  size_t group_blocks;
} dyno_panel16_shape;

/* Initialisers. */
#define DYNO_PANEL16_MXFP4_SHAPE                                                                   \
  {                                                                                                \
    256, 4                                                                                         \
  }
#define DYNO_PANEL16_Q4_0_SHAPE                                                                    \
  {                                                                                                \
    256, 2                                                                                         \
  }
#define DYNO_PANEL16_Q8_0_SHAPE                                                                    \
  {                                                                                                \
    512, 2                                                                                         \
  }

extern const dyno_layout dyno_layout_mxfp4_panel16;
extern const dyno_layout dyno_layout_q4_0_panel16;
extern const dyno_layout dyno_layout_q8_0_panel16;

/* Bytes of a panel of k columns: a multiple of 64. */
static inline size_t dyno_panel16_bytes(const dyno_panel16_shape *shape, size_t k)
{
  size_t blocks = k / DYNO_PANEL16_BLOCK;
  size_t groups = (blocks + shape->group_blocks - 1) / shape->group_blocks;
  return blocks * shape->block_bytes + groups * DYNO_PANEL16_LINE;
}

/* One panel times a few tokens. */
typedef struct dyno_panel16_tile {
  float *output; /* of the first token, at the panel's first row */
  size_t output_stride;
  const uint8_t *panel;
  const uint8_t *activation; /* the first token's a8 row */
  size_t activation_stride;  /* bytes to the next token's */
  const float *bias;         /* at the panel's first row; NULL when there is none */
  size_t rows;               /* of the panel that exist, 1 to 16 */
  size_t k;
} dyno_panel16_tile;

/* A function that computes a tile of exactly `tokens` tokens. */
typedef struct dyno_panel16_step {
  size_t tokens;
  void (*run)(const dyno_panel16_tile *tile);
} dyno_panel16_step;

/* Runs rows [row0, row1) of a matmul over packed panels, cut into tiles. steps: most tokens first;
 * the last has one token and ends the list. */
void dyno_panel16_matmul(const dyno_matmul_args *args, size_t row0, size_t row1,
                         const dyno_panel16_shape *shape, const dyno_panel16_step *steps);

#endif
