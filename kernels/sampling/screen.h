/* Screens: a rough copy of the rows of a large matrix, in 4 bits, that tells for a vector which
 * rows can have the largest products with it. The others need not be read.
 *
 * A screen stands beside the matrix W [n][k], whatever the format of that. In blocks of 64 columns
 * each row has a step D, a bfloat16 of at least max |w| / 7.5, and for every element
 *
 *   u = floor(w / D + 7.5 + d[j]),  0 <= u <= 15,    so that    w = D (u - 7 - d[j] + e)
 *
 * with |e| <= 1/2. The dither d[j], from 0 to 1, is one random number per column, drawn once for
 * all rows: subtractive dither (Schuchman 1964, "Dither signals and their effect on quantization
 * noise"), which makes the errors e of a row independent and uniform whatever the weights are. As
 * all rows share it, what it adds to a product depends on the vector only, and costs nothing.
 *
 * What is promised. For a row i and a vector x of rounded activations the estimate errs by
 * sum over j of D e[j] x[j], which is strictly sub-Gaussian (as sums of uniform numbers are) with
 * variance
 *
 *   s[i]^2 = 1/12 sum over j of D^2 x[j]^2
 *
 * so that P(error > c s[i]) <= exp(-c^2 / 2) (Hoeffding 1963; Boucheron, Lugosi and Massart 2013,
 * "Concentration Inequalities", 2.3). s[i] is computed exactly, per row. c is
 * DYNO_SCREEN_DEVIATIONS: of the 201,088 rows of gpt-oss, any one is outside of its bounds with a
 * probability below 6e-13 per token and side. The probability is that over the draw of the dither.
 * It holds for all weights and vectors that were not made with knowledge of it; the dither is a
 * fixed pseudo-random sequence, and nothing that a model computes depends on it, since results are
 * taken from W alone. Two more terms are added to c s[i], and these hold always:
 *
 *   - the vector was rounded to A8, and the kernel of W takes it as it is:
 *     |w[i]| |x - rounded x|, by Cauchy and Schwarz
 *   - rounding in the kernel of W and in this one: gamma(k) |w[i]| |x| (Higham 2002), and what its
 *     tolerance class allows
 *
 * In memory a screen is panels of 16 rows, the last one filled up with zeros. A panel of
 * ceil(k / 64) blocks is groups of two blocks, then a line of 64 bytes with the 16 upper bounds of
 * |w[i]|, as floats. A group is 512 bytes for each of its blocks (the last group may have only
 * one) and a line of 64 bytes whose halfword 16 b + r is the step of block b in row r. The 512
 * bytes are two halves of 32 columns, each like a block of Q4_0 in 16 rows: dword r of vector j is
 * bytes 4 j to 4 j + 3 of row r, whose low nibbles are columns 4 j to 4 j + 3 and whose high ones
 * are 16 columns further. */
#ifndef DYNO_KERNELS_SAMPLING_SCREEN_H
#define DYNO_KERNELS_SAMPLING_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"

/* The name of this form, with its version: for files. */
#define DYNO_SCREEN_FORMAT "screen4_v1"

enum {
  DYNO_SCREEN_ROWS = 16,
  DYNO_SCREEN_LINE = 64,         /* bytes */
  DYNO_SCREEN_COLUMNS = 64,      /* of a block */
  DYNO_SCREEN_HALF_COLUMNS = 32, /* of a half, which is a block of A8 */
  DYNO_SCREEN_HALF_BYTES = 256,
  DYNO_SCREEN_GROUP = 2, /* blocks */
  DYNO_SCREEN_DEVIATIONS = 9,
};

static inline size_t dyno_screen_blocks(size_t k)
{
  return (k + DYNO_SCREEN_COLUMNS - 1) / DYNO_SCREEN_COLUMNS;
}

static inline size_t dyno_screen_panel_bytes(size_t k)
{
  size_t blocks = dyno_screen_blocks(k);
  size_t lines = (blocks + DYNO_SCREEN_GROUP - 1) / DYNO_SCREEN_GROUP + 1;
  return blocks * 2 * DYNO_SCREEN_HALF_BYTES + lines * DYNO_SCREEN_LINE;
}

/* Bytes of a screen of n rows and k columns, k a multiple of 32: a multiple of 64. */
static inline size_t dyno_screen_bytes(size_t n, size_t k)
{
  return (n + DYNO_SCREEN_ROWS - 1) / DYNO_SCREEN_ROWS * dyno_screen_panel_bytes(k);
}

/* Writes the dither of k columns. */
void dyno_screen_dither(float *dither, size_t k);

/* Makes one panel, aligned to 64, of the given rows (1 to 16) [rows][k]. dither as from
 * dyno_screen_dither. Infinite and NaN weights give bounds that are NaN. */
void dyno_screen_pack(void *panel, const float *values, size_t rows, size_t k, const float *dither);

/* A vector, prepared for dyno_screen_args. */
typedef struct dyno_screen_query {
  int8_t *quants;
  float *scales, *offsets, *energies;
  float spread, margin;
} dyno_screen_query;

/* Bytes for a query of k columns. */
size_t dyno_screen_query_bytes(size_t k);

/* Makes a query, in memory of dyno_screen_query_bytes(k) bytes that is aligned to 64, for products
 * that a kernel of that tolerance makes of W and either the A8 row (values NULL) or the values [k]
 * that it was rounded from. False when nothing can be promised for this vector: it is not finite,
 * or its size is beyond all measure. dither as from dyno_screen_dither. */
bool dyno_screen_query_make(dyno_screen_query *query, void *memory, const void *a8_row,
                            const float *values, size_t k, dyno_tolerance tolerance,
                            const float *dither);

#endif
