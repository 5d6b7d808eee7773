/* Weights in plain rows times float activations, a vector lane for every so many columns: the walk
 * that the SIMD variants share. */
#ifndef DYNO_KERNELS_MATMUL_ROWS_H
#define DYNO_KERNELS_MATMUL_ROWS_H

#include "kernels/kernel.h"

/* A few rows times a few tokens. */
typedef struct dyno_rows_tile {
  float *output; /* of the first token, at the first row */
  size_t output_stride;
  dyno_dtype format;     /* of the rows */
  const uint8_t *weight; /* the first row */
  size_t row_bytes;
  const float *activation; /* the first token's, [k] */
  const float *bias;       /* at the first row; NULL when there is none */
  size_t k;
} dyno_rows_tile;

/* A function that computes tiles of exactly these sizes. */
typedef struct dyno_rows_step {
  size_t tokens, rows;
  void (*run)(const dyno_rows_tile *tile);
} dyno_rows_step;

/* Runs rows [row0, row1) of a matmul over plain rows, cut into tiles. steps: most tokens first,
 * among equals most rows first; for every number of tokens one with a single row; the last has
 * one of each and ends the list. */
void dyno_rows_matmul(const dyno_matmul_args *args, size_t row0, size_t row1, dyno_dtype format,
                      const dyno_rows_step *steps);

#endif
