/* Blocks of 32 quantized weights times A8 activations: the numerics DYNO_MATMUL_A8_NUMERICS, as
 * matmul.h defines them, operation by operation. */
#include "kernels/matmul/matmul.h"

#include "kernels/base/a8.h"

/* A block of weights as integers: value[i] = scale * quants[i] + minimum. */
typedef struct weight_block {
  int quants[DYNO_A8_BLOCK];
  float scale, minimum;
} weight_block;

static void unpack_q8_0(weight_block *block, const uint8_t *bytes)
{
  block->scale = dyno_f16_to_float(dyno_load_u16(bytes));
  for (size_t i = 0; i < 32; i++)
    block->quants[i] = (int8_t)bytes[2 + i];
}

static void unpack_q4_0(weight_block *block, const uint8_t *bytes)
{
  block->scale = dyno_f16_to_float(dyno_load_u16(bytes));
  for (size_t i = 0; i < 16; i++) {
    block->quants[i] = (bytes[2 + i] & 15) - 8;
    block->quants[i + 16] = (bytes[2 + i] >> 4) - 8;
  }
}

static void unpack_q4_1(weight_block *block, const uint8_t *bytes)
{
  block->scale = dyno_f16_to_float(dyno_load_u16(bytes));
  block->minimum = dyno_f16_to_float(dyno_load_u16(bytes + 2));
  for (size_t i = 0; i < 16; i++) {
    block->quants[i] = bytes[4 + i] & 15;
    block->quants[i + 16] = bytes[4 + i] >> 4;
  }
}

/* The quants are doubled E2M1, so the scale is halved. */
static void unpack_mxfp4(weight_block *block, const uint8_t *bytes)
{
  block->scale = 0.5f * dyno_e8m0_to_float(bytes[0]);
  for (size_t i = 0; i < 16; i++) {
    block->quants[i] = dyno_e2m1_doubled[bytes[1 + i] & 15];
    block->quants[i + 16] = dyno_e2m1_doubled[bytes[1 + i] >> 4];
  }
}

typedef void unpack_function(weight_block *block, const uint8_t *bytes);

static float dot(const uint8_t *row, const void *activation, size_t k, dyno_dtype weight,
                 unpack_function *unpack)
{
  const int8_t *quants = dyno_a8_quants(activation);
  const float *scales = dyno_a8_scales(activation, k);
  const int32_t *sums = dyno_a8_sums(activation, k);
  size_t block_bytes = dyno_dtype_get(weight)->block_bytes;
  float sum = 0;
  for (size_t b = 0; b < k / DYNO_A8_BLOCK; b++) {
    weight_block block;
    unpack(&block, row + b * block_bytes);
    int32_t products = 0;
    for (size_t i = 0; i < DYNO_A8_BLOCK; i++)
      products += block.quants[i] * quants[b * DYNO_A8_BLOCK + i];
    sum = fmaf((float)products, block.scale * scales[b], sum);
    if (weight == DYNO_Q4_1)
      sum = fmaf((float)sums[b], block.minimum * scales[b], sum);
  }
  return sum;
}

static void multiply(const dyno_matmul_args *args, size_t row0, size_t row1, dyno_dtype weight,
                     unpack_function *unpack)
{
  size_t row_bytes = dyno_row_bytes(weight, args->k);
  size_t activation_bytes = dyno_a8_row_bytes(args->k);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args)) {
    for (size_t i = walk.begin; i < walk.end; i++) {
      const uint8_t *row = (const uint8_t *)walk.weight + i * row_bytes;
      for (size_t t = walk.token_begin; t < walk.token_end; t++) {
        const char *activation = (const char *)args->activation + t * activation_bytes;
        float sum = dot(row, activation, args->k, weight, unpack);
        args->output[t * args->output_stride + i] = walk.bias == NULL ? sum : sum + walk.bias[i];
      }
    }
  }
}

void dyno_matmul_q8_0_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  multiply(args, row0, row1, DYNO_Q8_0, unpack_q8_0);
}

void dyno_matmul_q4_0_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  multiply(args, row0, row1, DYNO_Q4_0, unpack_q4_0);
}

void dyno_matmul_q4_1_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  multiply(args, row0, row1, DYNO_Q4_1, unpack_q4_1);
}

void dyno_matmul_mxfp4_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  multiply(args, row0, row1, DYNO_MXFP4, unpack_mxfp4);
}
