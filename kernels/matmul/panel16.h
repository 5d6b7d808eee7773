/* Panels of 16 rows: packed layouts, and the walk over them that the SIMD variants share.
 *
 * A panel holds 16 consecutive rows of one matrix, so that a vector lane is a row; the last panel
 * is padded with rows of zeros. A panel is one sequential stream.
 *
 * Formats of 32-element blocks come in groups of blocks: first the quants of each block, then one
 * 64-byte line with the scales of the whole group. The last group holds only the blocks that there
 * are, and a whole line of scales.
 *
 *   format  blocks in a group  quants of a block
 *   mxfp4   4                  256 bytes: 4 vectors of 64, dword r of vector j being the bytes
 *                              4j to 4j+3 of row r's 16 bytes of nibbles, as in the row format
 *   q4_0    2                  the same
 *   q4_1    1                  the same
 *   q8_0    2                  512 bytes: 8 vectors of 64, dword r of vector j being the quants
 *                              4j to 4j+3 of row r, plus 128 (vpdpbusd wants them unsigned)
 *
 * Scales of mxfp4: byte 4r + j is the exponent of block j in row r. Scales of the others: half
 * 16j + r is the scale of block j in row r, and half 16 + r of q4_1 its minimum. Padding: zero
 * quants (128 in q8_0); exponent 127 (that is 1.0, so that no padding row computes with
 * subnormals); scale 0.
 *
 * bf16 has no blocks: a panel is a line of 64 bytes for every two columns, dword r being columns
 * 2i and 2i + 1 of row r (the pairs that vdpbf16ps takes). A last odd column is paired with a
 * zero. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_H
#define DYNO_KERNELS_MATMUL_PANEL16_H

#include "kernels/base/a8.h"
#include "kernels/base/compiler.h"
#include "kernels/kernel.h"

enum {
  DYNO_PANEL16_ROWS = 16,
  DYNO_PANEL16_LINE = 64,        /* bytes of a vector, and of a group's scales */
  DYNO_PANEL16_BLOCK = 32,       /* elements */
  DYNO_PANEL16_MOST_TOKENS = 16, /* in a tile */
  /* The shapes of the table above. */
  DYNO_PANEL16_MXFP4_BYTES = 256,
  DYNO_PANEL16_MXFP4_GROUP = 4,
  DYNO_PANEL16_Q4_0_BYTES = 256,
  DYNO_PANEL16_Q4_0_GROUP = 2,
  DYNO_PANEL16_Q4_1_BYTES = 256,
  DYNO_PANEL16_Q4_1_GROUP = 1,
  DYNO_PANEL16_Q8_0_BYTES = 512,
  DYNO_PANEL16_Q8_0_GROUP = 2,
  DYNO_PANEL16_MOST_GROUP = 4,
};

typedef struct dyno_panel16_shape {
  size_t block_bytes; /* quants of one block of all 16 rows */
  size_t group_blocks;
} dyno_panel16_shape;

extern const dyno_layout dyno_layout_mxfp4_panel16;
extern const dyno_layout dyno_layout_q4_0_panel16;
extern const dyno_layout dyno_layout_q4_1_panel16;
extern const dyno_layout dyno_layout_q8_0_panel16;
extern const dyno_layout dyno_layout_bf16_panel16;

/* Bytes of a panel of k columns, of a block format: a multiple of 64. */
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

/* A walk over the blocks of a tile of a block format times A8, in the panel and in the tokens' rows
 * at once. */
typedef struct dyno_panel16_blocks {
  size_t left; /* blocks from the one at hand */
  dyno_panel16_shape shape;
  const uint8_t *quants;                          /* of the block at hand */
  const uint8_t *line;                            /* the scales of its group */
  size_t in_group;                                /* its number there */
  const uint8_t *row[DYNO_PANEL16_MOST_TOKENS];   /* the tokens' */
  size_t quants_offset, scale_offset, sum_offset; /* of the block in these, in bytes */
} dyno_panel16_blocks;

DYNO_ALWAYS_INLINE void dyno_panel16_enter_group(dyno_panel16_blocks *at)
{
  size_t blocks = at->left < at->shape.group_blocks ? at->left : at->shape.group_blocks;
  at->line = at->quants + blocks * at->shape.block_bytes;
  at->in_group = 0;
}

DYNO_ALWAYS_INLINE dyno_panel16_blocks dyno_panel16_first_block(const dyno_panel16_tile *tile,
                                                                size_t tokens,
                                                                const dyno_panel16_shape shape)
{
  dyno_panel16_blocks at = {
      .left = tile->k / DYNO_PANEL16_BLOCK,
      .shape = shape,
      .quants = tile->panel,
      .scale_offset = dyno_a8_scales_offset(tile->k),
      .sum_offset = dyno_a8_sums_offset(tile->k),
  };
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    at.row[t] = tile->activation + t * tile->activation_stride;
  dyno_panel16_enter_group(&at);
  return at;
}

DYNO_ALWAYS_INLINE void dyno_panel16_next_block(dyno_panel16_blocks *at)
{
  at->left--;
  at->quants += at->shape.block_bytes;
  at->quants_offset += DYNO_A8_BLOCK;
  at->scale_offset += sizeof(float);
  at->sum_offset += sizeof(int32_t);
  if (++at->in_group == at->shape.group_blocks) {
    at->quants += DYNO_PANEL16_LINE;
    dyno_panel16_enter_group(at);
  }
}

/* Quants 4j to 4j + 3 of token t's block, to be broadcast. */
DYNO_ALWAYS_INLINE int32_t dyno_panel16_quants(const dyno_panel16_blocks *at, size_t t, size_t j)
{
  int32_t quants;
  memcpy(&quants, at->row[t] + at->quants_offset + 4 * j, sizeof quants);
  return quants;
}

DYNO_ALWAYS_INLINE int32_t dyno_panel16_sum(const dyno_panel16_blocks *at, size_t t)
{
  int32_t sum;
  memcpy(&sum, at->row[t] + at->sum_offset, sizeof sum);
  return sum;
}

DYNO_ALWAYS_INLINE float dyno_panel16_scale(const dyno_panel16_blocks *at, size_t t)
{
  float scale;
  memcpy(&scale, at->row[t] + at->scale_offset, sizeof scale);
  return scale;
}

/* A function that computes a tile of exactly `tokens` tokens. */
typedef struct dyno_panel16_step {
  size_t tokens;
  void (*run)(const dyno_panel16_tile *tile);
} dyno_panel16_step;

/* Runs rows [row0, row1) of a matmul over packed panels, cut into tiles. activation_stride: bytes
 * from one token to the next. steps: most tokens first; the last has one token and ends the
 * list. */
void dyno_panel16_matmul(const dyno_matmul_args *args, size_t row0, size_t row1, size_t panel_bytes,
                         size_t activation_stride, const dyno_panel16_step *steps);

/* The same for A8 activations and a block format. */
static inline void dyno_panel16_matmul_a8(const dyno_matmul_args *args, size_t row0, size_t row1,
                                          const dyno_panel16_shape *shape,
                                          const dyno_panel16_step *steps)
{
  dyno_panel16_matmul(args, row0, row1, dyno_panel16_bytes(shape, args->k),
                      dyno_a8_row_bytes(args->k), steps);
}

#endif
