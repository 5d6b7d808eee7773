#include "kernels/sampling/screen.h"

#include <math.h>
#include <string.h>

#include "kernels/base/a8.h"

enum { HALF = DYNO_SCREEN_HALF_COLUMNS, COLUMNS = DYNO_SCREEN_COLUMNS };

/* Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": the column-th
 * number of the sequence. */
static uint64_t random_bits(uint64_t column)
{
  uint64_t z = UINT64_C(0x64796e6f) + (column + 1) * UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

void dyno_screen_dither(float *dither, size_t k)
{
  for (size_t j = 0; j < k; j++)
    dither[j] = (float)(random_bits(j) >> 48) * 0x1p-16f;
}

/* The next bfloat16 that is not below a number >= 0. */
static uint16_t round_up(float value)
{
  uint32_t bits = dyno_float_to_bits(value);
  return (uint16_t)((bits >> 16) + ((bits & 0xffff) != 0 ? 1 : 0));
}

/* A step of 0 for a block of zeros only. No step is so small that its reciprocal overflows: that
 * is still far below what counts (least_scale). NaN where a weight is infinite or NaN. */
static uint16_t choose_step(const float *values, size_t columns)
{
  float largest = 0, check = 0;
  for (size_t j = 0; j < columns; j++) {
    float magnitude = fabsf(values[j]);
    largest = magnitude > largest ? magnitude : largest;
    check += 0 * values[j];
  }
  if (!(check == 0))
    return 0x7fc0;
  float step = largest / 7.5f;
  return largest == 0 ? 0 : round_up(step < 0x1p-100f ? 0x1p-100f : step);
}

/* The nibbles of one row's half block, as they lie in the panel. */
static void pack_half(uint8_t *half, const float *values, const float *dither, float reciprocal)
{
  uint8_t level[HALF];
  for (size_t j = 0; j < HALF; j++) {
    float x = values[j] * reciprocal + (7.5f + dither[j]);
    x = x < 15 ? x : 15;
    level[j] = (uint8_t)(int)(x > 0 ? x : 0);
  }
  for (size_t j = 0; j < HALF / 2; j++)
    half[j / 4 * DYNO_SCREEN_LINE + j % 4] = (uint8_t)(level[j] | level[j + HALF / 2] << 4);
}

/* Not less than the root of the sum of squares, nor than 2^-20: see least_margin. */
static float bound_norm(const float *values, size_t k)
{
  double sum = 0;
  for (size_t j = 0; j < k; j += HALF) {
    double some = 0;
    for (size_t i = j; i < j + HALF; i++)
      some += (double)values[i] * (double)values[i];
    sum += some;
  }
  double norm = sqrt(sum) * (1 + 0x1p-20);
  return (float)(norm > 0x1p-20 ? norm : sum == sum ? 0x1p-20 : sum);
}

static void pack_row(uint8_t *panel, const float *values, size_t row, size_t k, const float *dither)
{
  size_t blocks = dyno_screen_blocks(k);
  for (size_t block = 0; block < blocks; block++) {
    size_t first = block * COLUMNS, columns = k - first < COLUMNS ? k - first : COLUMNS;
    size_t in_group = block % DYNO_SCREEN_GROUP, left = blocks - (block - in_group);
    size_t count = left < DYNO_SCREEN_GROUP ? left : DYNO_SCREEN_GROUP;
    uint8_t *half = panel + in_group * 2 * DYNO_SCREEN_HALF_BYTES;
    uint8_t *line = panel + count * 2 * DYNO_SCREEN_HALF_BYTES;
    uint16_t step = choose_step(values + first, columns);
    float reciprocal = step == 0 ? 0 : 1 / dyno_bf16_to_float(step);
    for (size_t j = 0; j < columns; j += HALF, half += DYNO_SCREEN_HALF_BYTES)
      pack_half(half + 4 * row, values + first + j, dither + first + j, reciprocal);
    memcpy(line + 2 * (DYNO_SCREEN_ROWS * in_group + row), &step, sizeof step);
    if (in_group + 1 == count)
      panel = line + DYNO_SCREEN_LINE;
  }
  float norm = bound_norm(values, k);
  memcpy(panel + 4 * row, &norm, sizeof norm);
}

void dyno_screen_pack(void *panel, const float *values, size_t rows, size_t k, const float *dither)
{
  memset(panel, 0, dyno_screen_panel_bytes(k));
  for (size_t row = 0; row < rows; row++)
    pack_row(panel, values + row * k, row, k, dither);
}

static size_t padded(size_t bytes)
{
  return (bytes + 63) & ~(size_t)63;
}

size_t dyno_screen_query_bytes(size_t k)
{
  size_t blocks = dyno_screen_blocks(k);
  return blocks * COLUMNS + 2 * padded(2 * blocks * sizeof(float)) + padded(blocks * sizeof(float));
}

static void place_query(dyno_screen_query *query, void *memory, size_t k)
{
  size_t blocks = dyno_screen_blocks(k), halves = padded(2 * blocks * sizeof(float));
  memset(memory, 0, dyno_screen_query_bytes(k));
  char *at = memory;
  query->quants = (int8_t *)at;
  at += blocks * COLUMNS;
  query->scales = (float *)(void *)at;
  query->offsets = (float *)(void *)(at + halves);
  query->energies = (float *)(void *)(at + 2 * halves);
}

/* n roundings in a row (Higham 2002, lemma 3.1). */
static double gamma_of(double n)
{
  return n * 0x1p-24 / (1 - n * 0x1p-24);
}

/* By how much of |w| |x| a kernel of W may be off, and the addition of estimate and bound: for any
 * order of the sum, twice as much as is needed. BF16 may round w and x to 8 bits each. */
static double relative_error(dyno_tolerance tolerance, size_t k)
{
  double rounded = tolerance == DYNO_TOLERANCE_BF16 ? 0x1p-8 + 0x1p-18 : 0;
  return 4 * gamma_of((double)k + 16) + rounded;
}

/* How many deviations s[i] are added to DYNO_SCREEN_DEVIATIONS for the sake of rounding. All are
 * a share of sum |D x[j]| <= sqrt(12 k) s[i]: the dither has 16 bits, and w / D + 7.5 + d is
 * rounded, which is less than 2^-16 together; and the sums of estimates are of terms of up to
 * 15 |D x[j]|. */
static double rounding_deviations(size_t k)
{
  double share = 0x1p-16 + 15 * gamma_of((double)dyno_screen_blocks(k) + 16);
  return share * sqrt(12 * (double)k);
}

/* What the vector adds to the products of half block b, apart from the nibbles. */
static float offset_of(const int8_t *quants, const float *dither)
{
  int64_t sum = 0;
  for (size_t j = 0; j < HALF; j++)
    sum += (int64_t)((7 + dither[j]) * 0x1p16f) * quants[j];
  return (float)((double)sum * 0x1p-16);
}

typedef struct moments {
  float largest_scale;
  double square, rounding_square; /* of x, and of x - rounded x */
} moments;

static moments measure(const int8_t *quants, const float *scales, const float *values, size_t k)
{
  moments found = {0};
  for (size_t b = 0; b < k / HALF; b++) {
    if (!(scales[b] <= found.largest_scale))
      found.largest_scale = scales[b];
    for (size_t j = b * HALF; j < (b + 1) * HALF; j++) {
      double x = (double)scales[b] * quants[j];
      found.square += x * x;
      if (values != NULL)
        found.rounding_square += ((double)values[j] - x) * ((double)values[j] - x);
    }
  }
  return found;
}

/* Energies are relative to the largest scale, so that they neither overflow nor vanish. */
static double energy_of(const int8_t *quants, float scale, float largest)
{
  double ratio = (double)scale / (double)largest;
  int32_t squares = 0;
  for (size_t j = 0; j < HALF; j++)
    squares += quants[j] * quants[j];
  return ratio * ratio * squares;
}

/* Below this the products of scales may underflow; above its reciprocal, overflow. */
static const float least_scale = 0x1p-60f;
/* Makes up for results below the smallest normal float, times norms of at least 2^-20. */
static const double least_margin = 0x1p-90;
/* No block's energy counts as less, so that none vanishes in s[i]. */
static const double least_energy = 0x1p-60;

bool dyno_screen_query_make(dyno_screen_query *query, void *memory, const void *a8_row,
                            const float *values, size_t k, dyno_tolerance tolerance,
                            const float *dither)
{
  const int8_t *quants = dyno_a8_quants(a8_row);
  const float *scales = dyno_a8_scales(a8_row, k);
  moments found = measure(quants, scales, values, k);
  place_query(query, memory, k);
  if (!isfinite(found.square) || !isfinite(found.rounding_square) ||
      !(found.largest_scale >= least_scale && found.largest_scale <= 1 / least_scale))
    return false;
  memcpy(query->quants, quants, k);
  memcpy(query->scales, scales, k / HALF * sizeof *scales);
  for (size_t b = 0; b < k / HALF; b++)
    query->offsets[b] = offset_of(quants + b * HALF, dither + b * HALF);
  for (size_t block = 0; block < dyno_screen_blocks(k); block++) {
    double energy = least_energy;
    for (size_t b = 2 * block; b < 2 * block + 2 && b < k / HALF; b++)
      energy += energy_of(quants + b * HALF, scales[b], found.largest_scale);
    query->energies[block] = (float)(energy * (1 + 0x1p-20));
  }
  double deviations = DYNO_SCREEN_DEVIATIONS + rounding_deviations(k);
  query->spread = (float)(deviations * (double)found.largest_scale / sqrt(12) * (1 + 0x1p-12));
  query->margin =
      (float)((sqrt(found.rounding_square) + relative_error(tolerance, k) * sqrt(found.square)) *
                  (1 + 0x1p-12) +
              least_margin);
  return true;
}
