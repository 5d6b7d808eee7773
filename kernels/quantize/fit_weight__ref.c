/* The scales of least error, block by block. Sums go over a block in its order: the other tiers
 * have a block in each lane of a vector, and get the same bits. */
#include "kernels/quantize/fit_weight.h"

#include <float.h>

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize_weight.h"

#define BLOCK DYNO_QUANT_BLOCK

static void store_nibbles(uint8_t *bytes, const uint8_t quants[BLOCK])
{
  for (size_t i = 0; i < BLOCK / 2; i++)
    bytes[i] = (uint8_t)(quants[i] | quants[i + BLOCK / 2] << 4);
}

/* For given quants q the best scale is sum(w x q) / sum(w q q), and it takes sum(w x q)^2 /
 * sum(w q q) off the error of all zeros. */
static void fit_q4_0(uint8_t *block, const float *values, const float *importance)
{
  static const float ratios[] = DYNO_FIT_Q4_0_RATIOS;
  float largest = 0;
  for (size_t i = 0; i < BLOCK; i++)
    if (fabsf(values[i]) > fabsf(largest))
      largest = values[i];
  float unit = dyno_reciprocal(largest), most = 0, scale = 1 / ratios[0];
  for (size_t c = 0; c < sizeof ratios / sizeof *ratios; c++) {
    float with_values = 0, with_quants = 0;
    for (size_t i = 0; i < BLOCK; i++) {
      float x = values[i] * unit, q = dyno_clamp(rintf(x * ratios[c]), -8, 7);
      float weighted = importance[i] * q;
      with_values += weighted * x;
      with_quants += weighted * q;
    }
    float gain = with_values * with_values / with_quants;
    if (gain > most) {
      most = gain;
      scale = with_values / with_quants;
    }
  }
  float inverse = dyno_reciprocal(dyno_store_scale(block, scale * largest));
  uint8_t quants[BLOCK];
  for (size_t i = 0; i < BLOCK; i++)
    quants[i] = (uint8_t)(dyno_clamp(rintf(values[i] * inverse), -8, 7) + 8);
  store_nibbles(block + 2, quants);
}

/* Weighted least squares of x = d q + m: with the means taken off, d = sum(w x q) / sum(w q q). */
static void fit_q4_1(uint8_t *block, const float *values, const float *importance)
{
  static const float cuts[] = DYNO_FIT_Q4_1_CUTS;
  enum { CUTS = sizeof cuts / sizeof *cuts };
  float low = INFINITY, high = -INFINITY, total = 0, total_x = 0;
  for (size_t i = 0; i < BLOCK; i++) {
    if (values[i] < low)
      low = values[i];
    if (values[i] > high)
      high = values[i];
  }
  float range = high - low, unit = dyno_reciprocal(range);
  for (size_t i = 0; i < BLOCK; i++) {
    total += importance[i];
    total_x += importance[i] * ((values[i] - low) * unit);
  }
  float most = 0, scale = 1 / 15.0f, minimum = 0;
  for (size_t c = 0; c < (size_t)CUTS * CUTS; c++) {
    float from = cuts[c / CUTS], steps = 15 / (1 - cuts[c % CUTS] - from);
    float total_q = 0, with_quants = 0, with_values = 0;
    for (size_t i = 0; i < BLOCK; i++) {
      float x = (values[i] - low) * unit;
      float q = dyno_clamp(rintf((x - from) * steps), 0, 15);
      float weighted = importance[i] * q;
      total_q += weighted;
      with_quants += weighted * q;
      with_values += weighted * x;
    }
    float mean_q = total_q / total;
    float covariance = with_values - mean_q * total_x, variance = with_quants - mean_q * total_q;
    float gain = covariance * covariance / variance;
    if (variance > with_quants * DYNO_FIT_Q4_1_VARIANCE && gain > most) {
      most = gain;
      scale = covariance / variance;
      minimum = (total_x - scale * total_q) / total;
    }
  }
  float inverse = dyno_reciprocal(dyno_store_scale(block, scale * range));
  float stored = dyno_store_scale(block + 2, minimum * range + low);
  uint8_t quants[BLOCK];
  for (size_t i = 0; i < BLOCK; i++)
    quants[i] = (uint8_t)dyno_clamp(rintf((values[i] - stored) * inverse), 0, 15);
  store_nibbles(block + 4, quants);
}

