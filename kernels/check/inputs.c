#include "kernels/check/inputs.h"

#include <math.h>
#include <string.h>

#include "kernels/base/a8.h"

static const char *const names[DYNO_INPUT_COUNT] = {
    "normal",      "uniform", "zero",    "outlier", "denormal",
    "alternating", "halfway", "largest", "extreme", "special",
};

const char *dyno_input_name(dyno_input input)
{
  return (unsigned)input < DYNO_INPUT_COUNT ? names[input] : "?";
}

static float random_denormal(dyno_rng *rng)
{
  uint32_t bits = (uint32_t)dyno_rng_next(rng);
  return dyno_bits_to_float((bits & 0x80000000u) | (bits & 0x007fffffu));
}

/* A product of two is at most 2^80, and a sum of 2^40 of those still fits. */
static float random_extreme(dyno_rng *rng)
{
  return ldexpf(dyno_rng_uniform(rng), (int)dyno_rng_below(rng, 140) - 100);
}

static float random_special(dyno_rng *rng)
{
  switch (dyno_rng_below(rng, 24)) {
  case 0:
    return NAN;
  case 1:
    return INFINITY;
  case 2:
    return -INFINITY;
  default:
    return dyno_rng_normal(rng);
  }
}

/* Where rounding shows: by blocks of 32, halves of a step of which the largest has 127, or as near
 * to a half as float can be; or numbers whose bits beyond those of bf16 or f16 are one half. */
static float random_halfway(size_t index, float step, dyno_rng *rng)
{
  uint32_t bits = dyno_float_to_bits(dyno_rng_normal(rng));
  switch (index / 32 % 4) {
  case 0:
    return dyno_bits_to_float((bits & 0xffff0000u) | 0x8000u);
  case 1:
    return dyno_bits_to_float((bits & 0xffffe000u) | 0x1000u);
  default:
    return index % 32 == 0 ? 127 * step : ((float)dyno_rng_below(rng, 254) - 126.5f) * step;
  }
}

static float random_float(dyno_input input, dyno_rng *rng)
{
  switch (input) {
  case DYNO_INPUT_UNIFORM:
    return dyno_rng_uniform(rng);
  case DYNO_INPUT_ZERO:
    return 0;
  case DYNO_INPUT_DENORMAL:
    return random_denormal(rng);
  case DYNO_INPUT_LARGEST:
    return dyno_rng_below(rng, 2) != 0 ? 0x1.fffffep49f : -0x1.fffffep49f;
  case DYNO_INPUT_EXTREME:
    return random_extreme(rng);
  case DYNO_INPUT_SPECIAL:
    return random_special(rng);
  default:
    return dyno_rng_normal(rng);
  }
}

void dyno_fill_floats(float *values, size_t count, dyno_input input, dyno_input_part part,
                      dyno_rng *rng)
{
  if (input == DYNO_INPUT_ALTERNATING) {
    bool signs = part == DYNO_PART_ACTIVATION;
    float size = 0.5f + 0.5f * fabsf(dyno_rng_uniform(rng));
    for (size_t i = 0; i < count; i++)
      values[i] = signs && i % 2 != 0 ? -size : size;
    return;
  }
  float step = 0.01f + fabsf(dyno_rng_uniform(rng));
  for (size_t i = 0; i < count; i++)
    values[i] =
        input == DYNO_INPUT_HALFWAY ? random_halfway(i, step, rng) : random_float(input, rng);
  if (input == DYNO_INPUT_OUTLIER && count != 0)
    values[dyno_rng_below(rng, count)] *= 1000;
}

/* How to make the bits of a block valid: where its f16 scales are, or its E8M0 one. */
enum { NO_FIELD = 0xff };
typedef struct block_fields {
  unsigned char f16[2]; /* byte offsets; NO_FIELD where there is none */
  unsigned char e8m0;
  /* The bytes which, all zero, leave the float offset of each element; equal when there is no
   * such offset. */
  unsigned char quants_begin, quants_end;
} block_fields;

static const block_fields fields[DYNO_DTYPE_COUNT] = {
    [DYNO_Q8_0] = {{0, NO_FIELD}, NO_FIELD, 0, 0},   [DYNO_Q4_0] = {{0, NO_FIELD}, NO_FIELD, 0, 0},
    [DYNO_Q4_1] = {{0, 2}, NO_FIELD, 4, 20},         [DYNO_Q5_0] = {{0, NO_FIELD}, NO_FIELD, 0, 0},
    [DYNO_Q4_K] = {{0, 2}, NO_FIELD, 16, 144},       [DYNO_Q5_K] = {{0, 2}, NO_FIELD, 16, 176},
    [DYNO_Q6_K] = {{208, NO_FIELD}, NO_FIELD, 0, 0}, [DYNO_MXFP4] = {{NO_FIELD, NO_FIELD}, 0, 0, 0},
};

