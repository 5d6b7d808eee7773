/* Random blocks of every weight format, drawn bit by bit: nothing is quantized, so that a model is
 * made as fast as it can be written.
 *
 * Every element takes one of the levels of a table that has the quantiles of the normal
 * distribution; scales vary from block to block, as they do in quantized files. F32, F16 and BF16
 * get the same values: all levels are small multiples of a power of two. */
#ifndef DYNO_RUNTIME_SYNTH_BLOCKS_H
#define DYNO_RUNTIME_SYNTH_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/dtype.h"
#include "runtime/synth/random.h"

enum {
  DYNO_BLOCK_LEVELS = 256, /* of an element that is drawn by itself */
  DYNO_BLOCK_PAIRS = 4096, /* of two nibbles that are drawn together */
  DYNO_BLOCK_SCALES = 64,
};

/* What blocks of a format and a standard deviation are drawn from. Only read once it is made. */
typedef struct dyno_block_tables {
  dyno_dtype dtype;
  union {
    float f32[DYNO_BLOCK_LEVELS];
    uint16_t half[DYNO_BLOCK_LEVELS]; /* F16, BF16 */
    uint8_t quant[DYNO_BLOCK_LEVELS]; /* a whole quant of 5, 6 or 8 bits */
    uint8_t pair[DYNO_BLOCK_PAIRS];   /* two quants of 4 bits */
  } level;
  union {
    uint8_t exponent[DYNO_BLOCK_SCALES]; /* MXFP4 */
    uint16_t f16[DYNO_BLOCK_SCALES];
  } scale;
  uint16_t minimum[DYNO_BLOCK_SCALES]; /* of the formats that have one, f16 */
} dyno_block_tables;

/* Whether there is a way to draw the format. */
bool dyno_block_drawable(dyno_dtype dtype);

/* Fills the tables for elements of the given mean and standard deviation (between 2^-14 and 8),
 * which come out right to about a hundredth. The mean is 0 but for F32, F16 and BF16, where it may
 * be 1; then the deviation is below 0.25. */
void dyno_block_tables_init(dyno_block_tables *tables, dyno_dtype dtype, double mean,
                            double deviation);

/* Draws k elements (whole blocks), dyno_row_bytes(dtype, k) bytes of any alignment. */
void dyno_block_draw(void *row, const dyno_block_tables *tables, size_t k, dyno_random random);

#endif
