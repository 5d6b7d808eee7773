/* An example of a dyno plug-in: one matmul variant in portable C.
 *
 * Four rows are multiplied at a time, so that four sums are in flight where the reference waits
 * for one. Build it with the Makefile beside it; try it with
 *
 *   dyno kernels check --plugin ./example.so --kernel=n4__example
 *   dyno kernels bench --plugin ./example.so --kernel=n4__example
 */
#include "kernels/kernel.h"
#include "kernels/matmul/walk.h"

enum { ROWS = 4 };

/* Each row's sum runs over k in ascending order, whatever rows it is computed with: the result of
 * a row must not depend on the range it is computed in. */
static void dot_rows(float *sums, const float *rows, const float *activation, size_t count,
                     size_t k)
{
  double sum[ROWS] = {0};
  for (size_t j = 0; j < k; j++)
    for (size_t r = 0; r < count; r++)
      sum[r] += (double)rows[r * k + j] * (double)activation[j];
  for (size_t r = 0; r < count; r++)
    sums[r] = (float)sum[r];
}

static void matmul(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  const float *activation = args->activation;
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args)) {
    const float *weight = walk.weight;
    for (size_t t = walk.token_begin; t < walk.token_end; t++) {
      float *output = args->output + t * args->output_stride;
      for (size_t i = walk.begin; i < walk.end; i += ROWS) {
        size_t count = walk.end - i < ROWS ? walk.end - i : ROWS;
        dot_rows(output + i, weight + i * args->k, activation + t * args->k, count, args->k);
        for (size_t r = 0; r < count && walk.bias != NULL; r++)
          output[i + r] += walk.bias[i + r];
      }
    }
  }
}

static const dyno_kernel kernels[] = {
    {
        .name = "matmul_f32_f32_n4__example",
        .op = DYNO_OP_MATMUL,
        .weight = DYNO_F32,
        .activation = DYNO_F32,
        .isa = DYNO_ISA_REF, /* runs anywhere */
        .tolerance = DYNO_TOLERANCE_F32,
        .run.matmul = matmul,
    },
};

const dyno_plugin_table dyno_plugin = {
    .abi = DYNO_KERNEL_ABI,
    .kernel_bytes = sizeof(dyno_kernel),
    .name = "example",
    .kernels = kernels,
    .count = sizeof kernels / sizeof *kernels,
};
