#include "kernels/base/a8.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const dyno_dtype formats[] = {DYNO_F16,  DYNO_BF16, DYNO_Q8_0,
                                     DYNO_Q4_0, DYNO_Q4_1, DYNO_MXFP4};

static void quantize(uint8_t *output, dyno_dtype dtype, const float *input, size_t n, size_t k,
                     size_t row0, size_t row1)
{
  reference_of(DYNO_OP_QUANTIZE_WEIGHT, dtype, DYNO_NONE)
      ->run.quantize_weight(
          &(dyno_quantize_weight_args){.output = output, .input = input, .n = n, .k = k}, row0,
          row1);
}

/* Inputs ((29 i + 7) mod 64 - 31) (1 + i / 32) 0.0303, as quantized by gguf-py 0.19.0
 * (gguf.quants.quantize). No MXFP4 value is half-way, where gguf-py rounds towards zero. */
static const uint8_t known[DYNO_DTYPE_COUNT][128] = {
    [DYNO_Q8_0] = {0xd1, 0x1f, 0xa1, 0x14, 0x89, 0xfc, 0x6f, 0xe4, 0x57, 0xcc, 0x40, 0xb5,
                   0x28, 0x9d, 0x10, 0x85, 0xf8, 0x6b, 0xe0, 0x53, 0xc8, 0x3c, 0xb1, 0x24,
                   0x99, 0x0c, 0x7f, 0xf4, 0x67, 0xdc, 0x4f, 0xc4, 0x38, 0xad, 0x93, 0x23,
                   0x21, 0x91, 0x08, 0x7f, 0xf0, 0x66, 0xd7, 0x4e, 0xbe, 0x35, 0xa6, 0x1d,
                   0x8d, 0x04, 0x7b, 0xec, 0x62, 0xd3, 0x4a, 0xba, 0x31, 0xa2, 0x19, 0x89,
                   0x00, 0x77, 0xe7, 0x5e, 0xcf, 0x46, 0xb6, 0x2d},
    [DYNO_Q4_0] = {0xc2, 0xaf, 0xae, 0x37, 0xcf, 0x48, 0xd1, 0x6a, 0xf3, 0x7b, 0x04, 0x9d,
                   0x26, 0xae, 0x37, 0xcf, 0x59, 0xd1, 0x84, 0xb3, 0x26, 0xbf, 0x37, 0xc0,
                   0x59, 0xe2, 0x6b, 0xf3, 0x8c, 0x15, 0xae, 0x26, 0xbf, 0x48, 0xd0, 0x59},
    [DYNO_Q4_1] = {0x13, 0x30, 0x84, 0xbb, 0x52, 0xc9, 0x40, 0xb7, 0x3e, 0xa6,
                   0x1d, 0x84, 0xfb, 0x73, 0xea, 0x51, 0xc8, 0x40, 0xb7, 0x2e,
                   0xc2, 0x33, 0x08, 0xbf, 0xd9, 0x50, 0xc8, 0x3f, 0xa6, 0x2d,
                   0x95, 0x0c, 0x73, 0xfb, 0x62, 0xd9, 0x40, 0xc8, 0x3f, 0xa6},
    [DYNO_MXFP4] = {0x7c, 0xcf, 0x72, 0xdf, 0x60, 0xe7, 0x4b, 0xf7, 0x1d, 0x76, 0x9e, 0x74,
                    0xcf, 0x62, 0xef, 0x59, 0xf7, 0x7d, 0x74, 0xdf, 0x61, 0xe7, 0x5a, 0xf7,
                    0x3c, 0xf6, 0x0e, 0x75, 0xbf, 0x73, 0xdf, 0x60, 0xe7, 0x5a},
    [DYNO_BF16] = {0x3a, 0xbf, 0x1b, 0x3e, 0x69, 0xbf, 0xf8, 0xbc, 0x59, 0x3f, 0x59, 0xbe, 0x2b,
                   0x3f, 0xca, 0xbe, 0xf8, 0x3e, 0x13, 0xbf, 0x9b, 0x3e, 0x42, 0xbf, 0xf8, 0x3d,
                   0x70, 0xbf, 0x78, 0xbd, 0x51, 0x3f, 0x78, 0xbe, 0x23, 0x3f, 0xd9, 0xbe, 0xe9,
                   0x3e, 0x1b, 0xbf, 0x8c, 0x3e, 0x4a, 0xbf, 0xba, 0x3d, 0x78, 0x3f, 0xba, 0xbd,
                   0x4a, 0x3f, 0x8c, 0xbe, 0x1b, 0x3f, 0xe9, 0xbe, 0xd9, 0x3e, 0x23, 0xbf, 0xf8,
                   0x3e, 0xd1, 0xbf, 0xf8, 0x3d, 0xf0, 0x3f, 0x78, 0xbe, 0xc2, 0x3f, 0x1b, 0xbf,
                   0x93, 0x3f, 0x78, 0xbf, 0x4a, 0x3f, 0xab, 0xbf, 0xd9, 0x3e, 0xd9, 0xbf, 0x78,
                   0x3d, 0xe9, 0x3f, 0x9b, 0xbe, 0xba, 0x3f, 0x2b, 0xbf, 0x8c, 0x3f, 0x84, 0xbf,
                   0x3a, 0x3f, 0xb2, 0xbf, 0xba, 0x3e, 0xe1, 0xbf, 0x00, 0x00, 0xe1, 0x3f, 0xba,
                   0xbe, 0xb2, 0x3f, 0x3a, 0xbf, 0x84, 0x3f, 0x8c, 0xbf, 0x2b, 0x3f},
    [DYNO_F16] = {0xd1, 0xb9, 0xd9, 0x30, 0x46, 0xbb, 0xc2, 0xa7, 0xca, 0x3a, 0xca, 0xb2, 0x55,
                  0x39, 0x4d, 0xb6, 0xc2, 0x37, 0x9b, 0xb8, 0xd9, 0x34, 0x0f, 0xba, 0xc2, 0x2f,
                  0x84, 0xbb, 0xc2, 0xab, 0x8b, 0x3a, 0xc2, 0xb3, 0x17, 0x39, 0xca, 0xb6, 0x46,
                  0x37, 0xd9, 0xb8, 0x5d, 0x34, 0x4d, 0xba, 0xd1, 0x2d, 0xc2, 0x3b, 0xd1, 0xad,
                  0x4d, 0x3a, 0x5d, 0xb4, 0xd9, 0x38, 0x46, 0xb7, 0xca, 0x36, 0x17, 0xb9, 0xc2,
                  0x37, 0x8b, 0xbe, 0xc2, 0x2f, 0x84, 0x3f, 0xc2, 0xb3, 0x0f, 0x3e, 0xd9, 0xb8,
                  0x9b, 0x3c, 0xc2, 0xbb, 0x4d, 0x3a, 0x55, 0xbd, 0xca, 0x36, 0xca, 0xbe, 0xc2,
                  0x2b, 0x46, 0x3f, 0xd9, 0xb4, 0xd1, 0x3d, 0x55, 0xb9, 0x5d, 0x3c, 0x1f, 0xbc,
                  0xd1, 0x39, 0x93, 0xbd, 0xd1, 0x35, 0x08, 0xbf, 0x00, 0x00, 0x08, 0x3f, 0xd1,
                  0xb5, 0x93, 0x3d, 0xd1, 0xb9, 0x1f, 0x3c, 0x5d, 0xbc, 0x55, 0x39},
};

