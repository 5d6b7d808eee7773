#include "kernels/matmul/panel16_decoded.h"

#include <stdalign.h>

#include "kernels/matmul/matmul.h"

/* Rows that are multiplied with some tokens before the next tokens are gathered: enough that
 * gathering costs little, few enough that the sums stay in a level-2 cache. */
enum { ROWS = 512 };

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* What is at hand: some rows of a group, some of its tokens, some of the blocks of both. */
typedef struct part {
  const dyno_matmul_args *args;
  const dyno_decoded_variant *variant;
  const dyno_decoded_way *way; /* of the variant's two */
  const uint8_t *weight;
  const float *bias; /* NULL: none, or not yet */
  size_t panel_bytes;
  size_t row, row_end;
  size_t token, tokens;
  size_t block, blocks;
} part;

/* The step for the next of `tokens` tokens. */
static const dyno_decoded_step *next_step(const dyno_decoded_way *way, size_t tokens)
{
  const dyno_decoded_step *step = way->steps;
  while (step->tokens > tokens)
    step++;
  return step;
}

/* The tiles follow each other, each taking what its tokens need. */
static void gather(uint8_t *batch, const part *at)
{
  size_t row_bytes = dyno_a8_row_bytes(at->args->k), tokens;
  const char *row = (const char *)at->args->activation + at->token * row_bytes;
  for (size_t token = 0; token < at->tokens; token += tokens) {
    tokens = next_step(at->way, at->tokens - token)->tokens;
    for (size_t t = 0; t < tokens; t++, row += row_bytes)
      at->way->gather(batch, t, tokens, row, at->args->k, at->block, at->blocks);
    batch += tokens * at->blocks * at->way->token_bytes;
  }
}

/* The stretch of the panel at `row`. */
static const uint8_t *stretch(const part *at, size_t row)
{
  return at->weight + row / DYNO_PANEL16_ROWS * at->panel_bytes +
         dyno_panel16_bytes(&at->variant->shape, at->block * DYNO_PANEL16_BLOCK);
}

/* Fetches the lines of the next panel's stretch into the level-2 cache, a share of them beside each
 * tile; beyond the last panel that is of no use, but does no harm. Decoding reads in bursts,
 * between which the hardware does not run ahead. */
static const uint8_t *fetch(const uint8_t *ahead, size_t bytes)
{
  for (size_t i = 0; i < bytes; i += DYNO_PANEL16_LINE)
    __builtin_prefetch(ahead + i, 0, 2);
  return ahead + bytes;
}

/* The panel at `row` times the batch. */
static void multiply_panel(const part *at, size_t row, const uint8_t *weights, const uint8_t *batch)
{
  const uint8_t *ahead = stretch(at, row + DYNO_PANEL16_ROWS);
  size_t stretch_lines =
      dyno_panel16_bytes(&at->variant->shape, at->blocks * DYNO_PANEL16_BLOCK) / DYNO_PANEL16_LINE;
  dyno_decoded_tile tile = {
      .output = at->args->output + at->token * at->args->output_stride + row,
      .output_stride = at->args->output_stride,
      .weights = weights,
      .batch = batch,
      .bias = at->bias == NULL ? NULL : at->bias + row,
      .rows = smaller(DYNO_PANEL16_ROWS, at->row_end - row),
      .blocks = at->blocks,
      .continued = at->block > 0,
  };
  for (size_t left = at->tokens; left > 0;) {
    size_t tokens = next_step(at->way, left)->tokens;
    if (at->way == &at->variant->many)
      ahead = fetch(ahead, (stretch_lines * tokens / at->tokens + 1) * DYNO_PANEL16_LINE);
    next_step(at->way, left)->multiply(&tile);
    tile.output += tokens * tile.output_stride;
    tile.batch += tokens * at->blocks * at->way->token_bytes;
    left -= tokens;
  }
}

/* The most blocks of a stretch: what fits, in whole groups. */
static size_t stretch_blocks(const part *at)
{
  size_t blocks = DYNO_DECODED_BATCH_BYTES / (at->tokens * at->way->token_bytes);
  if (at->way == &at->variant->many)
    blocks = smaller(blocks, DYNO_DECODED_BYTES / at->variant->decoded_bytes);
  return blocks / DYNO_PANEL16_MOST_GROUP * DYNO_PANEL16_MOST_GROUP;
}

/* Some rows times some tokens. */
static void multiply_rows(part at)
{
  alignas(64) uint8_t decoded[DYNO_DECODED_BYTES], batch[DYNO_DECODED_BATCH_BYTES];
  const float *bias = at.bias;
  size_t blocks = at.args->k / DYNO_PANEL16_BLOCK, most = stretch_blocks(&at);
  at.block = 0;
  do {
    at.blocks = smaller(most, blocks - at.block);
    at.bias = at.block + at.blocks == blocks ? bias : NULL;
    gather(batch, &at);
    for (size_t row = at.row; row < at.row_end; row += DYNO_PANEL16_ROWS) {
      const uint8_t *weights = stretch(&at, row);
      if (at.way == &at.variant->many) {
        at.variant->decode(decoded, weights, at.blocks);
        weights = decoded;
      }
      multiply_panel(&at, row, weights, batch);
    }
    at.block += at.blocks;
  } while (at.block < blocks);
}

/* Rows [begin, end) of a group times all of its tokens. */
static void multiply_group(const dyno_matmul_args *args, const dyno_matmul_walk *walk,
                           const dyno_decoded_variant *variant)
{
  size_t tokens = walk->token_end - walk->token_begin;
  part at = {
      .args = args,
      .variant = variant,
      .way = tokens < variant->many_tokens ? &variant->few : &variant->many,
      .weight = walk->weight,
      .bias = walk->bias,
      .panel_bytes = dyno_panel16_bytes(&variant->shape, args->k),
  };
  for (at.row = walk->begin; at.row < walk->end; at.row = at.row_end) {
    at.row_end = smaller(at.row + ROWS, walk->end);
    for (at.token = walk->token_begin; at.token < walk->token_end; at.token += at.tokens) {
      at.tokens = smaller(DYNO_DECODED_TOKENS, walk->token_end - at.token);
      multiply_rows(at);
    }
  }
}

void dyno_panel16_decoded_matmul(const dyno_matmul_args *args, size_t row0, size_t row1,
                                 const dyno_decoded_variant *variant)
{
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args))
    multiply_group(args, &walk, variant);
}
