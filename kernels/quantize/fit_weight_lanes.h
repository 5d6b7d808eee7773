/* fit_weight with a block in each lane of a vector. The includer has a tier's vocabulary:
 *
 *   enum { LANES }; lanes                      as many floats
 *   lanes_of(float), lanes_load, lanes_store   one in all; aligned memory
 *   lanes_add, _sub, _mul, _div, _round        rounded to nearest even
 *   lanes_min, _max                            the second where the first is NaN
 *   lanes_magnitude                            |x|
 *   lanes_if_greater(a, b, x, y)               a > b ? x : y
 *
 * Every operation is that of fit_weight__ref.c, in its order. */
#ifndef DYNO_KERNELS_QUANTIZE_FIT_WEIGHT_LANES_H
#define DYNO_KERNELS_QUANTIZE_FIT_WEIGHT_LANES_H

#include <float.h>
#include <stdalign.h>

#include "kernels/quantize/fit_weight.h"
#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize_weight.h"

#define BLOCK DYNO_QUANT_BLOCK

/* LANES blocks, element by element; what there are fewer of is zeros. */
typedef struct fit_tile {
  alignas(64) float values[BLOCK][LANES];
  alignas(64) float importance[BLOCK][LANES];
  alignas(64) float quants[BLOCK][LANES]; /* at last */
  alignas(64) float scales[LANES], offsets[LANES], inverses[LANES];
  uint8_t *blocks[LANES];
  size_t count;
} fit_tile;

DYNO_ALWAYS_INLINE lanes lanes_clamp(lanes x, float low, float high)
{
  return lanes_min(lanes_max(x, lanes_of(low)), lanes_of(high));
}

DYNO_ALWAYS_INLINE void lanes_reciprocal(float *to, const float *from)
{
  for (size_t l = 0; l < LANES; l++)
    to[l] = dyno_reciprocal(from[l]);
}

static void fit_search_q4_0(fit_tile *tile)
{
  static const float ratios[] = DYNO_FIT_Q4_0_RATIOS;
  alignas(64) float values[BLOCK][LANES];
  lanes largest = lanes_of(0);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes x = lanes_load(tile->values[i]);
    largest = lanes_if_greater(lanes_magnitude(x), lanes_magnitude(largest), x, largest);
  }
  lanes_store(tile->scales, largest);
  lanes_reciprocal(tile->inverses, tile->scales);
  lanes unit = lanes_load(tile->inverses);
  for (size_t i = 0; i < BLOCK; i++)
    lanes_store(values[i], lanes_mul(lanes_load(tile->values[i]), unit));
  lanes most = lanes_of(0), scale = lanes_of(1 / ratios[0]);
  for (size_t c = 0; c < sizeof ratios / sizeof *ratios; c++) {
    lanes with_values = lanes_of(0), with_quants = lanes_of(0);
    for (size_t i = 0; i < BLOCK; i++) {
      lanes x = lanes_load(values[i]);
      lanes q = lanes_clamp(lanes_round(lanes_mul(x, lanes_of(ratios[c]))), -8, 7);
      lanes weighted = lanes_mul(lanes_load(tile->importance[i]), q);
      with_values = lanes_add(with_values, lanes_mul(weighted, x));
      with_quants = lanes_add(with_quants, lanes_mul(weighted, q));
    }
    lanes gain = lanes_div(lanes_mul(with_values, with_values), with_quants);
    scale = lanes_if_greater(gain, most, lanes_div(with_values, with_quants), scale);
    most = lanes_if_greater(gain, most, gain, most);
  }
  lanes_store(tile->scales, lanes_mul(scale, largest));
}

static void fit_finish_q4_0(fit_tile *tile)
{
  for (size_t l = 0; l < tile->count; l++)
    tile->inverses[l] = dyno_reciprocal(dyno_store_scale(tile->blocks[l], tile->scales[l]));
  lanes inverse = lanes_load(tile->inverses);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes q = lanes_round(lanes_mul(lanes_load(tile->values[i]), inverse));
    lanes_store(tile->quants[i], lanes_add(lanes_clamp(q, -8, 7), lanes_of(8)));
  }
}

