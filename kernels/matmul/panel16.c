#include "kernels/matmul/panel16.h"

#include "kernels/matmul/matmul.h"

/* Panels that are multiplied with all tokens of a group before the next ones are looked at: they
 * should stay in a level-2 cache, with room for the tokens. */
enum { RESIDENT_BYTES = 256 * 1024 };

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Rows [begin, end) of one group times all of its tokens. */
static void run_resident(const dyno_matmul_args *args, const dyno_matmul_walk *walk, size_t begin,
                         size_t end, size_t panel_bytes, size_t activation_stride,
                         const dyno_panel16_step *steps)
{
  const dyno_panel16_step *step = steps;
  for (size_t token = walk->token_begin; token < walk->token_end; token += step->tokens) {
    while (step->tokens > walk->token_end - token)
      step++;
    for (size_t row = begin; row < end; row += DYNO_PANEL16_ROWS) {
      const dyno_panel16_tile tile = {
          .output = args->output + token * args->output_stride + row,
          .output_stride = args->output_stride,
          .panel = (const uint8_t *)walk->weight + row / DYNO_PANEL16_ROWS * panel_bytes,
          .activation = (const uint8_t *)args->activation + token * activation_stride,
          .activation_stride = activation_stride,
          .bias = walk->bias == NULL ? NULL : walk->bias + row,
          .rows = smaller(DYNO_PANEL16_ROWS, end - row),
          .k = args->k,
      };
      step->run(&tile);
    }
  }
}

void dyno_panel16_matmul(const dyno_matmul_args *args, size_t row0, size_t row1, size_t panel_bytes,
                         size_t activation_stride, const dyno_panel16_step *steps)
{
  size_t panels = panel_bytes == 0 ? 1 : RESIDENT_BYTES / panel_bytes;
  size_t resident_rows = DYNO_PANEL16_ROWS * (panels == 0 ? 1 : panels);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args))
    for (size_t row = walk.begin; row < walk.end; row += resident_rows)
      run_resident(args, &walk, row, smaller(row + resident_rows, walk.end), panel_bytes,
                   activation_stride, steps);
}
