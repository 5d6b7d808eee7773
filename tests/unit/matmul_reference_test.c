#include "kernels/base/a8.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/oracle.h"

/* A matmul with everything it points to. */
typedef struct matmul_case {
  dyno_matmul_args args;
  const dyno_kernel *kernel;
  size_t group_begin[8];
  void *weights[8];
  float *biases[8];
  void *activation;
} matmul_case;

/* Where the f16 scales of a block are; -1 ends the list. */
static const int half_offsets[DYNO_DTYPE_COUNT][3] = {
    [DYNO_F32] = {-1},       [DYNO_F16] = {0, -1},     [DYNO_BF16] = {-1},
    [DYNO_Q8_0] = {0, -1},   [DYNO_Q4_0] = {0, -1},    [DYNO_Q4_1] = {0, 2, -1},
    [DYNO_Q5_0] = {0, -1},   [DYNO_Q4_K] = {0, 2, -1}, [DYNO_Q5_K] = {0, 2, -1},
    [DYNO_Q6_K] = {208, -1}, [DYNO_MXFP4] = {-1},
};

/* Random bytes make every code of a block format, but floats among them are kept finite. */
static void fill_block(uint64_t *random, uint8_t *block, dyno_dtype dtype)
{
  for (size_t i = 0; i < dyno_dtype_get(dtype)->block_bytes; i++)
    block[i] = (uint8_t)random_next(random);
  for (const int *offset = half_offsets[dtype]; *offset >= 0; offset++)
    block[*offset + 1] &= 0xbf;
  if (dtype == DYNO_BF16)
    block[1] &= 0xbf;
  if (dtype == DYNO_F32)
    block[3] &= 0xbf;
  if (dtype == DYNO_MXFP4)
    block[0] = random_next(random) % 4 == 0 ? (uint8_t)random_below(random, 3)
                                            : (uint8_t)(117 + random_below(random, 20));
}

static void *make_weights(uint64_t *random, dyno_dtype dtype, size_t n, size_t k)
{
  size_t block_bytes = dyno_dtype_get(dtype)->block_bytes;
  size_t bytes = n * dyno_row_bytes(dtype, k);
  uint8_t *rows = allocate(bytes);
  for (size_t at = 0; at < bytes; at += block_bytes)
    fill_block(random, rows + at, dtype);
  return rows;
}

static void *make_a8(const float *values, size_t m, size_t k)
{
  const dyno_kernel *quantize = reference_of(DYNO_OP_QUANTIZE_ACTIVATION, DYNO_NONE, DYNO_A8);
  void *rows = allocate(m * dyno_a8_row_bytes(k));
  quantize->run.quantize_activation(
      &(dyno_quantize_activation_args){
          .output = rows, .input = values, .m = m, .k = k, .column1 = k},
      0, m);
  return rows;
}

static void make_case(matmul_case *c, uint64_t *random, const dyno_kernel *kernel,
                      input_pattern pattern, const size_t *tokens, size_t groups, size_t n,
                      size_t blocks, bool has_bias)
{
  const dyno_dtype_info *format = dyno_dtype_get(kernel->weight);
  size_t k = blocks * format->block_elements, m = 0;
  for (size_t g = 0; g < groups; g++) {
    c->group_begin[g] = m;
    m += tokens[g];
    c->weights[g] = make_weights(random, kernel->weight, n, k);
    c->biases[g] = allocate_random(random, pattern, n);
  }
  c->group_begin[groups] = m;
  c->kernel = kernel;
  c->activation = allocate_random(random, pattern, m * k);
  if (kernel->activation == DYNO_A8) {
    void *rows = make_a8(c->activation, m, k);
    free(c->activation);
    c->activation = rows;
  }
  size_t stride = n + 3;
  c->args = (dyno_matmul_args){
      .output = allocate_nan(m * stride),
      .output_stride = stride,
      .weight = (const void *const *)c->weights,
      .activation = c->activation,
      .bias = has_bias ? (const float *const *)c->biases : NULL,
      .group_begin = c->group_begin,
      .groups = groups,
      .m = m,
      .n = n,
      .k = k,
  };
}

