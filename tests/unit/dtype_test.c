#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "kernels/base/dtype.h"
#include "tests/unit/oracle.h"
#include "tests/unit/random.h"

static const dyno_dtype block_formats[] = {DYNO_F32,  DYNO_F16,  DYNO_BF16, DYNO_Q8_0,
                                           DYNO_Q4_0, DYNO_Q4_1, DYNO_Q5_0, DYNO_Q4_K,
                                           DYNO_Q5_K, DYNO_Q6_K, DYNO_MXFP4};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void decode(float *values, dyno_dtype dtype, const void *block)
{
  dyno_row_to_float(values, block, dtype, dyno_dtype_get(dtype)->block_elements);
}

Test(dtype, names_are_read_back)
{
  for (dyno_dtype dtype = DYNO_NONE; dtype < DYNO_DTYPE_COUNT; dtype++)
    cr_assert(dyno_dtype_parse(dyno_dtype_name(dtype)) == dtype, "%s", dyno_dtype_name(dtype));
  cr_assert(dyno_dtype_parse("q4") == DYNO_DTYPE_COUNT, "q4 is no format");
  cr_assert(dyno_dtype_parse("") == DYNO_DTYPE_COUNT, "nothing is no format");
  cr_assert(strcmp(dyno_dtype_name(DYNO_DTYPE_COUNT), "?") == 0, "a name out of range");
  cr_assert(dyno_dtype_get(DYNO_DTYPE_COUNT) == NULL, "a format out of range");
}

Test(dtype, rows_are_whole_blocks)
{
  cr_assert(dyno_row_bytes(DYNO_MXFP4, 2880) == 1530, "%zu", dyno_row_bytes(DYNO_MXFP4, 2880));
  cr_assert(dyno_row_bytes(DYNO_Q8_0, 4096) == 4352, "%zu", dyno_row_bytes(DYNO_Q8_0, 4096));
  cr_assert(dyno_row_bytes(DYNO_Q6_K, 512) == 420, "%zu", dyno_row_bytes(DYNO_Q6_K, 512));
  cr_assert(dyno_row_bytes(DYNO_Q4_0, 33) == 0, "33 is not whole blocks");
  cr_assert(dyno_row_bytes(DYNO_Q4_K, 128) == 0, "128 is not whole blocks of 256");
  cr_assert(dyno_row_bytes(DYNO_DTYPE_COUNT, 32) == 0, "no such format");
}

/* Every f16 by the definition, and back. */
Test(dtype, all_f16_are_exact_and_come_back)
{
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    uint16_t half = (uint16_t)bits;
    float value = dyno_f16_to_float(half);
    int exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31 && fraction != 0) {
      cr_assert(isnan(value), "%04x is not NaN", half);
      uint16_t back = dyno_float_to_f16(value);
      cr_assert((back & 0x7e00) == 0x7e00 && (back & 0x8000) == (half & 0x8000), "%04x to %04x",
                half, back);
      continue;
    }
    double expected = exponent == 31  ? INFINITY
                      : exponent == 0 ? ldexp(fraction, -24)
                                      : ldexp(1024 + fraction, exponent - 25);
    if (half & 0x8000)
      expected = -expected;
    cr_assert((double)value == expected && (signbit(value) != 0) == (half >> 15), "%04x is %a",
              half, (double)value);
    cr_assert(dyno_float_to_f16(value) == half, "%04x to %04x", half, dyno_float_to_f16(value));
  }
}

Test(dtype, all_bf16_are_exact_and_come_back)
{
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    float value = dyno_bf16_to_float((uint16_t)bits);
    uint16_t back = dyno_float_to_bf16(value);
    if (isnan(value))
      cr_assert(back == (bits | 0x40), "NaN %04x to %04x", bits, back);
    else
      cr_assert(back == bits && dyno_float_to_bits(value) == bits << 16, "%04x to %04x", bits,
                back);
  }
}

/* Between two neighbours, low and low + 1 of the same sign: the half goes to the even one, the
 * float next to the half on either side to its own side. */
static void check_rounding(uint16_t low, double low_value, double high_value,
                           uint16_t (*convert)(float))
{
  float half = (float)((low_value + high_value) / 2);
  uint16_t even = low % 2 == 0 ? low : (uint16_t)(low + 1);
  cr_assert(convert(half) == even, "%a became %04x, not %04x", (double)half, convert(half), even);
  float below = nextafterf(half, (float)low_value);
  cr_assert(convert(below) == low, "%a became %04x, not %04x", (double)below, convert(below), low);
  float above = nextafterf(half, INFINITY * (high_value > 0 ? 1 : -1));
  cr_assert(convert(above) == low + 1, "%a became %04x, not %04x", (double)above, convert(above),
            low + 1);
}