static void fit_search_q4_1(fit_tile *tile)
{
  static const float cuts[] = DYNO_FIT_Q4_1_CUTS;
  enum { CUTS = sizeof cuts / sizeof *cuts };
  alignas(64) float values[BLOCK][LANES];
  lanes low = lanes_of(INFINITY), high = lanes_of(-INFINITY);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes x = lanes_load(tile->values[i]);
    low = lanes_if_greater(low, x, x, low);
    high = lanes_if_greater(x, high, x, high);
  }
  lanes range = lanes_sub(high, low), total = lanes_of(0), total_x = lanes_of(0);
  lanes_store(tile->scales, range);
  lanes_reciprocal(tile->inverses, tile->scales);
  lanes unit = lanes_load(tile->inverses);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes x = lanes_mul(lanes_sub(lanes_load(tile->values[i]), low), unit);
    lanes importance = lanes_load(tile->importance[i]);
    lanes_store(values[i], x);
    total = lanes_add(total, importance);
    total_x = lanes_add(total_x, lanes_mul(importance, x));
  }
  lanes most = lanes_of(0), scale = lanes_of(1 / 15.0f), minimum = lanes_of(0);
  for (size_t c = 0; c < (size_t)CUTS * CUTS; c++) {
    float from = cuts[c / CUTS], steps = 15 / (1 - cuts[c % CUTS] - from);
    lanes total_q = lanes_of(0), with_quants = lanes_of(0), with_values = lanes_of(0);
    for (size_t i = 0; i < BLOCK; i++) {
      lanes x = lanes_load(values[i]);
      lanes q = lanes_round(lanes_mul(lanes_sub(x, lanes_of(from)), lanes_of(steps)));
      q = lanes_clamp(q, 0, 15);
      lanes weighted = lanes_mul(lanes_load(tile->importance[i]), q);
      total_q = lanes_add(total_q, weighted);
      with_quants = lanes_add(with_quants, lanes_mul(weighted, q));
      with_values = lanes_add(with_values, lanes_mul(weighted, x));
    }
    lanes mean_q = lanes_div(total_q, total);
    lanes covariance = lanes_sub(with_values, lanes_mul(mean_q, total_x));
    lanes variance = lanes_sub(with_quants, lanes_mul(mean_q, total_q));
    lanes gain = lanes_div(lanes_mul(covariance, covariance), variance);
    lanes least = lanes_mul(with_quants, lanes_of(DYNO_FIT_Q4_1_VARIANCE));
    gain = lanes_if_greater(variance, least, gain, lanes_of(0));
    lanes slope = lanes_div(covariance, variance);
    lanes base = lanes_div(lanes_sub(total_x, lanes_mul(slope, total_q)), total);
    scale = lanes_if_greater(gain, most, slope, scale);
    minimum = lanes_if_greater(gain, most, base, minimum);
    most = lanes_if_greater(gain, most, gain, most);
  }
  lanes_store(tile->scales, lanes_mul(scale, range));
  lanes_store(tile->offsets, lanes_add(lanes_mul(minimum, range), low));
}

static void fit_finish_q4_1(fit_tile *tile)
{
  for (size_t l = 0; l < tile->count; l++) {
    tile->inverses[l] = dyno_reciprocal(dyno_store_scale(tile->blocks[l], tile->scales[l]));
    tile->offsets[l] = dyno_store_scale(tile->blocks[l] + 2, tile->offsets[l]);
  }
  lanes inverse = lanes_load(tile->inverses), offset = lanes_load(tile->offsets);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes x = lanes_sub(lanes_load(tile->values[i]), offset);
    lanes_store(tile->quants[i], lanes_clamp(lanes_round(lanes_mul(x, inverse)), 0, 15));
  }
}

DYNO_ALWAYS_INLINE lanes lanes_nearest_code(lanes magnitude)
{
  lanes fine = lanes_round(lanes_mul(magnitude, lanes_of(2)));
  lanes middle = lanes_add(lanes_round(magnitude), lanes_of(2));
  lanes coarse = lanes_add(lanes_round(lanes_mul(magnitude, lanes_of(0.5f))), lanes_of(4));
  return lanes_min(lanes_min(fine, middle), lanes_min(coarse, lanes_of(7)));
}

DYNO_ALWAYS_INLINE lanes lanes_magnitude_of(lanes code)
{
  lanes middle = lanes_sub(code, lanes_of(2));
  lanes coarse = lanes_sub(lanes_mul(code, lanes_of(2)), lanes_of(8));
  return lanes_max(lanes_max(lanes_mul(code, lanes_of(0.5f)), middle), coarse);
}

