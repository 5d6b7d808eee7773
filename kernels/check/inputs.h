/* Operands to check kernels with: what models hold, and what breaks kernels. */
#ifndef DYNO_KERNELS_CHECK_INPUTS_H
#define DYNO_KERNELS_CHECK_INPUTS_H

#include <stddef.h>

#include "kernels/base/dtype.h"
#include "kernels/check/rng.h"

typedef enum dyno_input {
  DYNO_INPUT_NORMAL,
  DYNO_INPUT_UNIFORM,
  DYNO_INPUT_ZERO,        /* scales too */
  DYNO_INPUT_OUTLIER,     /* normal, and one element a thousand times larger */
  DYNO_INPUT_DENORMAL,    /* floats and scales below the smallest normal number */
  DYNO_INPUT_ALTERNATING, /* sums that cancel, and ties */
  DYNO_INPUT_HALFWAY,     /* halfway between two quants, or two numbers of a shorter format */
  DYNO_INPUT_LARGEST,     /* quants at their extremes, large floats; sums do not overflow */
  DYNO_INPUT_EXTREME,     /* exponents all over the range in which sums do not overflow */
  DYNO_INPUT_SPECIAL,     /* NaNs and infinities here and there */
  DYNO_INPUT_COUNT
} dyno_input;

/* "normal"; "?" when out of range. */
const char *dyno_input_name(dyno_input input);

/* Whether two operands play different parts in a sum of products: with ALTERNATING one of them
 * must not change sign, or the signs would cancel instead of the sums. */
typedef enum dyno_input_part {
  DYNO_PART_ACTIVATION,
  DYNO_PART_WEIGHT,
} dyno_input_part;

void dyno_fill_floats(float *values, size_t count, dyno_input input, dyno_input_part part,
                      dyno_rng *rng);

/* The scale of quants of up to 127: never negative, because scales are maxima. */
float dyno_random_scale(dyno_input input, dyno_rng *rng);

/* Fills n rows of k elements of a weight or KV format with random bits that are valid: no scale
 * is infinite or NaN, except with SPECIAL. */
void dyno_fill_rows(void *rows, dyno_dtype dtype, size_t n, size_t k, dyno_input input,
                    dyno_input_part part, dyno_rng *rng);

/* Fills m rows of A8 activations (a8.h), but for the padding. */
void dyno_fill_a8(void *rows, size_t m, size_t k, dyno_input input, dyno_rng *rng);

/* Fills the padding of m rows of A8 activations. */
void dyno_pad_a8(void *rows, size_t m, size_t k, unsigned char value);

/* Writes the absolute values of a row, or what a kernel may sum instead: where a format has an
 * offset in float (Q4_1, Q4_K, Q5_K), a kernel may sum quants and offsets apart, so the parts
 * count, not their difference. */
void dyno_row_magnitude(float *values, const void *row, dyno_dtype dtype, size_t k);

#endif