Test(quantize_reference, blocks_are_those_of_gguf_py)
{
  float input[64];
  for (size_t i = 0; i < 64; i++)
    input[i] = (float)(((int)(29 * i + 7) % 64 - 31) * (int)(1 + i / 32)) * 0.0303f;
  for (size_t f = 0; f < COUNT(formats); f++) {
    uint8_t output[128];
    quantize(output, formats[f], input, 1, 64, 0, 1);
    for (size_t i = 0; i < dyno_row_bytes(formats[f], 64); i++)
      cr_assert(output[i] == known[formats[f]][i], "%s byte %zu: %02x, not %02x",
                dyno_dtype_name(formats[f]), i, output[i], known[formats[f]][i]);
  }
}

/* The step between neighbouring quants, and the smallest and largest value there is, of a block
 * that was quantized: by its scale fields. */
typedef struct grid {
  double step, low, high;
} grid;

static double half_at(const uint8_t *block)
{
  return oracle_weight(DYNO_F16, block, 0).value;
}

static grid grid_of(dyno_dtype dtype, const uint8_t *block)
{
  double d = fabs(half_at(block));
  if (dtype == DYNO_Q8_0)
    return (grid){d, -127 * d, 127 * d};
  if (dtype == DYNO_Q4_0)
    return half_at(block) < 0 ? (grid){d, -7 * d, 8 * d} : (grid){d, -8 * d, 7 * d};
  double m = half_at(block + 2);
  return (grid){d, m, m + 15 * d};
}