/* Leaves the exponents, as biased, in scales. */
static void fit_search_mxfp4(fit_tile *tile)
{
  static const int steps[] = DYNO_FIT_MXFP4_STEPS;
  lanes largest = lanes_of(0);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes x = lanes_min(lanes_magnitude(lanes_load(tile->values[i])), lanes_of(FLT_MAX));
    largest = lanes_max(x, largest);
  }
  alignas(64) float usual[LANES];
  lanes_store(tile->scales, largest);
  for (size_t l = 0; l < LANES; l++) {
    int exponent = (int)(dyno_float_to_bits(tile->scales[l]) >> 23) - 129;
    usual[l] = (float)(exponent < -127 ? -127 : exponent);
    tile->inverses[l] = dyno_bits_to_float((uint32_t)(127 - (int)usual[l]) << 23);
  }
  lanes unit = lanes_load(tile->inverses), base = lanes_load(usual);
  lanes least = lanes_of(INFINITY), best = lanes_of(0);
  for (size_t c = 0; c < sizeof steps / sizeof *steps; c++) {
    lanes scale = lanes_of(ldexpf(1, steps[c])), inverse = lanes_of(ldexpf(1, -steps[c]));
    lanes error = lanes_of(0), step = lanes_of((float)steps[c]);
    for (size_t i = 0; i < BLOCK; i++) {
      lanes x = lanes_mul(lanes_magnitude(lanes_load(tile->values[i])), unit);
      lanes code = lanes_nearest_code(lanes_mul(x, inverse));
      lanes off = lanes_sub(x, lanes_mul(lanes_magnitude_of(code), scale));
      lanes squared = lanes_mul(lanes_mul(lanes_load(tile->importance[i]), off), off);
      error = lanes_add(error, squared);
    }
    lanes exponent = lanes_add(base, step), none = lanes_of(INFINITY);
    error = lanes_if_greater(exponent, lanes_of(125), none, error);
    error = lanes_if_greater(lanes_of(-127), exponent, none, error);
    best = lanes_if_greater(least, error, step, best);
    least = lanes_if_greater(least, error, error, least);
  }
  lanes_store(tile->scales, lanes_add(lanes_add(base, best), lanes_of(127)));
  lanes_store(tile->offsets, best);
}

static void fit_finish_mxfp4(fit_tile *tile)
{
  for (size_t l = 0; l < LANES; l++)
    tile->inverses[l] = ldexpf(tile->inverses[l], -(int)tile->offsets[l]);
  for (size_t l = 0; l < tile->count; l++)
    tile->blocks[l][0] = (uint8_t)tile->scales[l];
  lanes inverse = lanes_load(tile->inverses), zero = lanes_of(0);
  for (size_t i = 0; i < BLOCK; i++) {
    lanes x = lanes_load(tile->values[i]);
    lanes code = lanes_nearest_code(lanes_mul(lanes_magnitude(x), inverse));
    lanes negative = lanes_if_greater(code, zero, lanes_add(code, lanes_of(8)), code);
    lanes_store(tile->quants[i], lanes_if_greater(zero, x, negative, code));
  }
}

/* The blocks from `first` on, counted through the rows, as many as there are lanes. */
static void fit_gather(fit_tile *tile, const dyno_fit_weight_args *args, size_t first,
                       size_t block_bytes)
{
  size_t per_row = args->k / BLOCK;
  for (size_t l = 0; l < tile->count; l++) {
    const float *values = args->input + (first + l) * BLOCK;
    const float *importance = args->importance + (first + l) % per_row * BLOCK;
    tile->blocks[l] = (uint8_t *)args->output + (first + l) * block_bytes;
    for (size_t i = 0; i < BLOCK; i++) {
      tile->values[i][l] = values[i];
      tile->importance[i][l] = importance[i];
    }
  }
  for (size_t l = tile->count; l < LANES; l++)
    for (size_t i = 0; i < BLOCK; i++)
      tile->values[i][l] = tile->importance[i][l] = 0;
}

static void fit_store_nibbles(const fit_tile *tile, size_t nibbles_at)
{
  for (size_t l = 0; l < tile->count; l++)
    for (size_t i = 0; i < BLOCK / 2; i++)
      tile->blocks[l][nibbles_at + i] =
          (uint8_t)((unsigned)tile->quants[i][l] | (unsigned)tile->quants[i + BLOCK / 2][l] << 4);
}

DYNO_ALWAYS_INLINE void fit_blocks(const dyno_fit_weight_args *args, size_t row0, size_t row1,
                                   size_t block_bytes, void (*search)(fit_tile *),
                                   void (*finish)(fit_tile *))
{
  size_t per_row = args->k / BLOCK, end = row1 * per_row;
  fit_tile tile = {.count = 0};
  for (size_t first = row0 * per_row; first < end; first += LANES) {
    tile.count = end - first < LANES ? end - first : LANES;
    fit_gather(&tile, args, first, block_bytes);
    search(&tile);
    finish(&tile);
    fit_store_nibbles(&tile, block_bytes - BLOCK / 2);
  }
}

#define FIT_VARIANT(function, format, block_bytes)                                                 \
  void function(const dyno_fit_weight_args *args, size_t row0, size_t row1)                        \
  {                                                                                                \
    fit_blocks(args, row0, row1, block_bytes, fit_search_##format, fit_finish_##format);           \
  }

#endif
