#include "kernels/matmul/panel16_a8.h"

#include <stdalign.h>

#include "kernels/matmul/matmul.h"

/* Panels that are multiplied with all tokens of a group before the next ones are looked at: they
 * should stay in a level-2 cache, beside a batch. */
enum { RESIDENT_BYTES = 512 * 1024 };

enum { BATCH_BYTES = DYNO_A8_BATCH_BLOCKS * DYNO_A8_BATCH_TOKENS * DYNO_A8_TOKEN_BYTES };

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* What is at hand: some rows of a group, some of its tokens, some of the blocks of both. */
typedef struct part {
  size_t row, row_end;
  size_t token, tokens;
  size_t block, blocks;
} part;

/* Where one token's part of a block goes; NULL quants stand for zeros. */
static void gather_block(uint8_t *batch, size_t t, size_t width, const int8_t *quants,
                         int32_t correction, float scale)
{
  uint8_t *to = batch + t * DYNO_A8_BLOCK;
  if (quants != NULL)
    memcpy(to, quants, DYNO_A8_BLOCK);
  else
    memset(to, 0, DYNO_A8_BLOCK);
  to = batch + width * DYNO_A8_BLOCK + t * sizeof correction;
  memcpy(to, &correction, sizeof correction);
  memcpy(to + width * sizeof correction, &scale, sizeof scale);
}

/* Puts one token's row into a batch of `width` tokens. Whether all of its scales are ordinary. */
static bool gather_token(uint8_t *batch, size_t t, size_t width, const char *row, size_t k,
                         const part *at, int offset)
{
  const int8_t *quants = dyno_a8_quants(row) + at->block * DYNO_A8_BLOCK;
  const float *scales = dyno_a8_scales(row, k) + at->block;
  const int32_t *sums = dyno_a8_sums(row, k) + at->block;
  bool ordinary = true;
  for (size_t b = 0; b < at->blocks; b++, batch += width * DYNO_A8_TOKEN_BYTES) {
    if (scales[b] == 0) {
      gather_block(batch, t, width, NULL, 0, 1.0f);
      continue;
    }
    gather_block(batch, t, width, quants + b * DYNO_A8_BLOCK, -offset * sums[b], scales[b]);
    ordinary &= dyno_a8_ordinary(scales[b]);
  }
  return ordinary;
}

static bool gather(uint8_t *batch, size_t width, const dyno_matmul_args *args, const part *at,
                   int offset)
{
  size_t row_bytes = dyno_a8_row_bytes(args->k);
  const char *rows = (const char *)args->activation + at->token * row_bytes;
  bool ordinary = true;
  for (size_t t = 0; t < at->tokens; t++)
    ordinary &= gather_token(batch, t, width, rows + t * row_bytes, args->k, at, offset);
  for (size_t t = at->tokens; t < width; t++)
    for (size_t b = 0; b < at->blocks; b++)
      gather_block(batch + b * width * DYNO_A8_TOKEN_BYTES, t, width, NULL, 0, 1.0f);
  return ordinary;
}

/* Some blocks of the rows at hand times a batch. */
static void multiply_blocks(const dyno_matmul_args *args, const dyno_matmul_walk *walk,
                            const dyno_a8_variant *variant, const dyno_a8_step *step,
                            const part *at)
{
  alignas(64) uint8_t batch[BATCH_BYTES];
  const dyno_panel16_shape *shape = &variant->shape;
  size_t panel_bytes = dyno_panel16_bytes(shape, args->k);
  size_t skipped = dyno_panel16_bytes(shape, at->block * DYNO_PANEL16_BLOCK);
  bool last = at->block + at->blocks == args->k / DYNO_PANEL16_BLOCK;
  dyno_a8_tile tile = {
      .output_stride = args->output_stride,
      .batch = batch,
      .tokens = at->tokens,
      .blocks = at->blocks,
      .continued = at->block > 0,
      .ordinary = gather(batch, step->tokens, args, at, variant->offset),
  };
  for (size_t row = at->row; row < at->row_end; row += DYNO_PANEL16_ROWS) {
    tile.output = args->output + at->token * args->output_stride + row;
    tile.panel = (const uint8_t *)walk->weight + row / DYNO_PANEL16_ROWS * panel_bytes + skipped;
    tile.bias = walk->bias == NULL || !last ? NULL : walk->bias + row;
    tile.rows = smaller(DYNO_PANEL16_ROWS, at->row_end - row);
    step->multiply(&tile);
  }
}

/* The step for the next of `tokens` tokens, when they are to be spread over as few tiles as they
 * need. */
static const dyno_a8_step *next_step(const dyno_a8_variant *variant, size_t tokens)
{
  size_t tiles = (tokens + variant->most_tokens - 1) / variant->most_tokens;
  const dyno_a8_step *step = variant->steps;
  while (step->tokens * tiles < tokens)
    step++;
  return step;
}

/* The rows at hand times all tokens of their group. */
static void multiply_rows(const dyno_matmul_args *args, const dyno_matmul_walk *walk,
                          const dyno_a8_variant *variant, part at)
{
  size_t blocks = args->k / DYNO_PANEL16_BLOCK;
  for (at.token = walk->token_begin; at.token < walk->token_end; at.token += at.tokens) {
    const dyno_a8_step *step = next_step(variant, walk->token_end - at.token);
    at.tokens = smaller(step->tokens, walk->token_end - at.token);
    at.block = 0;
    do {
      at.blocks = smaller(DYNO_A8_BATCH_BLOCKS, blocks - at.block);
      multiply_blocks(args, walk, variant, step, &at);
      at.block += at.blocks;
    } while (at.block < blocks);
  }
}

void dyno_panel16_a8_matmul(const dyno_matmul_args *args, size_t row0, size_t row1,
                            const dyno_a8_variant *variant)
{
  size_t panel_bytes = dyno_panel16_bytes(&variant->shape, args->k);
  size_t panels = panel_bytes == 0 ? 1 : RESIDENT_BYTES / panel_bytes;
  size_t resident_rows = DYNO_PANEL16_ROWS * (panels == 0 ? 1 : panels);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args))
    for (size_t row = walk.begin; row < walk.end; row += resident_rows)
      multiply_rows(args, &walk, variant,
                    (part){.row = row, .row_end = smaller(row + resident_rows, walk.end)});
}