static uint16_t to_f16(float value)
{
  return dyno_float_to_f16(value);
}

static uint16_t to_bf16(float value)
{
  return dyno_float_to_bf16(value);
}

Test(dtype, f16_rounds_to_nearest_even)
{
  for (uint16_t sign = 0; sign < 2; sign++) {
    for (uint16_t magnitude = 0; magnitude < 0x7bff; magnitude++) {
      uint16_t low = (uint16_t)(magnitude | sign << 15);
      check_rounding(low, (double)dyno_f16_to_float(low),
                     (double)dyno_f16_to_float((uint16_t)(low + 1)), to_f16);
    }
  }
  cr_assert(dyno_float_to_f16(65519.996f) == 0x7bff, "just under the half to infinity");
  cr_assert(dyno_float_to_f16(65520) == 0x7c00, "the half to infinity");
  cr_assert(dyno_float_to_f16(-1e30f) == 0xfc00, "far beyond");
}

Test(dtype, bf16_rounds_to_nearest_even)
{
  for (uint16_t magnitude = 0; magnitude < 0x7f7f; magnitude++) {
    check_rounding(magnitude, (double)dyno_bf16_to_float(magnitude),
                   (double)dyno_bf16_to_float((uint16_t)(magnitude + 1)), to_bf16);
  }
  cr_assert(dyno_float_to_bf16(0x1.fffffep127f) == 0x7f80, "FLT_MAX rounds to infinity");
}

Test(dtype, e8m0_is_a_power_of_two)
{
  for (int exponent = 0; exponent < 255; exponent++)
    cr_assert((double)dyno_e8m0_to_float((uint8_t)exponent) == ldexp(1, exponent - 127), "%d",
              exponent);
  cr_assert(isnan(dyno_e8m0_to_float(255)), "255 is NaN");
}

Test(dtype, q8_0_by_hand)
{
  uint8_t block[34] = {0x00, 0x38 /* 0.5 */, 1, 0xff, 127, 0x80};
  float values[32];
  decode(values, DYNO_Q8_0, block);
  static const float expected[5] = {0.5f, -0.5f, 63.5f, -64, 0};
  for (size_t i = 0; i < 5; i++)
    cr_assert(values[i] == expected[i], "element %zu is %g", i, (double)values[i]);
}

/* Byte i holds elements i (low nibble) and i + 16 (high). */
Test(dtype, q4_0_by_hand)
{
  uint8_t block[18] = {0x00, 0x40 /* 2 */, 0xf0, 0x87};
  float values[32];
  decode(values, DYNO_Q4_0, block);
  cr_assert(values[0] == -16 && values[16] == 14, "%g %g", (double)values[0], (double)values[16]);
  cr_assert(values[1] == -2 && values[17] == 0, "%g %g", (double)values[1], (double)values[17]);
  cr_assert(values[2] == -16 && values[31] == -16, "%g", (double)values[31]);
}

Test(dtype, q4_1_by_hand)
{
  uint8_t block[20] = {0x00, 0x40 /* 2 */, 0x00, 0xbc /* -1 */, 0xf0, 0x21};
  float values[32];
  decode(values, DYNO_Q4_1, block);
  cr_assert(values[0] == -1 && values[16] == 29, "%g %g", (double)values[0], (double)values[16]);
  cr_assert(values[1] == 1 && values[17] == 3, "%g %g", (double)values[1], (double)values[17]);
}

/* Bit i of the 32-bit field is bit 4 of element i. */
Test(dtype, q5_0_by_hand)
{
  uint8_t block[22] = {0x00, 0x3c /* 1 */, 0x01, 0x00, 0x02, 0x80, 0xf3};
  block[6 + 15] = 0xa0;
  float values[32];
  decode(values, DYNO_Q5_0, block);
  cr_assert(values[0] == 3 && values[16] == -1, "%g %g", (double)values[0], (double)values[16]);
  cr_assert(values[17] == 0 && values[1] == -16, "%g %g", (double)values[17], (double)values[1]);
  cr_assert(values[31] == 10 && values[15] == -16, "%g", (double)values[31]);
}

/* d = 2, dmin = 1; run 0 has scale 3 and minimum 5, run 7 scale 0x2a = 2 * 16 + 10 and minimum
 * 0x15 = 1 * 16 + 5, spread over the bytes as the format does. */
static const uint8_t k_header[16] = {0x00, 0x40, 0x00, 0x3c, 3,    0, 0, 0x80,
                                     5,    0,    0,    0x40, 0x00, 0, 0, 0x5a};

