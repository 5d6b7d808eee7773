/* Any weights times float activations: what matmul is.
 *
 * The sum is kept in double and rounded to float once, at the end, so the order of its terms does
 * not show. */
#include "kernels/matmul/matmul.h"

static double dot(const uint8_t *row, const float *activation, size_t k, dyno_dtype weight)
{
  const dyno_dtype_info *format = dyno_dtype_get(weight);
  float values[DYNO_MAX_BLOCK_ELEMENTS];
  double sum = 0;
  for (size_t j = 0; j < k; j += format->block_elements, row += format->block_bytes) {
    format->block_to_float(values, row);
    for (size_t i = 0; i < format->block_elements; i++)
      sum += (double)values[i] * (double)activation[j + i];
  }
  return sum;
}

static void multiply(const dyno_matmul_args *args, size_t row0, size_t row1, dyno_dtype weight)
{
  const float *activation = args->activation;
  size_t row_bytes = dyno_row_bytes(weight, args->k);
  dyno_matmul_walk walk = {.row = row0, .row_end = row1};
  while (dyno_matmul_next(&walk, args)) {
    for (size_t i = walk.begin; i < walk.end; i++) {
      const uint8_t *row = (const uint8_t *)walk.weight + i * row_bytes;
      double bias = walk.bias == NULL ? 0 : (double)walk.bias[i];
      for (size_t t = walk.token_begin; t < walk.token_end; t++) {
        double sum = dot(row, activation + t * args->k, args->k, weight);
        args->output[t * args->output_stride + i] = (float)(bias + sum);
      }
    }
  }
}

#define REFERENCE(function, weight)                                                                \
  void function(const dyno_matmul_args *args, size_t row0, size_t row1)                            \
  {                                                                                                \
    multiply(args, row0, row1, weight);                                                            \
  }

REFERENCE(dyno_matmul_f32_f32__ref, DYNO_F32)
REFERENCE(dyno_matmul_f16_f32__ref, DYNO_F16)
REFERENCE(dyno_matmul_bf16_f32__ref, DYNO_BF16)
REFERENCE(dyno_matmul_q8_0_f32__ref, DYNO_Q8_0)
REFERENCE(dyno_matmul_q4_0_f32__ref, DYNO_Q4_0)
REFERENCE(dyno_matmul_q4_1_f32__ref, DYNO_Q4_1)
REFERENCE(dyno_matmul_q5_0_f32__ref, DYNO_Q5_0)
REFERENCE(dyno_matmul_q4_k_f32__ref, DYNO_Q4_K)
REFERENCE(dyno_matmul_q5_k_f32__ref, DYNO_Q5_K)
REFERENCE(dyno_matmul_q6_k_f32__ref, DYNO_Q6_K)
REFERENCE(dyno_matmul_mxfp4_f32__ref, DYNO_MXFP4)
