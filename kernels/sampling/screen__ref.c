#include <math.h>
#include <string.h>

#include "kernels/base/dtype.h"
#include "kernels/sampling/sampling.h"
#include "kernels/sampling/screen.h"

/* sum of u * quant over one row's half block. */
static int32_t dot(const uint8_t *half, const int8_t *quants)
{
  int32_t sum = 0;
  for (size_t j = 0; j < DYNO_SCREEN_HALF_COLUMNS / 2; j++) {
    uint8_t byte = half[j / 4 * DYNO_SCREEN_LINE + j % 4];
    sum += (byte & 15) * quants[j] + (byte >> 4) * quants[j + DYNO_SCREEN_HALF_COLUMNS / 2];
  }
  return sum;
}

typedef struct row_sums {
  float estimate, variance;
} row_sums;

static void add_block(row_sums *sums, const dyno_screen_args *args, const uint8_t *quants,
                      float step, size_t block)
{
  const int8_t *vector = args->quants + block * DYNO_SCREEN_COLUMNS;
  const float *scales = args->scales + 2 * block, *offsets = args->offsets + 2 * block;
  float first = (float)dot(quants, vector) - offsets[0];
  float second =
      (float)dot(quants + DYNO_SCREEN_HALF_BYTES, vector + DYNO_SCREEN_HALF_COLUMNS) - offsets[1];
  float both = fmaf(second, scales[1], first * scales[0]);
  sums->estimate = fmaf(both, step, sums->estimate);
  sums->variance = fmaf(step * step, args->energies[block], sums->variance);
}

static void screen_row(const dyno_screen_args *args, size_t row)
{
  size_t blocks = dyno_screen_blocks(args->k), in_panel = row % DYNO_SCREEN_ROWS;
  const uint8_t *at =
      (const uint8_t *)args->screen + row / DYNO_SCREEN_ROWS * dyno_screen_panel_bytes(args->k);
  row_sums sums = {0};
  for (size_t block = 0; block < blocks; block += DYNO_SCREEN_GROUP) {
    size_t count = blocks - block < DYNO_SCREEN_GROUP ? blocks - block : DYNO_SCREEN_GROUP;
    const uint8_t *line = at + count * 2 * DYNO_SCREEN_HALF_BYTES;
    for (size_t i = 0; i < count; i++) {
      uint16_t step = dyno_load_u16(line + 2 * (DYNO_SCREEN_ROWS * i + in_panel));
      add_block(&sums, args, at + i * 2 * DYNO_SCREEN_HALF_BYTES + 4 * in_panel,
                dyno_bf16_to_float(step), block + i);
    }
    at = line + DYNO_SCREEN_LINE;
  }
  float norm;
  memcpy(&norm, at + 4 * in_panel, sizeof norm);
  float bound = fmaf(sqrtf(sums.variance), args->spread, norm * args->margin);
  args->lower[row - args->first_row] = sums.estimate - bound;
  args->upper[row - args->first_row] = sums.estimate + bound;
}

void dyno_screen__ref(const dyno_screen_args *args, size_t row0, size_t row1)
{
  for (size_t row = row0; row < row1; row++)
    screen_row(args, row);
}