/* Twice the nearest E2M1 magnitude is at code 0, 1, ... 7: 0, 1, 2, 3, 4, 6, 8, 12; its steps grow
 * at 2 and 4. Halves to the even code, as quantize_weight. */
static float nearest_code(float magnitude)
{
  float fine = rintf(magnitude * 2), middle = rintf(magnitude) + 2;
  float coarse = rintf(magnitude * 0.5f) + 4;
  return fminf(fminf(fine, middle), fminf(coarse, 7));
}

static float magnitude_of(float code)
{
  return fmaxf(fmaxf(code * 0.5f, code - 2), code * 2 - 8);
}

static void fit_mxfp4(uint8_t *block, const float *values, const float *importance)
{
  static const int steps[] = DYNO_FIT_MXFP4_STEPS;
  float largest = 0;
  for (size_t i = 0; i < BLOCK; i++)
    largest = fmaxf(largest, fminf(fabsf(values[i]), FLT_MAX));
  int usual = (int)(dyno_float_to_bits(largest) >> 23) - 129, best = 0;
  if (usual < -127)
    usual = -127;
  float unit = dyno_bits_to_float((uint32_t)(127 - usual) << 23), least = INFINITY;
  for (size_t c = 0; c < sizeof steps / sizeof *steps; c++) {
    float scale = ldexpf(1, steps[c]), inverse = ldexpf(1, -steps[c]), error = 0;
    /* 6 2^126 is beyond a float's range; below 2^-127 there is no scale. */
    if (usual + steps[c] > 125 || usual + steps[c] < -127)
      continue;
    for (size_t i = 0; i < BLOCK; i++) {
      float x = fabsf(values[i]) * unit;
      float off = x - magnitude_of(nearest_code(x * inverse)) * scale;
      error += importance[i] * off * off;
    }
    if (error < least) {
      least = error;
      best = steps[c];
    }
  }
  float inverse = ldexpf(unit, -best);
  uint8_t quants[BLOCK];
  for (size_t i = 0; i < BLOCK; i++) {
    uint8_t code = (uint8_t)nearest_code(fabsf(values[i]) * inverse);
    quants[i] = (uint8_t)(values[i] < 0 && code != 0 ? code | 8 : code);
  }
  block[0] = (uint8_t)(usual + best + 127);
  store_nibbles(block + 1, quants);
}

typedef void fit_function(uint8_t *block, const float *values, const float *importance);

static void fit(const dyno_fit_weight_args *args, size_t row0, size_t row1, dyno_dtype weight,
                fit_function *fit_block)
{
  size_t block_bytes = dyno_dtype_get(weight)->block_bytes;
  for (size_t i = row0; i < row1; i++) {
    const float *values = args->input + i * args->k;
    uint8_t *block = (uint8_t *)args->output + i * dyno_row_bytes(weight, args->k);
    for (size_t j = 0; j < args->k; j += BLOCK, block += block_bytes)
      fit_block(block, values + j, args->importance + j);
  }
}

#define REFERENCE(function, weight, fit_block)                                                     \
  void function(const dyno_fit_weight_args *args, size_t row0, size_t row1)                        \
  {                                                                                                \
    fit(args, row0, row1, weight, fit_block);                                                      \
  }

REFERENCE(dyno_fit_weight_q4_0__ref, DYNO_Q4_0, fit_q4_0)
REFERENCE(dyno_fit_weight_q4_1__ref, DYNO_Q4_1, fit_q4_1)
REFERENCE(dyno_fit_weight_mxfp4__ref, DYNO_MXFP4, fit_mxfp4)