static void free_case(matmul_case *c)
{
  for (size_t g = 0; g < c->args.groups; g++) {
    free(c->weights[g]);
    free(c->biases[g]);
  }
  free(c->activation);
  free(c->args.output);
}

/* How far the kernel may be from the oracle, which has the rounding of double too. */
static double allowed_error(const matmul_case *c, oracle_value expected)
{
  double k = (double)c->args.k;
  if (c->kernel->activation == DYNO_F32)
    return rounding(expected.value) + (k + 2) * 0x1p-52 * expected.magnitude;
  /* Two rounded operations per term, a term or (Q4_1) two per block, and the bias. Products of
   * scales below the normal floats are off by up to 2^-150, times a product of quants. */
  if (expected.magnitude > (double)FLT_MAX) /* partial sums may overflow, either way */
    return INFINITY;
  double terms = k / 32 * (c->kernel->weight == DYNO_Q4_1 ? 2 : 1) + 1;
  return (2 * terms + 1) * 0x1p-24 * expected.magnitude + terms * 32 * 127 * 128 * 0x1p-150;
}

static void check_case(const matmul_case *c, const char *what)
{
  const dyno_matmul_args *args = &c->args;
  for (size_t g = 0; g < args->groups; g++) {
    for (size_t t = args->group_begin[g]; t < args->group_begin[g + 1]; t++) {
      for (size_t i = 0; i < args->n; i++) {
        oracle_value expected =
            oracle_matmul(args, c->kernel->weight, c->kernel->activation, g, t, i);
        float actual = args->output[t * args->output_stride + i];
        cr_assert(is_close(actual, expected.value, allowed_error(c, expected)),
                  "%s %s m=%zu n=%zu k=%zu: token %zu row %zu is %.9g, should be %.17g",
                  c->kernel->name, what, args->m, args->n, args->k, t, i, (double)actual,
                  expected.value);
      }
      for (size_t i = args->n; i < args->output_stride; i++)
        cr_assert(isnan(args->output[t * args->output_stride + i]), "%s wrote behind row %zu",
                  c->kernel->name, t);
    }
  }
}

static const dyno_dtype weights[] = {DYNO_F32,  DYNO_F16,  DYNO_BF16, DYNO_Q8_0,
                                     DYNO_Q4_0, DYNO_Q4_1, DYNO_Q5_0, DYNO_Q4_K,
                                     DYNO_Q5_K, DYNO_Q6_K, DYNO_MXFP4};
static const dyno_dtype a8_weights[] = {DYNO_Q8_0, DYNO_Q4_0, DYNO_Q4_1, DYNO_MXFP4};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Every reference matmul, in turn. */
static const dyno_kernel *matmul_number(size_t i)
{
  if (i < COUNT(weights))
    return reference_of(DYNO_OP_MATMUL, weights[i], DYNO_F32);
  i -= COUNT(weights);
  return i < COUNT(a8_weights) ? reference_of(DYNO_OP_MATMUL, a8_weights[i], DYNO_A8) : NULL;
}

static void run_and_check(uint64_t seed, const dyno_kernel *kernel, input_pattern pattern,
                          const size_t *tokens, size_t groups, size_t n, size_t blocks,
                          bool has_bias, const char *what)
{
  uint64_t random = seed;
  matmul_case c;
  make_case(&c, &random, kernel, pattern, tokens, groups, n, blocks, has_bias);
  kernel->run.matmul(&c.args, 0, groups * n);
  check_case(&c, what);
  free_case(&c);
}

Test(matmul_reference, agrees_with_the_oracle_at_all_small_sizes)
{
  const dyno_kernel *kernel;
  for (size_t number = 0; (kernel = matmul_number(number)) != NULL; number++) {
    for (size_t m = 0; m <= 3; m++)
      for (size_t n = 0; n <= 3; n++)
        for (size_t blocks = 0; blocks <= 4; blocks++)
          for (int has_bias = 0; has_bias <= 1; has_bias++)
            run_and_check(number, kernel, PATTERN_UNIFORM, &m, 1, n, blocks, has_bias, "small");
  }
}

