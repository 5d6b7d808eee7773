/* What random blocks are drawn from: the levels of the elements and the scales of the blocks. */
#include "runtime/synth/blocks.h"

#include <math.h>

/* The normal distribution's quantiles at (i + 0.5) / 256 for i from 128 on, scaled to a variance
 * of one over all 256, in units of 2^-13. A table, because a level that is rounded must be the
 * same with every C library. */
static const int16_t upper_half[DYNO_BLOCK_LEVELS / 2] = {
    40,    121,   201,   282,   362,   442,   523,   604,   684,   765,   846,   927,   1008,
    1089,  1170,  1251,  1333,  1414,  1496,  1578,  1660,  1742,  1824,  1907,  1989,  2072,
    2155,  2239,  2322,  2406,  2490,  2575,  2659,  2744,  2829,  2915,  3001,  3087,  3173,
    3260,  3347,  3435,  3523,  3611,  3700,  3789,  3879,  3969,  4060,  4151,  4242,  4334,
    4427,  4520,  4614,  4709,  4804,  4900,  4996,  5093,  5191,  5289,  5389,  5489,  5590,
    5692,  5794,  5898,  6003,  6108,  6215,  6322,  6431,  6541,  6652,  6764,  6878,  6992,
    7109,  7226,  7346,  7466,  7589,  7713,  7839,  7967,  8096,  8228,  8362,  8498,  8637,
    8778,  8921,  9068,  9217,  9370,  9526,  9685,  9848,  10015, 10187, 10362, 10543, 10729,
    10921, 11119, 11323, 11535, 11755, 11983, 12221, 12470, 12731, 13006, 13295, 13603, 13930,
    14282, 14662, 15076, 15532, 16042, 16622, 17300, 18122, 19178, 20700, 23699,
};

static double normal256(size_t i)
{
  return i >= 128 ? upper_half[i - 128] * 0x1p-13 : -upper_half[127 - i] * 0x1p-13;
}

/* The same in 64 steps. */
static double normal64(size_t i)
{
  return (normal256(4 * i) + normal256(4 * i + 1) + normal256(4 * i + 2) + normal256(4 * i + 3)) /
         4;
}

static void init_floats(dyno_block_tables *tables, double mean, double deviation)
{
  /* Levels of at most 8 bits: between 42 and 84 steps to a deviation. Near 1, BF16 has steps of
   * 2^-7. */
  int exponent;
  frexp(deviation / 42, &exponent);
  double step = mean == 0 ? ldexp(1, exponent - 1) : 0x1p-7;
  for (size_t i = 0; i < DYNO_BLOCK_LEVELS; i++) {
    float value = (float)(mean + step * rint(normal256(i) * deviation / step));
    if (tables->dtype == DYNO_F32)
      tables->level.f32[i] = value;
    else
      tables->level.half[i] =
          tables->dtype == DYNO_F16 ? dyno_float_to_f16(value) : dyno_float_to_bf16(value);
  }
}

/* How the quants of a format are spread around the one that stands for zero. */
typedef struct quant_law {
  double center, spread;
  int low, high;
  double unit; /* root mean square of the scales inside the block */
} quant_law;

static const quant_law quant_laws[DYNO_DTYPE_COUNT] = {
    [DYNO_Q8_0] = {0, 44, -127, 127, 1},    [DYNO_Q4_0] = {8, 2.9, 1, 15, 1},
    [DYNO_Q4_1] = {7.5, 3.1, 0, 15, 1},     [DYNO_Q5_0] = {16, 5.2, 1, 31, 1},
    [DYNO_Q4_K] = {7.5, 3.1, 0, 15, 47.72}, [DYNO_Q5_K] = {15.5, 5.4, 0, 31, 47.72},
    [DYNO_Q6_K] = {32, 10.8, 1, 63, 47.72},
};

static int quant_of(const quant_law *law, double normal)
{
  double quant = floor(law->center + law->spread * normal + 0.5);
  return (int)fmin(fmax(quant, law->low), law->high);
}

/* Fills the table and returns the standard deviation of quant - center. */
static double init_quants(dyno_block_tables *tables, const quant_law *law)
{
  double sum = 0;
  for (size_t i = 0; i < DYNO_BLOCK_LEVELS; i++) {
    int quant = quant_of(law, normal256(i));
    tables->level.quant[i] = (uint8_t)quant;
    sum += (quant - law->center) * (quant - law->center);
  }
  return sqrt(sum / DYNO_BLOCK_LEVELS);
}

