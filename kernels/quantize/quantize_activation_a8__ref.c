#include <math.h>

#include "kernels/base/a8.h"
#include "kernels/quantize/quantize.h"

/* Quants and their sum, of one block and for a given scale. The clamp matters where the scale is
 * a denormal, which rounding may have made much smaller than max / 127. */
static int32_t quantize_block(int8_t *quants, const float *input, float scale)
{
  int32_t sum = 0;
  for (size_t i = 0; i < DYNO_A8_BLOCK; i++) {
    float quotient = scale == 0 ? 0 : input[i] / scale;
    quants[i] = (int8_t)rintf(fminf(fmaxf(quotient, -127), 127));
    sum += quants[i];
  }
  return sum;
}

void dyno_quantize_activation_a8__ref(const dyno_quantize_activation_args *args, size_t row0,
                                      size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *input = args->input + t * args->k;
    char *row = (char *)args->output + t * dyno_a8_row_bytes(args->k);
    int8_t *quants = (int8_t *)row;
    float *scales = (float *)(void *)(row + dyno_a8_scales_offset(args->k));
    int32_t *sums = (int32_t *)(void *)(row + dyno_a8_sums_offset(args->k));
    for (size_t b = args->column0 / DYNO_A8_BLOCK; b < args->column1 / DYNO_A8_BLOCK; b++) {
      float largest = 0;
      for (size_t i = 0; i < DYNO_A8_BLOCK; i++)
        largest = fmaxf(largest, fabsf(input[b * DYNO_A8_BLOCK + i]));
      scales[b] = largest / 127;
      sums[b] = quantize_block(quants + b * DYNO_A8_BLOCK, input + b * DYNO_A8_BLOCK, scales[b]);
    }
  }
}