Test(matmul_reference, agrees_with_the_oracle_on_pathological_inputs)
{
  const dyno_kernel *kernel;
  size_t m = 5;
  for (size_t number = 0; (kernel = matmul_number(number)) != NULL; number++)
    for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++)
      run_and_check(number, kernel, pattern, &m, 1, 7, 9, true, "pathological");
}

Test(matmul_reference, agrees_with_the_oracle_in_groups_of_which_some_are_empty)
{
  static const size_t shapes[][5] = {
      {0, 3, 0, 2, 1}, {4, 0, 0, 0, 0}, {0, 0, 0, 0, 4}, {1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}};
  const dyno_kernel *kernel;
  for (size_t number = 0; (kernel = matmul_number(number)) != NULL; number++)
    for (size_t shape = 0; shape < COUNT(shapes); shape++)
      run_and_check(number, kernel, PATTERN_UNIFORM, shapes[shape], 5, 4, 2, true, "grouped");
}

/* Rows of groups are numbered through, and ranges may begin and end anywhere. */
Test(matmul_reference, gives_the_same_bits_for_every_partition_and_writes_only_its_rows)
{
  static const size_t tokens[] = {2, 0, 3};
  const size_t n = 5, groups = 3;
  const dyno_kernel *kernel;
  for (size_t number = 0; (kernel = matmul_number(number)) != NULL; number++) {
    uint64_t random = number;
    matmul_case c;
    make_case(&c, &random, kernel, PATTERN_MIXED, tokens, groups, n, 3, true);
    kernel->run.matmul(&c.args, 0, groups * n);
    float *whole = c.args.output;
    size_t count = c.args.m * c.args.output_stride;

    for (size_t row0 = 0; row0 <= groups * n; row0++) {
      for (size_t row1 = row0; row1 <= groups * n; row1++) {
        c.args.output = allocate_nan(count);
        kernel->run.matmul(&c.args, row0, row1);
        for (size_t t = 0; t < c.args.m; t++) {
          size_t group = t < 2 ? 0 : 2;
          for (size_t i = 0; i < c.args.output_stride; i++) {
            size_t at = t * c.args.output_stride + i, row = group * n + i;
            bool inside = i < n && row >= row0 && row < row1;
            cr_assert(inside ? memcmp(&c.args.output[at], &whole[at], sizeof(float)) == 0
                             : isnan(c.args.output[at]),
                      "%s rows %zu to %zu: token %zu row %zu", kernel->name, row0, row1, t, i);
          }
        }
        free(c.args.output);
      }
    }
    c.args.output = whole;
    free_case(&c);
  }
}

Test(matmul_reference, gives_the_same_bits_alone_and_in_a_batch)
{
  const size_t m = 6, n = 5;
  const dyno_kernel *kernel;
  for (size_t number = 0; (kernel = matmul_number(number)) != NULL; number++) {
    uint64_t random = number;
    matmul_case c;
    make_case(&c, &random, kernel, PATTERN_MIXED, &m, 1, n, 3, true);
    kernel->run.matmul(&c.args, 0, n);
    size_t token_bytes =
        kernel->activation == DYNO_A8 ? dyno_a8_row_bytes(c.args.k) : c.args.k * sizeof(float);
    for (size_t t = 0; t < m; t++) {
      float alone[5];
      dyno_matmul_args one = c.args;
      one.output = alone;
      one.output_stride = n;
      one.activation = (const char *)c.activation + t * token_bytes;
      one.group_begin = (const size_t[]){0, 1};
      one.m = 1;
      kernel->run.matmul(&one, 0, n);
      cr_assert(memcmp(alone, c.args.output + t * c.args.output_stride, sizeof alone) == 0,
                "%s: token %zu of %zu differs from the token alone", kernel->name, t, m);
    }
    free_case(&c);
  }
}