Test(dtype, q4_k_by_hand)
{
  uint8_t block[144] = {0};
  float values[256];
  memcpy(block, k_header, sizeof k_header);
  block[16] = 0x07;          /* element 0: 7, element 32: 0 */
  block[16 + 3 * 32] = 0xf0; /* element 192: 0, element 224: 15 */
  decode(values, DYNO_Q4_K, block);
  cr_assert(values[0] == 2 * 3 * 7 - 5, "%g", (double)values[0]);
  cr_assert(values[1] == -5 && values[32] == 0 && values[192] == 0, "%g", (double)values[1]);
  cr_assert(values[224] == 2 * 42 * 15 - 21, "%g", (double)values[224]);
  cr_assert(values[255] == -21, "%g", (double)values[255]);
}

Test(dtype, q5_k_by_hand)
{
  uint8_t block[176] = {0};
  float values[256];
  memcpy(block, k_header, sizeof k_header);
  block[16] = 0x81; /* bit 4 of elements 0 and 224 */
  block[48] = 0x07;
  block[48 + 3 * 32] = 0xf0;
  decode(values, DYNO_Q5_K, block);
  cr_assert(values[0] == 2 * 3 * 23 - 5, "%g", (double)values[0]);
  cr_assert(values[224] == 2 * 42 * 31 - 21, "%g", (double)values[224]);
  cr_assert(values[225] == -21, "%g", (double)values[225]);
}

Test(dtype, q6_k_by_hand)
{
  uint8_t block[210] = {0};
  float values[256];
  block[0] = 0xa5;        /* low bits of elements 0: 5, 64: 10 */
  block[64] = 0x0f;       /* of 128: 15 */
  block[128] = 0x21;      /* high bits of element 0: 1, 32: 0, 64: 2, 96: 0 */
  block[192] = 2;         /* scale of elements 0-15 */
  block[192 + 4] = 0xff;  /* of 64-79: -1 */
  block[192 + 8] = 1;     /* of 128-143 */
  block[192 + 15] = 0x80; /* of 240-255: -128 */
  block[209] = 0x3c;      /* d = 1 */
  decode(values, DYNO_Q6_K, block);
  cr_assert(values[0] == 2 * (16 + 5 - 32), "%g", (double)values[0]);
  cr_assert(values[64] == -(32 + 10 - 32), "%g", (double)values[64]);
  cr_assert(values[128] == 15 - 32, "%g", (double)values[128]);
  cr_assert(values[255] == -128 * -32, "%g", (double)values[255]);
  cr_assert(values[32] == 0, "%g", (double)values[32]);
}

/* OCP Microscaling Formats 1.0, table 5, at the smallest, the usual and the largest scale. */
Test(dtype, mxfp4_by_hand)
{
  static const double e2m1[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0., -0.5, -1, -1.5, -2, -3, -4, -6};
  static const uint8_t exponents[] = {0, 1, 2, 126, 127, 128, 253, 254};
  uint8_t block[17];
  float values[32];
  for (size_t i = 0; i < 16; i++)
    block[1 + i] = (uint8_t)(i | (15 - i) << 4);
  for (size_t e = 0; e < COUNT(exponents); e++) {
    block[0] = exponents[e];
    decode(values, DYNO_MXFP4, block);
    for (size_t i = 0; i < 16; i++) {
      /* Codes beyond 1.5 times 2^127 are beyond the floats. */
      double low = (double)(float)ldexp(e2m1[i], exponents[e] - 127);
      double high = (double)(float)ldexp(e2m1[15 - i], exponents[e] - 127);
      cr_assert((double)values[i] == low, "e=%d code %zu: %a", exponents[e], i, (double)values[i]);
      cr_assert((double)values[i + 16] == high, "e=%d code %zu: %a", exponents[e], 15 - i,
                (double)values[i + 16]);
    }
  }
}

/* Blocks of bytes 37 i + 11, as decoded by gguf-py 0.19.0 (gguf.quants.dequantize): every eighth
 * of the block's elements, their sum, and their sum weighted by 1, 2, 3, ... Bit 14 of the f16
 * fields is cleared to keep them small; the E8M0 scale is 125. */
typedef struct known_block {
  dyno_dtype dtype;
  int halves[3];
  double eighths[8], sum, weighted_sum;
} known_block;

