/* F32, F16 and BF16 weights in rows times float activations. Lane l of an output's accumulator
 * takes every LANES-th column from l on in order, and the lanes are added up as a tree, whatever
 * the tile. */
#include "kernels/base/vector_avx512.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/rows.h"

enum { ROWS = 4, TOKENS = 4, LANES = DYNO_LANES512 };

/* Columns i to i + 15 of a row as floats, or those of them that are in `columns`. */
typedef __m512 load_function(const uint8_t *row, size_t i, __mmask16 columns);

DYNO_ALWAYS_INLINE __m512 load_f32(const uint8_t *row, size_t i, __mmask16 columns)
{
  return _mm512_maskz_loadu_ps(columns, row + i * sizeof(float));
}

DYNO_ALWAYS_INLINE __m512 load_f16(const uint8_t *row, size_t i, __mmask16 columns)
{
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(columns, row + i * sizeof(uint16_t)));
}

DYNO_ALWAYS_INLINE __m512 load_bf16(const uint8_t *row, size_t i, __mmask16 columns)
{
  __m256i halves = _mm256_maskz_loadu_epi16(columns, row + i * sizeof(uint16_t));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

DYNO_ALWAYS_INLINE void multiply_columns(__m512 sums[ROWS][TOKENS], const dyno_rows_tile *tile,
                                         size_t i, __mmask16 columns, size_t rows, size_t tokens,
                                         load_function *load)
{
  __m512 activations[TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    activations[t] = _mm512_maskz_loadu_ps(columns, tile->activation + t * tile->k + i);
  DYNO_UNROLL
  for (size_t r = 0; r < rows; r++) {
    __m512 weights = load(tile->weight + r * tile->row_bytes, i, columns);
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums[r][t] = _mm512_fmadd_ps(weights, activations[t], sums[r][t]);
  }
}

/* rows, tokens and load are constants of the caller. */
DYNO_ALWAYS_INLINE void run_tile(const dyno_rows_tile *tile, size_t rows, size_t tokens,
                                 load_function *load)
{
  __m512 sums[ROWS][TOKENS];
  DYNO_UNROLL
  for (size_t r = 0; r < rows; r++) {
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums[r][t] = _mm512_setzero_ps();
  }

  size_t i = 0;
  for (; i + LANES <= tile->k; i += LANES)
    multiply_columns(sums, tile, i, 0xffff, rows, tokens, load);
  if (i < tile->k)
    multiply_columns(sums, tile, i, dyno_first_lanes512(tile->k - i), rows, tokens, load);

  DYNO_UNROLL
  for (size_t r = 0; r < rows; r++) {
    float bias = tile->bias == NULL ? 0 : tile->bias[r];
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      tile->output[t * tile->output_stride + r] = dyno_add_lanes512(sums[r][t]) + bias;
  }
}

#define STEP(dtype, tokens, rows)                                                                  \
  static void run_##dtype##_##tokens##_##rows(const dyno_rows_tile *tile)                          \
  {                                                                                                \
    run_tile(tile, rows, tokens, load_##dtype);                                                    \
  }

#define VARIANT(dtype, format)                                                                     \
  STEP(dtype, 4, 4)                                                                                \
  STEP(dtype, 4, 1)                                                                                \
  STEP(dtype, 1, 4)                                                                                \
  STEP(dtype, 1, 1)                                                                                \
  void dyno_matmul_##dtype##_f32_m4n4__avx512(const dyno_matmul_args *args, size_t row0,           \
                                              size_t row1)                                         \
  {                                                                                                \
    static const dyno_rows_step steps[] = {{TOKENS, ROWS, run_##dtype##_4_4},                      \
                                           {TOKENS, 1, run_##dtype##_4_1},                         \
                                           {1, ROWS, run_##dtype##_1_4},                           \
                                           {1, 1, run_##dtype##_1_1}};                             \
    dyno_rows_matmul(args, row0, row1, format, steps);                                             \
  }

VARIANT(f32, DYNO_F32)
VARIANT(f16, DYNO_F16)
VARIANT(bf16, DYNO_BF16)