/* Two blocks of Q4_1 by hand: 32 weights of 0.5 q + 0.25 with q = 1 are 0.75, the activations
 * 2 * 3; then 32 weights of 2 * 15 - 1 = 29 and activations 0.5 * -1. */
Test(matmul_reference, q4_1_a8_by_hand)
{
  uint8_t weights_of_row[40] = {0};
  memcpy(weights_of_row, (const uint16_t[]){dyno_float_to_f16(0.5f), dyno_float_to_f16(0.25f)}, 4);
  memset(weights_of_row + 4, 0x11, 16);
  memcpy(weights_of_row + 20, (const uint16_t[]){dyno_float_to_f16(2), dyno_float_to_f16(-1)}, 4);
  memset(weights_of_row + 24, 0xff, 16);

  char *activation = allocate(dyno_a8_row_bytes(64));
  memset(activation, 3, 32);
  memset(activation + 32, -1, 32);
  memcpy(activation + dyno_a8_scales_offset(64), (const float[]){2, 0.5f}, 8);
  memcpy(activation + dyno_a8_sums_offset(64), (const int32_t[]){96, -32}, 8);

  float output = NAN, bias = 1000;
  reference_of(DYNO_OP_MATMUL, DYNO_Q4_1, DYNO_A8)
      ->run.matmul(&(dyno_matmul_args){.output = &output,
                                       .output_stride = 1,
                                       .weight = (const void *const[]){weights_of_row},
                                       .activation = activation,
                                       .bias = (const float *const[]){&bias},
                                       .group_begin = (const size_t[]){0, 1},
                                       .groups = 1,
                                       .m = 1,
                                       .n = 1,
                                       .k = 64},
                   0, 1);
  float expected = 32 * 0.75f * 6 + 32 * 29 * -0.5f + 1000;
  cr_assert(output == expected, "%g, not %g", (double)output, (double)expected);
  free(activation);
}

/* The order of operations that matmul.h promises, for two blocks whose terms are far apart:
 * (2^24 + 1) + 1 is 2^24 where each block rounds, and a bias of -2^24 then leaves 0. */
Test(matmul_reference, a8_rounds_block_by_block_and_adds_the_bias_last)
{
  uint8_t row[3 * 34] = {0};
  static const float scales[] = {1, 1, 1};
  for (size_t b = 0; b < 3; b++) {
    uint16_t one = dyno_float_to_f16(1);
    memcpy(row + 34 * b, &one, 2);
    row[34 * b + 2] = b == 0 ? 64 : 1;
  }
  char *activation = allocate(dyno_a8_row_bytes(96));
  memset(activation, 0, dyno_a8_row_bytes(96));
  activation[0] = 64;
  activation[32] = activation[64] = 1;
  memcpy(activation + dyno_a8_scales_offset(96), scales, sizeof scales);
  ((float *)(void *)(activation + dyno_a8_scales_offset(96)))[0] = 0x1p12f;

  float output = NAN, bias = -0x1p24f;
  reference_of(DYNO_OP_MATMUL, DYNO_Q8_0, DYNO_A8)
      ->run.matmul(&(dyno_matmul_args){.output = &output,
                                       .output_stride = 1,
                                       .weight = (const void *const[]){row},
                                       .activation = activation,
                                       .bias = (const float *const[]){&bias},
                                       .group_begin = (const size_t[]){0, 1},
                                       .groups = 1,
                                       .m = 1,
                                       .n = 1,
                                       .k = 96},
                   0, 1);
  cr_assert(output == 0, "%g, not 0", (double)output);
  free(activation);
}