static const known_block known_blocks[] = {
    {DYNO_Q8_0,
     {0, -1},
     {0x1.57a7p+3, -0x1.73f4p+1, 0x1.f95fp+3, 0x1.12ecp+1, -0x1.6fe9p+3, 0x1.cce6p+2, -0x1.9c62p+2,
      0x1.882bp+3},
     -22.236328125,
     -1020.849609375},
    {DYNO_Q4_0,
     {0, -1},
     {-0x1.8420p-2, 0x1.02c0p-3, 0x1.4370p-1, -0x1.c4d0p-1, -0x1.8420p-2, 0x1.8420p-1, -0x1.02c0p-3,
      -0x1.c4d0p-1},
     -2.6531982421875,
     -65.445556640625},
    {DYNO_Q4_1,
     {0, 2, -1},
     {0x1.57e4p+1, 0x1.2ba8p+0, 0x1.ad08p+0, 0x1.1734p+1, 0x1.edb8p+0, 0x1.2ba8p+0, 0x1.2760p+1,
      0x1.6c58p+0},
     56.2821044921875,
     921.1373291015625},
    {DYNO_Q5_0,
     {0, -1},
     {0x1.2318p+0, 0x1.a478p+0, -0x1.e528p+0, 0x1.4370p-1, 0x1.c4d0p+0, 0x1.c4d0p-1, -0x1.e528p+0,
      -0x1.8420p-1},
     1.8951416015625,
     14.150390625},
    {DYNO_Q4_K,
     {0, 2, -1},
     {0x1.5bacp+1, -0x1.0782p+4, 0x1.165dp+3, -0x1.8440p-2, 0x1.659fc00000000p+5, 0x1.63d7p+5,
      0x1.b525400000000p+5, -0x1.96dbp+4},
     725.1474609375,
     263820.5693359375},
    {DYNO_Q5_K,
     {0, 2, -1},
     {0x1.0587600000000p+6, -0x1.aa30p+1, 0x1.165dp+3, 0x1.14f1p+4, 0x1.ee29e00000000p+6,
      -0x1.00e0p+0, 0x1.3364500000000p+7, -0x1.1d91p+4},
     8530.0986328125,
     1331999.1923828125},
    {DYNO_Q6_K,
     {208, -1},
     {-0x1.2ddap-9, 0x1.85d0p-12, -0x1.40a0p-8, -0x1.6f08p-10, -0x1.2828p-11, 0x1.1b14p-10,
      -0x1.9860p-11, 0x1.64e8p-10},
     0.007422208786010742,
     1.2623870372772217},
    {DYNO_MXFP4,
     {-1},
     {0x0.0p+0, 0x1.0000p-1, 0x0.0p+0, -0x1.0000p-1, 0x1.8000p-2, -0x1.0000p-1, 0x1.8000p-1,
      -0x1.0000p+0},
     3.125,
     79.75},
};

Test(dtype, blocks_decode_as_gguf_py_decodes_them)
{
  for (size_t n = 0; n < COUNT(known_blocks); n++) {
    const known_block *known = &known_blocks[n];
    const dyno_dtype_info *format = dyno_dtype_get(known->dtype);
    uint8_t block[256];
    for (size_t i = 0; i < format->block_bytes; i++)
      block[i] = (uint8_t)(37 * i + 11);
    for (const int *half = known->halves; *half >= 0; half++)
      block[*half + 1] &= 0xbf;
    if (known->dtype == DYNO_MXFP4)
      block[0] = 125;

    float values[DYNO_MAX_BLOCK_ELEMENTS];
    decode(values, known->dtype, block);
    double sum = 0, weighted_sum = 0;
    for (size_t i = 0; i < format->block_elements; i++) {
      sum += (double)values[i];
      weighted_sum += (double)values[i] * (double)(i + 1);
    }
    for (size_t i = 0; i < 8; i++)
      cr_assert((double)values[i * format->block_elements / 8] == known->eighths[i],
                "%s: eighth %zu is %a", format->name, i,
                (double)values[i * format->block_elements / 8]);
    cr_assert(sum == known->sum, "%s: sum %.17g", format->name, sum);
    cr_assert(weighted_sum == known->weighted_sum, "%s: weighted sum %.17g", format->name,
              weighted_sum);
  }
}

/* Random bytes, whole rows, against the oracle's element-wise decoding. */
Test(dtype, rows_decode_as_the_oracle_decodes_them)
{
  uint64_t random = 1;
  for (size_t n = 0; n < COUNT(block_formats); n++) {
    dyno_dtype dtype = block_formats[n];
    const dyno_dtype_info *format = dyno_dtype_get(dtype);
    size_t k = 5 * format->block_elements;
    uint8_t row[5 * 256];
    float values[5 * DYNO_MAX_BLOCK_ELEMENTS];
    for (int repetition = 0; repetition < 300; repetition++) {
      for (size_t i = 0; i < sizeof row; i++)
        row[i] = (uint8_t)random_next(&random) & 0xbf;
      dyno_row_to_float(values, row, dtype, k);
      for (size_t j = 0; j < k; j++)
        cr_assert((double)values[j] == oracle_weight(dtype, row, j).value, "%s element %zu: %a",
                  format->name, j, (double)values[j]);
    }
  }
}
