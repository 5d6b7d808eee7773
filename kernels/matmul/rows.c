#include "kernels/matmul/rows.h"

#include "kernels/matmul/matmul.h"

/* Rows that are multiplied with all tokens of a group before the next ones are looked at: they
 * should stay in a level-2 cache, with room for the tokens. */
enum { RESIDENT_BYTES = 256 * 1024 };

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Rows [begin, end) of one group times all of its tokens. */
static void run_resident(const dyno_matmul_args *args, const dyno_matmul_walk *walk, size_t begin,
                         size_t end, dyno_dtype format, const dyno_rows_step *steps)
{
  size_t row_bytes = dyno_row_bytes(format, args->k);
  for (size_t token = walk->token_begin; token < walk->token_end; token += steps->tokens) {
    while (steps->tokens > walk->token_end - token)
      steps++;
    const dyno_rows_step *step = steps;
    for (size_t row = begin; row < end; row += step->rows) {
      while (step->rows > end - row)
        step++;
      const dyno_rows_tile tile = {
          .output = args->output + token * args->output_stride + row,
          .output_stride = args->output_stride,
          .format = format,
          .weight = (const uint8_t *)walk->weight + row * row_bytes,
          .row_bytes = row_bytes,
          .activation = (const float *)args->activation + token * args->k,
          .bias = walk->bias == NULL ? NULL : walk->bias + row,
          .k = args->k,
      };
      step->run(&tile);
    }
  }
}

void dyno_rows_matmul(const dyno_matmul_args *args, size_t row0, size_t row1, dyno_dtype format,
                      const dyno_rows_step *steps)
{
  size_t row_bytes = dyno_row_bytes(format, args->k);
  size_t tiles = RESIDENT_BYTES / (row_bytes * steps->rows + 1);
  size_t resident_rows = steps->rows * (tiles == 0 ? 1 : tiles);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args))
    for (size_t row = walk.begin; row < walk.end; row += resident_rows)
      run_resident(args, &walk, row, smaller(row + resident_rows, walk.end), format, steps);
}
