/* F32, F16 and BF16 weights in rows times float activations. Lane l of an output's accumulator
 * takes every LANES-th column from l on in order, and the lanes are added up as a tree, whatever
 * the tile. */
#include "kernels/base/vector_avx2.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/rows.h"

enum { ROWS = 4, TOKENS = 3, LANES = DYNO_LANES256 };

/* Columns i to i + 7 of a row as floats, or the first `count` of them. */
typedef __m256 load_function(const uint8_t *row, size_t i, size_t count);

DYNO_ALWAYS_INLINE __m256 load_f32(const uint8_t *row, size_t i, size_t count)
{
  return dyno_load256((const float *)(const void *)row + i, count);
}

DYNO_ALWAYS_INLINE __m128i load_halves(const uint8_t *row, size_t i, size_t count)
{
  const uint8_t *first = row + i * sizeof(uint16_t);
  if (count >= LANES)
    return _mm_loadu_si128((const void *)first);
  uint16_t halves[LANES] = {0};
  memcpy(halves, first, count * sizeof *halves);
  return _mm_loadu_si128((const void *)halves);
}

DYNO_ALWAYS_INLINE __m256 load_f16(const uint8_t *row, size_t i, size_t count)
{
  return _mm256_cvtph_ps(load_halves(row, i, count));
}

DYNO_ALWAYS_INLINE __m256 load_bf16(const uint8_t *row, size_t i, size_t count)
{
  __m256i words = _mm256_cvtepu16_epi32(load_halves(row, i, count));
  return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}

DYNO_ALWAYS_INLINE void multiply_columns(__m256 sums[ROWS][TOKENS], const dyno_rows_tile *tile,
                                         size_t i, size_t count, size_t rows, size_t tokens,
                                         load_function *load)
{
  __m256 activations[TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    activations[t] = dyno_load256(tile->activation + t * tile->k + i, count);
  DYNO_UNROLL
  for (size_t r = 0; r < rows; r++) {
    __m256 weights = load(tile->weight + r * tile->row_bytes, i, count);
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums[r][t] = _mm256_fmadd_ps(weights, activations[t], sums[r][t]);
  }
}

/* rows, tokens and load are constants of the caller. */
DYNO_ALWAYS_INLINE void run_tile(const dyno_rows_tile *tile, size_t rows, size_t tokens,
                                 load_function *load)
{
  __m256 sums[ROWS][TOKENS];
  DYNO_UNROLL
  for (size_t r = 0; r < rows; r++) {
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums[r][t] = _mm256_setzero_ps();
  }

  size_t i = 0;
  for (; i + LANES <= tile->k; i += LANES)
    multiply_columns(sums, tile, i, LANES, rows, tokens, load);
  if (i < tile->k)
    multiply_columns(sums, tile, i, tile->k - i, rows, tokens, load);

  DYNO_UNROLL
  for (size_t r = 0; r < rows; r++) {
    float bias = tile->bias == NULL ? 0 : tile->bias[r];
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      tile->output[t * tile->output_stride + r] = dyno_add_lanes256(sums[r][t]) + bias;
  }
}

#define STEP(dtype, tokens, rows)                                                                  \
  static void run_##dtype##_##tokens##_##rows(const dyno_rows_tile *tile)                          \
  {                                                                                                \
    run_tile(tile, rows, tokens, load_##dtype);                                                    \
  }

#define VARIANT(dtype, format)                                                                     \
  STEP(dtype, 3, 4)                                                                                \
  STEP(dtype, 3, 1)                                                                                \
  STEP(dtype, 1, 4)                                                                                \
  STEP(dtype, 1, 1)                                                                                \
  void dyno_matmul_##dtype##_f32_m3n4__avx2(const dyno_matmul_args *args, size_t row0,             \
                                            size_t row1)                                           \
  {                                                                                                \
    static const dyno_rows_step steps[] = {{TOKENS, ROWS, run_##dtype##_3_4},                      \
                                           {TOKENS, 1, run_##dtype##_3_1},                         \
                                           {1, ROWS, run_##dtype##_1_4},                           \
                                           {1, 1, run_##dtype##_1_1}};                             \
    dyno_rows_matmul(args, row0, row1, format, steps);                                             \
  }

VARIANT(f32, DYNO_F32)
VARIANT(f16, DYNO_F16)
VARIANT(bf16, DYNO_BF16)