/* One block of MXFP4 at every scale there is: quants 1, that is E2M1 0.5, times ones. */
Test(matmul_reference, mxfp4_a8_has_every_scale)
{
  uint8_t block[17];
  memset(block, 0x11, sizeof block);
  char *activation = allocate(dyno_a8_row_bytes(32));
  memset(activation, 1, 32);
  *(int32_t *)(void *)(activation + dyno_a8_sums_offset(32)) = 32;
  for (int exponent = 0; exponent < 255; exponent++) {
    float output = NAN, scale = exponent < 128 ? 0x1p20f : 0x1p-20f;
    block[0] = (uint8_t)exponent;
    memcpy(activation + dyno_a8_scales_offset(32), &scale, sizeof scale);
    reference_of(DYNO_OP_MATMUL, DYNO_MXFP4, DYNO_A8)
        ->run.matmul(&(dyno_matmul_args){.output = &output,
                                         .output_stride = 1,
                                         .weight = (const void *const[]){block},
                                         .activation = activation,
                                         .group_begin = (const size_t[]){0, 1},
                                         .groups = 1,
                                         .m = 1,
                                         .n = 1,
                                         .k = 32},
                     0, 1);
    double expected = ldexp(16, exponent - 127) * (double)scale;
    cr_assert((double)output == expected, "exponent %d: %a, not %a", exponent, (double)output,
              expected);
  }
  free(activation);
}

/* a * b + c rounded to float once, without fma: the product of a (an integer below 2^24) and b is
 * exact in double, and the sum is rounded to odd there, so that rounding it again does no harm.
 * Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums". */
static float fused(int32_t a, float b, float c)
{
  double product = a * (double)b, addend = (double)c, sum = product + addend;
  double part = sum - product;
  double error = (product - (sum - part)) + (addend - part);
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (error != 0 && bits % 2 == 0)
    sum = nextafter(sum, error > 0 ? INFINITY : -INFINITY);
  return (float)sum;
}

/* What matmul.h promises of the numerics, over the weights as the oracle decodes them. */
static float numerics_of_a8(const matmul_case *c, size_t t, size_t i)
{
  size_t k = c->args.k;
  dyno_dtype weight = c->kernel->weight;
  const uint8_t *row = (const uint8_t *)c->weights[0] + i * dyno_row_bytes(weight, k);
  const char *activation = (const char *)c->activation + t * dyno_a8_row_bytes(k);
  float sum = 0;
  for (size_t b = 0; b < k / 32; b++, row += dyno_dtype_get(weight)->block_bytes) {
    float activation_scale = dyno_a8_scales(activation, k)[b], minimum = 0;
    double scale =
        weight == DYNO_MXFP4 ? ldexp(1, row[0] - 128) : oracle_weight(DYNO_F16, row, 0).value;
    if (weight == DYNO_Q4_1)
      minimum = (float)oracle_weight(DYNO_F16, row + 2, 0).value;
    int32_t products = 0;
    for (size_t j = 32 * b; j < 32 * (b + 1); j++) {
      double value = weight == DYNO_Q4_1
                         ? (j % 32 < 16 ? row[4 + j % 32] % 16 : row[4 + j % 32 - 16] / 16)
                     : scale == 0 ? 0
                                  : oracle_weight(weight, c->weights[0], i * k + j).value / scale;
      products += (int32_t)value * dyno_a8_quants(activation)[j];
    }
    sum = fused(products, (float)scale * activation_scale, sum);
    if (weight == DYNO_Q4_1)
      sum = fused(dyno_a8_sums(activation, k)[b], minimum * activation_scale, sum);
  }
  return sum + c->args.bias[0][i];
}

Test(matmul_reference, a8_numerics_are_as_defined_to_the_bit)
{
  const size_t m = 6, n = 20;
  for (size_t w = 0; w < COUNT(a8_weights); w++) {
    const dyno_kernel *kernel = reference_of(DYNO_OP_MATMUL, a8_weights[w], DYNO_A8);
    uint64_t random = w;
    matmul_case c;
    make_case(&c, &random, kernel, PATTERN_UNIFORM, &m, 1, n, 30, true);
    kernel->run.matmul(&c.args, 0, n);
    for (size_t t = 0; t < m; t++) {
      for (size_t i = 0; i < n; i++) {
        float expected = numerics_of_a8(&c, t, i), actual = c.args.output[t * (n + 3) + i];
        cr_assert(actual == expected, "%s token %zu row %zu: %a, not %a", kernel->name, t, i,
                  (double)actual, (double)expected);
      }
    }
    free_case(&c);
  }
}