/* Every element is within half a step of its input, as far as the grid reaches, and the error of
 * the scales, which are f16. */
static void check_grid(dyno_dtype dtype, const uint8_t *block, const float *input)
{
  grid g = grid_of(dtype, block);
  /* The scales are off by half a unit of f16 each: relatively, or absolutely when denormal. The
   * quants were chosen by the exact ones. */
  double reach = fmax(fabs(g.low), fabs(g.high));
  double error = g.step / 2 + 2 * (reach * 0x1p-11 + 128 * 0x1p-25);
  for (size_t i = 0; i < 32; i++) {
    double x = (double)input[i], value = oracle_weight(dtype, block, i).value;
    double nearest = fmin(fmax(x, g.low), g.high);
    cr_assert(fabs(value - nearest) <= error, "%s element %zu: %g became %g, step %g",
              dyno_dtype_name(dtype), i, x, value, g.step);
  }
}

Test(quantize_reference, integers_are_the_nearest)
{
  static const dyno_dtype integers[] = {DYNO_Q8_0, DYNO_Q4_0, DYNO_Q4_1};
  for (size_t f = 0; f < COUNT(integers); f++) {
    for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
      uint64_t random = 1;
      float *input = allocate_random(&random, pattern, 32 * 50);
      size_t bytes = dyno_row_bytes(integers[f], 32);
      uint8_t *output = allocate(50 * bytes);
      quantize(output, integers[f], input, 50, 32, 0, 50);
      for (size_t row = 0; row < 50; row++)
        check_grid(integers[f], output + row * bytes, input + row * 32);
      free(input);
      free(output);
    }
  }
}

/* Halves: away from zero in Q8_0, upwards in Q4_0 and Q4_1. Scales are 1, minimum -8. */
Test(quantize_reference, integer_halves_by_hand)
{
  static const float input[32] = {127, -127, 0.5f, -0.5f, 2.5f, -2.5f, 0.49f};
  static const int8_t expected[32] = {127, -127, 1, -1, 3, -3, 0};
  uint8_t block[34];
  quantize(block, DYNO_Q8_0, input, 1, 32, 0, 1);
  cr_assert(memcmp(block + 2, expected, 32) == 0, "q8_0");

  static const float nibble_input[32] = {-8, -7.5f, -0.5f, 0.5f, 6.5f, 7, 7};
  static const float nibble_expected[32] = {-8, -7, 0, 1, 7, 7, 7};
  static const dyno_dtype nibbles[] = {DYNO_Q4_0, DYNO_Q4_1};
  for (size_t f = 0; f < COUNT(nibbles); f++) {
    float values[32];
    quantize(block, nibbles[f], nibble_input, 1, 32, 0, 1);
    dyno_row_to_float(values, block, nibbles[f], 32);
    for (size_t i = 0; i < 32; i++)
      cr_assert(values[i] == nibble_expected[i], "%s: %g became %g", dyno_dtype_name(nibbles[f]),
                (double)nibble_input[i], (double)values[i]);
  }
}

/* No scale to divide by; the same bytes as ggml's. So for the smallest denormals, whose scale is 0
 * as an f16; that of Q4_0 is -0. */
Test(quantize_reference, blocks_of_zeros)
{
  static const struct {
    dyno_dtype dtype;
    size_t header;
    uint8_t quants;
  } cases[] = {{DYNO_Q8_0, 2, 0}, {DYNO_Q4_0, 2, 0x88}, {DYNO_Q4_1, 4, 0}, {DYNO_MXFP4, 1, 0}};
  for (size_t n = 0; n < COUNT(cases); n++) {
    for (int denormal = 0; denormal < (cases[n].dtype == DYNO_MXFP4 ? 1 : 2); denormal++) {
      uint8_t block[34];
      float input[32] = {denormal ? 0x1p-140f : 0};
      quantize(block, cases[n].dtype, input, 1, 32, 0, 1);
      for (size_t i = 0; i < dyno_dtype_get(cases[n].dtype)->block_bytes; i++)
        cr_assert((block[i] & (i == 1 ? 0x7f : 0xff)) ==
                      (i < cases[n].header ? 0 : cases[n].quants),
                  "%s byte %zu is %02x", dyno_dtype_name(cases[n].dtype), i, block[i]);
    }
  }
}

