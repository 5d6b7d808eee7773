/* What every matmul needs: the walk through groups of rows, and the order of the sums. Installed,
 * for plug-ins. */
#ifndef DYNO_KERNELS_MATMUL_WALK_H
#define DYNO_KERNELS_MATMUL_WALK_H

#include "kernels/kernel.h"

/* A walk over rows [row0, row1) of a problem, group by group. Each step gives the rows
 * [begin, end) of one group's matrix and the tokens [token_begin, token_end) they are multiplied
 * with; groups without tokens are passed over, because they have no output.
 *
 *   dyno_matmul_walk walk = {.row = row0, .row_end = row1};
 *   while (dyno_matmul_next(&walk, args))
 *     for (size_t i = walk.begin; i < walk.end; i++) ...
 */
typedef struct dyno_matmul_walk {
  size_t row, row_end; /* what is left, numbered through the groups */
  size_t group;
  size_t begin, end;
  size_t token_begin, token_end;
  const void *weight; /* of the group: its row 0 */
  const float *bias;  /* of the group: its element 0; NULL when there is none */
} dyno_matmul_walk;

static inline bool dyno_matmul_next(dyno_matmul_walk *walk, const dyno_matmul_args *args)
{
  while (walk->row < walk->row_end) {
    walk->group = walk->row / args->n;
    walk->begin = walk->row % args->n;
    size_t rows_left = walk->row_end - walk->row, group_left = args->n - walk->begin;
    size_t rows = rows_left < group_left ? rows_left : group_left;
    walk->end = walk->begin + rows;
    walk->row += rows;
    walk->token_begin = args->group_begin[walk->group];
    walk->token_end = args->group_begin[walk->group + 1];
    walk->weight = args->weight[walk->group];
    walk->bias = args->bias == NULL ? NULL : args->bias[walk->group];
    if (walk->token_begin < walk->token_end)
      return true;
  }
  return false;
}

/* The numerics of weights in blocks of 32 times A8 activations, on which all tiers agree to the
 * bit. One output is one accumulator that starts from +0 and takes the blocks in ascending
 * order, each in these float operations:
 *
 *   sum = fma((float)products, weight_scale * activation_scale, sum)
 *   sum = fma((float)activation_sum, weight_minimum * activation_scale, sum)    Q4_1 only
 *
 * products is the exact int32 sum over the block of weight_quant * activation_quant. The quants
 * and scales of Q8_0, Q4_0 and Q4_1 are q (Q4_0: q - 8) and d, the minimum is m; those of MXFP4
 * are dyno_e2m1_doubled and 0.5 * 2^(e - 127). At the end the bias is added, if there is one.
 * Denormals are kept. */
#define DYNO_MATMUL_A8_NUMERICS "a8_block32_fma"

#endif