static uint16_t random_f16_scale(dyno_input input, dyno_rng *rng)
{
  uint16_t bits = (uint16_t)dyno_rng_next(rng);
  switch (input) {
  case DYNO_INPUT_ZERO:
    return 0;
  case DYNO_INPUT_DENORMAL:
    return bits & 0x83ff;
  case DYNO_INPUT_LARGEST:
    return (bits & 0x8000) | 0x7bff;
  case DYNO_INPUT_EXTREME: /* any finite number */
    return (bits & 0x7c00) == 0x7c00 ? bits & 0xbfff : bits;
  case DYNO_INPUT_SPECIAL:
    return bits % 8 == 0 ? 0x7c00 : bits % 8 == 1 ? 0x7e00 : 0x2400;
  case DYNO_INPUT_ALTERNATING:
    return 0x2400;        /* 2^-6 */
  case DYNO_INPUT_NORMAL: /* as in models: positive, 2^-8 to 2^-4 */
    return (uint16_t)(0x1c00 + (bits & 0x0fff));
  default: /* either sign, 2^-8 to 1 */
    return (uint16_t)((bits & 0x8000) | (0x1c00 + (bits & 0x1fff)));
  }
}

/* 0 and 1 are worth special care: 2^-127 and half of 2^-126 are denormal. 254 is the largest, but
 * times 6 it is no float any more. */
static uint8_t random_e8m0_scale(dyno_input input, dyno_rng *rng)
{
  switch (input) {
  case DYNO_INPUT_ZERO:
  case DYNO_INPUT_DENORMAL:
    return (uint8_t)dyno_rng_below(rng, 2);
  case DYNO_INPUT_LARGEST:
    return 127 + 50;
  case DYNO_INPUT_EXTREME:
    return (uint8_t)dyno_rng_below(rng, 127 + 50);
  case DYNO_INPUT_SPECIAL:
    return (uint8_t)(255 - dyno_rng_below(rng, 8));
  case DYNO_INPUT_ALTERNATING:
    return 121;
  default:
    return (uint8_t)(118 + dyno_rng_below(rng, 8));
  }
}

static void fill_bytes(unsigned char *bytes, size_t count, dyno_input input, dyno_rng *rng)
{
  /* Nibbles and bytes at both ends of their range: in two's complement, with an offset, and
   * (0x7, 0xf) of E2M1. */
  static const unsigned char extremes[8] = {0x00, 0xff, 0x80, 0x7f, 0x88, 0x77, 0xf0, 0x0f};
  for (size_t i = 0; i < count; i += 8) {
    uint64_t bits = dyno_rng_next(rng);
    for (size_t j = 0; j < 8 && i + j < count; j++) {
      unsigned char byte = (unsigned char)(bits >> 8 * j);
      bytes[i + j] = input == DYNO_INPUT_LARGEST       ? extremes[byte % 8]
                     : input == DYNO_INPUT_ALTERNATING ? 0x77
                     : input == DYNO_INPUT_ZERO        ? 0
                                                       : byte;
    }
  }
}

static void fill_blocks(unsigned char *row, const dyno_dtype_info *format,
                        const block_fields *field, size_t blocks, dyno_input input, dyno_rng *rng)
{
  for (size_t b = 0; b < blocks; b++, row += format->block_bytes) {
    fill_bytes(row, format->block_bytes, input, rng);
    for (size_t i = 0; i < 2; i++) {
      uint16_t scale = random_f16_scale(input, rng);
      if (field->f16[i] != NO_FIELD)
        memcpy(row + field->f16[i], &scale, sizeof scale);
    }
    if (field->e8m0 != NO_FIELD)
      row[field->e8m0] = random_e8m0_scale(input, rng);
  }
}

/* The nearest value of an element format to each float. F16 overflows where floats are large:
 * then the largest finite number stands in. */
static void store_floats(unsigned char *row, dyno_dtype dtype, const float *values, size_t k)
{
  if (dtype == DYNO_F32) {
    memcpy(row, values, k * sizeof *values);
    return;
  }
  for (size_t i = 0; i < k; i++) {
    uint16_t bits =
        dtype == DYNO_BF16 ? dyno_float_to_bf16(values[i]) : dyno_float_to_f16(values[i]);
    if (dtype == DYNO_F16 && isfinite(values[i]) && (bits & 0x7c00) == 0x7c00)
      bits = (bits & 0x8000) | 0x7bff;
    memcpy(row + 2 * i, &bits, sizeof bits);
  }
}