/* Weights that are on the grid already come back as they were, so quantizing twice is quantizing
 * once; only Q4_1 finds its step again but for the rounding of largest minus smallest. */
Test(quantize_reference, what_was_quantized_comes_back)
{
  for (size_t f = 0; f < COUNT(formats); f++) {
    size_t bytes = dyno_row_bytes(formats[f], 256);
    uint64_t random = f;
    for (int repetition = 0; repetition < 50; repetition++) {
      float *input = allocate_random(&random, PATTERN_UNIFORM, 256), decoded[256], again[256];
      uint8_t *once = allocate(bytes), *twice = allocate(bytes);
      quantize(once, formats[f], input, 1, 256, 0, 1);
      dyno_row_to_float(decoded, once, formats[f], 256);
      quantize(twice, formats[f], decoded, 1, 256, 0, 1);
      dyno_row_to_float(again, twice, formats[f], 256);
      for (size_t i = 0; i < 256; i++)
        cr_assert(fabs((double)decoded[i] - (double)again[i]) <=
                      (formats[f] == DYNO_Q4_1 ? 0x1p-10 : 0) * 2,
                  "%s: %a became %a", dyno_dtype_name(formats[f]), (double)decoded[i],
                  (double)again[i]);
      free(input);
      free(once);
      free(twice);
    }
  }
}

/* OCP Microscaling Formats 1.0, section 6.3, by trying all codes. */
static void check_mxfp4(const uint8_t block[17], const float input[32])
{
  static const double e2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  double largest = 0;
  for (size_t i = 0; i < 32; i++)
    largest = fmax(largest, fabs((double)input[i]));
  double scale = ldexp(1, block[0] - 127);
  cr_assert(block[0] <= 252, "scale %d", block[0]);
  if (block[0] != 0)
    cr_assert(4 * scale <= largest && largest < 8 * scale, "scale %a for %a", scale, largest);
  else
    cr_assert(largest < 8 * scale, "the smallest scale for %a", largest);
  for (size_t i = 0; i < 32; i++) {
    int code = i < 16 ? block[1 + i] & 15 : block[1 + i - 16] >> 4;
    double magnitude = fabs((double)input[i]);
    double error = fabs(magnitude - scale * e2m1[code & 7]);
    cr_assert(code < 8 || input[i] < 0, "%a became negative", (double)input[i]);
    cr_assert(code >= 8 || code == 0 || input[i] > 0, "%a became positive", (double)input[i]);
    for (int other = 0; other < 8; other++) {
      double other_error = fabs(magnitude - scale * e2m1[other]);
      cr_assert(error < other_error || other == (code & 7) ||
                    (error == other_error && code % 2 == 0),
                "%a with scale %a became code %d, not %d", (double)input[i], scale, code, other);
    }
  }
}

Test(quantize_reference, mxfp4_is_the_nearest_even)
{
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
    uint64_t random = 1;
    for (int repetition = 0; repetition < 100; repetition++) {
      uint8_t block[17];
      float input[32];
      random_fill(&random, pattern, input, 32);
      quantize(block, DYNO_MXFP4, input, 1, 32, 0, 1);
      check_mxfp4(block, input);
    }
  }
}

/* All halves and their neighbours, with the scale fixed by a first element of 4, at every
 * exponent. */