static double init_nibbles(dyno_block_tables *tables, const quant_law *law)
{
  double sum = 0;
  for (size_t i = 0; i < 64; i++) {
    int quant = quant_of(law, normal64(i));
    for (size_t other = 0; other < 64; other++)
      tables->level.pair[64 * i + other] = (uint8_t)(quant | quant_of(law, normal64(other)) << 4);
    sum += (quant - law->center) * (quant - law->center);
  }
  return sqrt(sum / 64);
}

/* Scales between 0.75 and 1.25 of what they are on the whole. */
static void init_scales(dyno_block_tables *tables, const quant_law *law, double scale)
{
  double sum = 0;
  for (size_t i = 0; i < DYNO_BLOCK_SCALES; i++)
    sum += (47.25 + (double)i) * (47.25 + (double)i);
  double norm = sqrt(sum / DYNO_BLOCK_SCALES);
  for (size_t i = 0; i < DYNO_BLOCK_SCALES; i++) {
    float d = dyno_f16_to_float(
        dyno_float_to_f16((float)(scale * (47.25 + (double)i) / (norm * law->unit))));
    tables->scale.f16[i] = dyno_float_to_f16(d);
    /* Q4_1 adds its minimum, Q4_K and Q5_K subtract it. */
    float sign = tables->dtype == DYNO_Q4_1 ? -1 : 1;
    tables->minimum[i] = dyno_float_to_f16(sign * (float)law->center * d);
  }
}

/* The code of E2M1 that is nearest to a value. */
static unsigned e2m1_of(double value)
{
  unsigned nearest = 0;
  for (unsigned code = 1; code < 8; code++) {
    if (fabs(2 * fabs(value) - dyno_e2m1_doubled[code]) <
        fabs(2 * fabs(value) - dyno_e2m1_doubled[nearest]))
      nearest = code;
  }
  return value < 0 && nearest != 0 ? nearest | 8 : nearest;
}

static double e2m1_deviation(double spread)
{
  double sum = 0;
  for (size_t i = 0; i < 64; i++) {
    double value = dyno_e2m1_doubled[e2m1_of(spread * normal64(i))] / 2.0;
    sum += value * value;
  }
  return sqrt(sum / 64);
}

/* Scales are powers of two: four of them around the one that suits, and the spread of the elements
 * makes up for what is missing. */
static void init_mxfp4(dyno_block_tables *tables, double deviation)
{
  static const int8_t offsets[8] = {-2, -1, -1, 0, 0, 0, 1, 1};
  double sum = 0;
  for (size_t i = 0; i < 8; i++)
    sum += ldexp(1, 2 * offsets[i]);
  double wanted = deviation / sqrt(sum / 8), least = 2, best_spread = 0;
  int best_exponent = 0;
  for (double spread = 1.5; spread < 3.125; spread += 1.0 / 64) {
    int exponent;
    double ratio = frexp(wanted / e2m1_deviation(spread), &exponent);
    double off_above = 2 * ratio, off_below = 1 / ratio;
    if (fmin(off_above, off_below) < least) {
      least = fmin(off_above, off_below);
      best_spread = spread;
      best_exponent = off_above < off_below ? exponent - 1 : exponent;
    }
  }
  for (size_t i = 0; i < DYNO_BLOCK_SCALES; i++)
    tables->scale.exponent[i] = (uint8_t)(127 + best_exponent + offsets[i % 8]);
  for (size_t i = 0; i < DYNO_BLOCK_PAIRS; i++)
    tables->level.pair[i] = (uint8_t)(e2m1_of(best_spread * normal64(i / 64)) |
                                      e2m1_of(best_spread * normal64(i % 64)) << 4);
}

void dyno_block_tables_init(dyno_block_tables *tables, dyno_dtype dtype, double mean,
                            double deviation)
{
  *tables = (dyno_block_tables){.dtype = dtype};
  const quant_law *law = &quant_laws[dtype];
  switch (dtype) {
  case DYNO_F32:
  case DYNO_F16:
  case DYNO_BF16:
    init_floats(tables, mean, deviation);
    return;
  case DYNO_MXFP4:
    init_mxfp4(tables, deviation);
    return;
  case DYNO_Q4_0:
  case DYNO_Q4_1:
  case DYNO_Q4_K:
    init_scales(tables, law, deviation / init_nibbles(tables, law));
    return;
  default:
    init_scales(tables, law, deviation / init_quants(tables, law));
    return;
  }
}