float dyno_random_scale(dyno_input input, dyno_rng *rng)
{
  switch (input) {
  case DYNO_INPUT_ALTERNATING:
    return 0.01f;
  case DYNO_INPUT_LARGEST:
    return 0x1p50f;
  default:
    return fabsf(random_float(input, rng)) / 127;
  }
}

static int8_t random_a8_quant(dyno_input input, size_t index, dyno_rng *rng)
{
  switch (input) {
  case DYNO_INPUT_ZERO:
    return 0;
  case DYNO_INPUT_ALTERNATING:
    return index % 2 != 0 ? -101 : 101;
  case DYNO_INPUT_LARGEST:
    return dyno_rng_below(rng, 4) != 0 ? 127 : -127;
  default:
    return (int8_t)((int)dyno_rng_below(rng, 255) - 127);
  }
}

void dyno_fill_rows(void *rows, dyno_dtype dtype, size_t n, size_t k, dyno_input input,
                    dyno_input_part part, dyno_rng *rng)
{
  const dyno_dtype_info *format = dyno_dtype_get(dtype);
  size_t row_bytes = dyno_row_bytes(dtype, k);
  unsigned char *row = rows;
  for (size_t i = 0; i < n; i++, row += row_bytes) {
    if (format->block_elements > 1) {
      fill_blocks(row, format, &fields[dtype], k / format->block_elements, input, rng);
      continue;
    }
    if (dtype == DYNO_I8) {
      for (size_t j = 0; j < k; j++)
        row[j] = (unsigned char)random_a8_quant(input, j, rng);
      continue;
    }
    for (size_t j = 0; j < k; j += 64) {
      float values[64];
      size_t count = k - j < 64 ? k - j : 64;
      dyno_fill_floats(values, count, input, part, rng);
      store_floats(row + j * format->block_bytes, dtype, values, count);
    }
  }
}

void dyno_fill_a8(void *rows, size_t m, size_t k, dyno_input input, dyno_rng *rng)
{
  for (size_t t = 0; t < m; t++) {
    unsigned char *row = (unsigned char *)rows + t * dyno_a8_row_bytes(k);
    int8_t *quants = (int8_t *)row;
    float *scales = (float *)(void *)(row + dyno_a8_scales_offset(k));
    int32_t *sums = (int32_t *)(void *)(row + dyno_a8_sums_offset(k));
    for (size_t b = 0; b < k / DYNO_A8_BLOCK; b++) {
      scales[b] = dyno_random_scale(input, rng);
      sums[b] = 0;
      for (size_t i = 0; i < DYNO_A8_BLOCK; i++) {
        int8_t quant = random_a8_quant(input, i, rng);
        quants[b * DYNO_A8_BLOCK + i] = quant;
        sums[b] += quant;
      }
    }
    if (input == DYNO_INPUT_OUTLIER && k != 0)
      scales[dyno_rng_below(rng, k / DYNO_A8_BLOCK)] *= 1000;
  }
}

void dyno_pad_a8(void *rows, size_t m, size_t k, unsigned char value)
{
  size_t blocks = k / DYNO_A8_BLOCK;
  for (size_t t = 0; t < m; t++) {
    unsigned char *row = (unsigned char *)rows + t * dyno_a8_row_bytes(k);
    size_t scales = dyno_a8_scales_offset(k), sums = dyno_a8_sums_offset(k);
    memset(row + k, value, scales - k);
    memset(row + scales + 4 * blocks, value, sums - scales - 4 * blocks);
    memset(row + sums + 4 * blocks, value, dyno_a8_row_bytes(k) - sums - 4 * blocks);
  }
}

void dyno_row_magnitude(float *values, const void *row, dyno_dtype dtype, size_t k)
{
  const dyno_dtype_info *format = dyno_dtype_get(dtype);
  const block_fields *field = &fields[dtype];
  dyno_row_to_float(values, row, dtype, k);
  for (size_t i = 0; i < k; i++)
    values[i] = fabsf(values[i]);
  if (field->quants_begin == field->quants_end)
    return;
  for (size_t j = 0; j < k; j += format->block_elements) {
    unsigned char block[256];
    float offset[DYNO_MAX_BLOCK_ELEMENTS];
    memcpy(block, (const unsigned char *)row + j / format->block_elements * format->block_bytes,
           format->block_bytes);
    memset(block + field->quants_begin, 0, (size_t)(field->quants_end - field->quants_begin));
    format->block_to_float(offset, block);
    for (size_t i = 0; i < format->block_elements; i++)
      values[j + i] += 2 * fabsf(offset[i]);
  }
}