Test(quantize_reference, mxfp4_ties_go_to_even)
{
  static const float halves[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
  for (int exponent = -124; exponent <= 124; exponent++) {
    uint8_t block[17];
    float input[32] = {4};
    for (size_t i = 0; i < 7; i++) {
      input[1 + i] = -halves[i];
      input[8 + i] = nextafterf(halves[i], 0);
      input[16 + i] = nextafterf(halves[i], 8);
      input[24 + i] = halves[i];
    }
    for (size_t i = 0; i < 32; i++)
      input[i] = ldexpf(input[i], exponent);
    quantize(block, DYNO_MXFP4, input, 1, 32, 0, 1);
    cr_assert(block[0] == exponent + 127, "exponent %d: %d", exponent, block[0]);
    check_mxfp4(block, input);
  }
}

/* Beyond 6 times the scale it stays at 6; the largest float has a scale. */
Test(quantize_reference, mxfp4_saturates)
{
  static const float largest[] = {7.99f, 0x1.fffffep127f, 0x1.fffffep-125f};
  for (size_t n = 0; n < COUNT(largest); n++) {
    uint8_t block[17];
    float input[32] = {largest[n], -largest[n]}, values[32];
    quantize(block, DYNO_MXFP4, input, 1, 32, 0, 1);
    check_mxfp4(block, input);
    dyno_row_to_float(values, block, DYNO_MXFP4, 32);
    double six = 6 * ldexp(1, block[0] - 127);
    cr_assert((double)values[0] == six && (double)values[1] == -six && values[2] == 0, "%a",
              (double)values[0]);
  }
}

/* Scales that no f16 holds are cut off: the weights stay finite and keep their sign. */
Test(quantize_reference, huge_weights_stay_finite)
{
  static const dyno_dtype integers[] = {DYNO_Q8_0, DYNO_Q4_0, DYNO_Q4_1, DYNO_MXFP4};
  for (size_t f = 0; f < COUNT(integers); f++) {
    uint8_t block[34];
    float input[32] = {0x1.fffffep127f, -0x1.fffffep127f, 1e30f, -1e30f}, values[32];
    quantize(block, integers[f], input, 1, 32, 0, 1);
    dyno_row_to_float(values, block, integers[f], 32);
    for (size_t i = 0; i < 32; i++)
      cr_assert(isfinite(values[i]), "%s: element %zu is not finite", dyno_dtype_name(integers[f]),
                i);
    cr_assert(values[0] > 0 && values[1] < 0, "%s: signs", dyno_dtype_name(integers[f]));
  }
}

/* No fault, under the sanitizers, from what is no number. */
Test(quantize_reference, takes_infinity_and_nan)
{
  static const float special[] = {INFINITY, -INFINITY, NAN, 0, 1, 0x1.fffffep127f, 0x1p-149f};
  uint64_t random = 1;
  for (size_t repetition = 0; repetition < 300; repetition++) {
    float input[32];
    uint8_t block[34], *a8 = allocate(dyno_a8_row_bytes(32));
    for (size_t i = 0; i < 32; i++)
      input[i] = special[random_below(&random, repetition % COUNT(special) + 1)];
    for (size_t f = 2; f < COUNT(formats); f++)
      quantize(block, formats[f], input, 1, 32, 0, 1);
    cr_assert(block[0] != 0xff, "an MXFP4 scale of NaN");
    reference_of(DYNO_OP_QUANTIZE_ACTIVATION, DYNO_NONE, DYNO_A8)
        ->run.quantize_activation(
            &(dyno_quantize_activation_args){
                .output = a8, .input = input, .m = 1, .k = 32, .column1 = 32},
            0, 1);
    free(a8);
  }
}

Test(quantize_reference, writes_only_its_rows)
{
  for (size_t f = 0; f < COUNT(formats); f++) {
    size_t bytes = dyno_row_bytes(formats[f], 64);
    uint64_t random = 1;
    float *input = allocate_random(&random, PATTERN_MIXED, 5 * 64);
    uint8_t *whole = allocate(5 * bytes), *part = allocate(5 * bytes);
    quantize(whole, formats[f], input, 5, 64, 0, 5);
    memset(part, 0xa5, 5 * bytes);
    quantize(part, formats[f], input, 5, 64, 1, 4);
    cr_assert(memcmp(part + bytes, whole + bytes, 3 * bytes) == 0, "%s",
              dyno_dtype_name(formats[f]));
    for (size_t i = 0; i < bytes; i++)
      cr_assert(part[i] == 0xa5 && part[4 * bytes + i] == 0xa5, "%s: byte %zu outside",
                dyno_dtype_name(formats[f]), i);
    free(input);
    free(whole);
    free(part);
  }
}

/* Correct rounding in double and from there to float gives what one float division gives. */
static void check_a8_block(const float *input, const int8_t *quants, float scale, int32_t sum)
{
  double largest = 0;
  for (size_t i = 0; i < 32; i++)
    largest = fmax(largest, fabs((double)input[i]));
  cr_assert((double)scale == (double)(float)(largest / 127), "scale %a of %a", (double)scale,
            largest);
  int expected_sum = 0;
  for (size_t i = 0; i < 32; i++) {
    int expected = 0;
    if (scale != 0)
      expected =
          (int)fmin(127, fmax(-127, nearbyint((double)(float)((double)input[i] / (double)scale))));
    cr_assert(quants[i] == expected, "%a by %a is %d, not %d", (double)input[i], (double)scale,
              quants[i], expected);
    expected_sum += expected;
  }
  cr_assert(sum == expected_sum, "sum %d, not %d", sum, expected_sum);
}

Test(quantize_reference, a8_is_as_defined)
{
  static const size_t columns[] = {0, 32, 64, 544};
  const size_t m = 4;
  for (input_pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
    for (size_t n = 0; n < COUNT(columns); n++) {
      size_t k = columns[n], bytes = dyno_a8_row_bytes(k);
      uint64_t random = n;
      float *input = allocate_random(&random, pattern, m * k);
      char *output = allocate(m * bytes);
      memset(output, 0x55, m * bytes);
      reference_of(DYNO_OP_QUANTIZE_ACTIVATION, DYNO_NONE, DYNO_A8)
          ->run.quantize_activation(
              &(dyno_quantize_activation_args){
                  .output = output, .input = input, .m = m, .k = k, .column1 = k},
              1, m);
      for (size_t t = 1; t < m; t++) {
        const char *row = output + t * bytes;
        for (size_t b = 0; b < k / 32; b++)
          check_a8_block(input + t * k + 32 * b, dyno_a8_quants(row) + 32 * b,
                         dyno_a8_scales(row, k)[b], dyno_a8_sums(row, k)[b]);
      }
      for (size_t i = 0; i < bytes; i++)
        cr_assert(output[i] == 0x55, "row 0 was written");
      free(input);
      free(output);
    }
  }
}

/* A largest value of 127 makes the scale 1: halves go to even, both ways. */
Test(quantize_reference, a8_by_hand)
{
  static const float input[32] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -127, 126.5f, 0.49f};
  static const int8_t expected[32] = {127, 0, 2, 2, 0, -2, -127, 126, 0};
  char *row = allocate(dyno_a8_row_bytes(32));
  reference_of(DYNO_OP_QUANTIZE_ACTIVATION, DYNO_NONE, DYNO_A8)
      ->run.quantize_activation(
          &(dyno_quantize_activation_args){
              .output = row, .input = input, .m = 1, .k = 32, .column1 = 32},
          0, 1);
  cr_assert(memcmp(dyno_a8_quants(row), expected, 32) == 0, "quants");
  cr_assert(dyno_a8_scales(row, 32)[0] == 1, "scale %g", (double)dyno_a8_scales(row, 32)[0]);
  cr_assert(dyno_a8_sums(row, 32)[0] == 128, "sum %d", dyno_a8_sums(row, 32)[0]);
  free(row);
}

