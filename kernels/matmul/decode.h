/* Decoding blocks to floats, fast. */
#ifndef DYNO_KERNELS_MATMUL_DECODE_H
#define DYNO_KERNELS_MATMUL_DECODE_H

#include <stddef.h>

#include "kernels/base/dtype.h"

/* As dyno_row_to_float, bit for bit, of a block format. */
void dyno_decode__avx2(float *values, const void *row, dyno_dtype format, size_t k);

#endif
