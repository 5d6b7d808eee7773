/* Random blocks have the mean and the deviation that they should. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/synth/blocks.h"

static const dyno_dtype formats[] = {DYNO_F32,  DYNO_F16,  DYNO_BF16, DYNO_Q8_0,
                                     DYNO_Q4_0, DYNO_Q4_1, DYNO_Q5_0, DYNO_Q4_K,
                                     DYNO_Q5_K, DYNO_Q6_K, DYNO_MXFP4};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats, ROWS = 16, K = 1 << 14 };

/* 3 / sqrt(2880), 1 / sqrt(2880), 1 / 16 sqrt(4096) and others of models. */
static const double deviations[] = {1, 0.25, 0.0559, 0.02, 0.0186, 0.001165, 0.000977};
enum { DEVIATION_COUNT = sizeof deviations / sizeof *deviations };

static void draw(float *values, dyno_dtype dtype, double mean, double deviation, size_t rows)
{
  dyno_block_tables *tables = malloc(sizeof *tables);
  uint8_t *row = malloc(dyno_row_bytes(dtype, K));
  dyno_block_tables_init(tables, dtype, mean, deviation);
  for (size_t i = 0; i < rows; i++) {
    dyno_block_draw(row, tables, K, dyno_random_stream(42, i));
    dyno_row_to_float(values + i * K, row, dtype, K);
  }
  free(row);
  free(tables);
}

Test(synth_blocks, mean_and_deviation_are_those_that_were_asked_for)
{
  float *values = malloc((size_t)ROWS * K * sizeof *values);
  const double n = (double)ROWS * K;
  for (size_t i = 0; i < FORMAT_COUNT; i++) {
    for (size_t j = 0; j < DEVIATION_COUNT; j++) {
      draw(values, formats[i], 0, deviations[j], ROWS);
      double sum = 0, squares = 0, largest = 0;
      for (size_t t = 0; t < (size_t)ROWS * K; t++) {
        sum += (double)values[t];
        squares += (double)values[t] * (double)values[t];
        largest = fmax(largest, fabs((double)values[t]));
      }
      double deviation = sqrt(squares / n) / deviations[j], mean = sum / n / deviations[j];
      /* 2.6e5 elements: the mean's own deviation is 0.002. K formats have centers of their own. */
      cr_assert(fabs(mean) < 0.012, "%s, %g: mean %g deviations", dyno_dtype_name(formats[i]),
                deviations[j], mean);
      cr_assert(fabs(deviation - 1) < 0.03, "%s: deviation %g of %g", dyno_dtype_name(formats[i]),
                deviation, deviations[j]);
      cr_assert(largest > 2.2 * deviations[j] && largest < 6 * deviations[j],
                "%s, %g: the largest is %g", dyno_dtype_name(formats[i]), deviations[j], largest);
    }
  }
  free(values);
}

Test(synth_blocks, floats_of_every_width_hold_the_same_numbers)
{
  static const struct {
    double mean, deviation;
  } laws[] = {{0, 1}, {0, 0.25}, {0, 0.0186}, {0, 0.000977}, {0, 0.00125}, {1, 0.05}};
  float *f32 = malloc(K * sizeof *f32), *other = malloc(K * sizeof *other);
  for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
    draw(f32, DYNO_F32, laws[i].mean, laws[i].deviation, 1);
    draw(other, DYNO_F16, laws[i].mean, laws[i].deviation, 1);
    cr_assert(memcmp(f32, other, K * sizeof *f32) == 0, "f16, %g", laws[i].deviation);
    draw(other, DYNO_BF16, laws[i].mean, laws[i].deviation, 1);
    cr_assert(memcmp(f32, other, K * sizeof *f32) == 0, "bf16, %g", laws[i].deviation);
  }
  double sum = 0;
  for (size_t i = 0; i < K; i++)
    sum += (double)f32[i];
  cr_assert(fabs(sum / K - 1) < 0.005, "norms have mean %g", sum / K);
  free(f32);
  free(other);
}

/* Equal scales would hide a kernel that takes the scale of another block. */
Test(synth_blocks, scales_vary_from_block_to_block)
{
  for (size_t i = 0; i < FORMAT_COUNT; i++) {
    const dyno_dtype_info *info = dyno_dtype_get(formats[i]);
    if (info->block_elements == 1)
      continue;
    dyno_block_tables *tables = malloc(sizeof *tables);
    uint8_t *row = malloc(dyno_row_bytes(formats[i], K));
    dyno_block_tables_init(tables, formats[i], 0, 0.02);
    dyno_block_draw(row, tables, K, dyno_random_stream(1, 1));
    size_t offset = formats[i] == DYNO_Q6_K ? 208 : 0, different = 0;
    size_t width = formats[i] == DYNO_MXFP4 ? 1 : 2, blocks = K / info->block_elements;
    for (size_t b = 1; b < blocks; b++)
      different += memcmp(row + b * info->block_bytes + offset,
                          row + (b - 1) * info->block_bytes + offset, width) != 0;
    cr_assert(2 * different > blocks, "%s: %zu of %zu scales differ from the one before",
              info->name, different, blocks);
    free(row);
    free(tables);
  }
}

/* The table is a copy of erf's inverse. */
Test(synth_blocks, levels_are_the_quantiles_of_the_normal_distribution)
{
  enum { STEPS = DYNO_BLOCK_LEVELS };
  dyno_block_tables *tables = malloc(sizeof *tables);
  dyno_block_tables_init(tables, DYNO_F32, 0, 1);
  double squares = 0;
  for (size_t i = 0; i < STEPS; i++)
    squares += (double)tables->level.f32[i] * (double)tables->level.f32[i];
  cr_assert(fabs(squares / STEPS - 1) < 1e-3, "variance %g", squares / STEPS);
  for (size_t i = 0; i < STEPS; i++) {
    /* Levels are rounded to 1/64 at most, and stretched by 1.0025. */
    double share = 0.5 * erfc(-(double)tables->level.f32[i] / 1.0025 / sqrt(2));
    cr_assert(fabs(share - ((double)i + 0.5) / STEPS) < 0.005, "level %zu is quantile %g", i,
              share);
  }
  free(tables);
}

Test(synth_blocks, activations_cannot_be_drawn)
{
  for (dyno_dtype dtype = 0; dtype <= DYNO_DTYPE_COUNT; dtype++) {
    bool is_weight = false;
    for (size_t i = 0; i < FORMAT_COUNT; i++)
      is_weight = is_weight || formats[i] == dtype;
    cr_assert(dyno_block_drawable(dtype) == is_weight, "%s", dyno_dtype_name(dtype));
  }
}