/* 190 of the smallest denormal over 127 is 1.496 of it, which rounds to 1: the quants are clamped.
 * Below 63.5 of it the scale is 0. */
Test(quantize_reference, a8_of_the_smallest_denormals)
{
  float input[64] = {190 * 0x1p-149f, -190 * 0x1p-149f, 0x1p-149f};
  input[32] = 63 * 0x1p-149f;
  char *row = allocate(dyno_a8_row_bytes(64));
  reference_of(DYNO_OP_QUANTIZE_ACTIVATION, DYNO_NONE, DYNO_A8)
      ->run.quantize_activation(
          &(dyno_quantize_activation_args){
              .output = row, .input = input, .m = 1, .k = 64, .column1 = 64},
          0, 1);
  const int8_t *quants = dyno_a8_quants(row);
  cr_assert(quants[0] == 127 && quants[1] == -127 && quants[2] == 1, "%d %d %d", quants[0],
            quants[1], quants[2]);
  cr_assert(dyno_a8_scales(row, 64)[0] == 0x1p-149f, "%a", (double)dyno_a8_scales(row, 64)[0]);
  cr_assert(quants[32] == 0 && dyno_a8_scales(row, 64)[1] == 0, "%d", quants[32]);
  free(row);
}

typedef struct kv_shape {
  size_t first_position, m, kv_heads, head_size, block_count, block_tokens;
} kv_shape;

