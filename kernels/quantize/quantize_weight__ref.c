/* Weights to every format that dyno writes. The rules of the block formats are ggml's
 * (ggml-quants.c, quantize_row_*_ref), so that the bytes are those of a GGUF file made by
 * llama.cpp, except where a comment says otherwise. */
#include <float.h>
#include <math.h>

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/quantize_weight.h"

#define BLOCK DYNO_QUANT_BLOCK

/* Of the 32 elements: byte i holds number i low and number i + 16 high. */
static void store_nibbles(uint8_t *bytes, const uint8_t quants[BLOCK])
{
  for (size_t i = 0; i < BLOCK / 2; i++)
    bytes[i] = (uint8_t)(quants[i] | quants[i + BLOCK / 2] << 4);
}

static void quantize_f16(uint8_t *block, const float *values)
{
  dyno_store_u16(block, dyno_float_to_f16(values[0]));
}

static void quantize_bf16(uint8_t *block, const float *values)
{
  dyno_store_u16(block, dyno_float_to_bf16(values[0]));
}

/* d = max |x| / 127; q = x / d, halves away from zero. */
static void quantize_q8_0(uint8_t *block, const float *values)
{
  float largest = 0;
  for (size_t i = 0; i < BLOCK; i++)
    largest = fmaxf(largest, fabsf(values[i]));
  float d = fminf(largest / 127, DYNO_F16_MAX);
  float inverse = dyno_reciprocal(d);
  dyno_store_u16(block, dyno_float_to_f16(d));
  for (size_t i = 0; i < BLOCK; i++)
    block[2 + i] = (uint8_t)(int8_t)roundf(dyno_clamp(values[i] * inverse, -127, 127));
}

/* The value of the largest magnitude becomes exactly q = 0, that is -8: d = value / -8. */
static void quantize_q4_0(uint8_t *block, const float *values)
{
  float largest = 0;
  for (size_t i = 0; i < BLOCK; i++) {
    if (fabsf(values[i]) > fabsf(largest))
      largest = values[i];
  }
  float d = dyno_clamp(largest / -8, -DYNO_F16_MAX, DYNO_F16_MAX);
  float inverse = dyno_reciprocal(d);
  uint8_t quants[BLOCK];
  for (size_t i = 0; i < BLOCK; i++)
    quants[i] = (uint8_t)dyno_clamp(values[i] * inverse + 8.5f, 0, 15);
  dyno_store_u16(block, dyno_float_to_f16(d));
  store_nibbles(block + 2, quants);
}

/* m = min x, d = (max x - min x) / 15. */
static void quantize_q4_1(uint8_t *block, const float *values)
{
  float low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < BLOCK; i++) {
    if (values[i] < low)
      low = values[i];
    if (values[i] > high)
      high = values[i];
  }
  low = dyno_clamp(low, -DYNO_F16_MAX, DYNO_F16_MAX);
  float d = dyno_clamp((high - low) / 15, 0, DYNO_F16_MAX);
  float inverse = dyno_reciprocal(d);
  uint8_t quants[BLOCK];
  for (size_t i = 0; i < BLOCK; i++)
    quants[i] = (uint8_t)dyno_clamp((values[i] - low) * inverse + 0.5f, 0, 15);
  dyno_store_u16(block, dyno_float_to_f16(d));
  dyno_store_u16(block + 2, dyno_float_to_f16(low));
  store_nibbles(block + 4, quants);
}

/* The nearest E2M1 code, halves to the even code, beyond 6 cut off. Zero has no sign. */
static uint8_t nearest_e2m1(float value)
{
  static const float halfway[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
  float magnitude = fabsf(value);
  unsigned code = 0;
  for (unsigned i = 0; i < 7; i++)
    code += magnitude > halfway[i] || (magnitude == halfway[i] && i % 2 == 1);
  return (uint8_t)(value < 0 && code != 0 ? code | 8 : code);
}

/* OCP Microscaling Formats 1.0, section 6.3: the scale is the largest power of two that is not
 * above max |x|, over the largest power of two of E2M1, 4; then each element is rounded to
 * nearest even and cut off. ggml has the same scale but rounds halves towards zero. */
static void quantize_mxfp4(uint8_t *block, const float *values)
{
  float largest = 0;
  for (size_t i = 0; i < BLOCK; i++)
    largest = fmaxf(largest, fminf(fabsf(values[i]), FLT_MAX));
  int exponent = largest == 0 ? -127 : ilogbf(largest) - 2;
  if (exponent < -127)
    exponent = -127;
  uint8_t quants[BLOCK];
  for (size_t i = 0; i < BLOCK; i++)
    quants[i] = nearest_e2m1(ldexpf(values[i], -exponent));
  block[0] = (uint8_t)(exponent + 127);
  store_nibbles(block + 1, quants);
}

typedef void quantize_function(uint8_t *block, const float *values);

static void quantize(const dyno_quantize_weight_args *args, size_t row0, size_t row1,
                     dyno_dtype weight, quantize_function *quantize_block)
{
  const dyno_dtype_info *format = dyno_dtype_get(weight);
  for (size_t i = row0; i < row1; i++) {
    const float *values = args->input + i * args->k;
    uint8_t *block = (uint8_t *)args->output + i * dyno_row_bytes(weight, args->k);
    for (size_t j = 0; j < args->k; j += format->block_elements, block += format->block_bytes)
      quantize_block(block, values + j);
  }
}

#define REFERENCE(function, weight, quantize_block)                                                \
  void function(const dyno_quantize_weight_args *args, size_t row0, size_t row1)                   \
  {                                                                                                \
    quantize(args, row0, row1, weight, quantize_block);                                            \
  }

REFERENCE(dyno_quantize_weight_f16__ref, DYNO_F16, quantize_f16)
REFERENCE(dyno_quantize_weight_bf16__ref, DYNO_BF16, quantize_bf16)
REFERENCE(dyno_quantize_weight_q8_0__ref, DYNO_Q8_0, quantize_q8_0)
REFERENCE(dyno_quantize_weight_q4_0__ref, DYNO_Q4_0, quantize_q4_0)
REFERENCE(dyno_quantize_weight_q4_1__ref, DYNO_Q4_1, quantize_q4_1)
REFERENCE(dyno_quantize_weight_mxfp4__ref, DYNO_MXFP4, quantize_mxfp4)