/* Every slot of the cache, written or not, against where kv_block.h says it lies. */
static void check_store(dyno_dtype kv, const kv_shape *s, size_t row0, size_t row1)
{
  const dyno_kernel *kernel = reference_of(DYNO_OP_STORE_KV, DYNO_NONE, kv);
  size_t element = dyno_dtype_get(kv)->block_bytes;
  size_t vector = s->head_size * element, width = s->kv_heads * s->head_size;
  size_t block_bytes = 2 * s->kv_heads * s->block_tokens * vector;
  uint64_t random = 1;
  float *key = allocate_random(&random, PATTERN_MIXED, s->m * width);
  float *value = allocate_random(&random, PATTERN_MIXED, s->m * width);
  void *blocks[8];
  for (size_t i = 0; i < s->block_count; i++)
    memset(blocks[i] = allocate(block_bytes), 0xa5, block_bytes);
  kernel->run.store_kv(&(dyno_store_kv_args){.blocks = blocks,
                                             .block_count = s->block_count,
                                             .block_tokens = s->block_tokens,
                                             .first_position = s->first_position,
                                             .key = key,
                                             .value = value,
                                             .m = s->m,
                                             .kv_heads = s->kv_heads,
                                             .head_size = s->head_size},
                       row0, row1);
  for (size_t slot = 0; slot < s->block_count * s->block_tokens; slot++) {
    size_t t = row0; /* the token that was to be stored there */
    while (t < row1 && (s->first_position + t) % (s->block_count * s->block_tokens) != slot)
      t++;
    for (size_t i = 0; i < 2 * width; i++) {
      size_t plane = i / width, head = i % width / s->head_size, column = i % s->head_size;
      size_t packed = 4 / element, lane = slot % 16;
      size_t row = (2 * head + plane) * s->block_tokens + slot % s->block_tokens / 16 * 16;
      size_t in_panel = plane == 0
                            ? (column / packed * 16 + lane) * packed + column % packed
                            : (lane / packed * s->head_size + column) * packed + lane % packed;
      const uint8_t *at =
          (const uint8_t *)blocks[slot / s->block_tokens] + row * vector + in_panel * element;

      static const uint8_t untouched[4] = {0xa5, 0xa5, 0xa5, 0xa5};
      uint8_t expected[4];
      memcpy(expected, untouched, 4);
      if (t < row1) {
        float x = (plane == 0 ? key : value)[t * width + i % width];
        uint16_t rounded = dyno_float_to_bf16(x);
        memcpy(expected, kv == DYNO_F32 ? (const void *)&x : &rounded, element);
      }
      cr_assert(memcmp(at, expected, element) == 0, "%s slot %zu element %zu", kernel->name, slot,
                i);
    }
  }
  for (size_t i = 0; i < s->block_count; i++)
    free(blocks[i]);
  free(key);
  free(value);
}

Test(quantize_reference, store_kv_puts_each_token_in_its_slot)
{
  static const kv_shape shapes[] = {
      {0, 1, 1, 2, 1, 16},  {0, 32, 2, 6, 2, 16},   {5, 35, 8, 64, 3, 16},
      {6, 4, 2, 10, 2, 16}, {101, 30, 2, 8, 1, 48}, {3, 0, 2, 4, 1, 16},
  };
  for (size_t n = 0; n < COUNT(shapes); n++) {
    check_store(DYNO_F32, &shapes[n], 0, shapes[n].m);
    check_store(DYNO_BF16, &shapes[n], 0, shapes[n].m);
    check_store(DYNO_BF16, &shapes[n], shapes[n].m / 3, shapes[n].m / 2);
  }
}

/* All of the importance on one value leaves the quants no variance to fit a line through. What is
 * cut off at the ends may cost the others 0.08 of the range. */
Test(quantize_reference, a_fit_survives_importance_on_one_value)
{
  enum { N = 32 };
  for (size_t on = 0; on < N; on++) {
    float input[N], importance[N] = {0}, values[N];
    uint8_t block[20];
    for (size_t i = 0; i < N; i++)
      input[i] = (float)((29 * i + 7) % 64) * 0.0303f - 0.9f;
    for (size_t i = 0; i < N; i++)
      importance[i] = i == on ? 1 : on % 2 == 0 ? 0 : 1e-9f;
    const dyno_fit_weight_args args = {block, input, importance, 1, N};
    reference_of(DYNO_OP_FIT_WEIGHT, DYNO_Q4_1, DYNO_NONE)->run.fit_weight(&args, 0, 1);
    dyno_row_to_float(values, block, DYNO_Q4_1, N);
    for (size_t i = 0; i < N; i++)
      cr_assert_float_eq(values[i], input[i], 0.25f, "importance on %zu: value %zu is %g, was %g",
                         on, i, (double)values[i], (double)input[i]);
  }
}
