/* Weights of any block format in rows times float activations: a stretch of a row is decoded to
 * floats and multiplied while it is in the level-1 cache. */
#include "kernels/base/vector_avx512.h"
#include "kernels/matmul/decode.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/rows.h"

enum { TOKENS = 16, LANES = DYNO_LANES512, STRETCH = DYNO_MAX_BLOCK_ELEMENTS };

/* Whole vectors only: the blocks of all formats have 32 elements or a multiple of that. */
DYNO_ALWAYS_INLINE void multiply_stretch(__m512 *sums, const float *values, const float *activation,
                                         size_t count, size_t k, size_t tokens)
{
  for (size_t i = 0; i < count; i += LANES) {
    __m512 weights = _mm512_load_ps(values + i);
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums[t] = _mm512_fmadd_ps(weights, _mm512_loadu_ps(activation + t * k + i), sums[t]);
  }
}

/* tokens is a constant of the caller. */
DYNO_ALWAYS_INLINE void run_tile(const dyno_rows_tile *tile, size_t tokens)
{
  _Alignas(64) float values[STRETCH];
  __m512 sums[TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = _mm512_setzero_ps();

  const uint8_t *row = tile->weight;
  for (size_t i = 0; i < tile->k; i += STRETCH) {
    size_t count = tile->k - i < STRETCH ? tile->k - i : STRETCH;
    dyno_decode__avx2(values, row, tile->format, count);
    row += dyno_row_bytes(tile->format, count);
    multiply_stretch(sums, values, tile->activation + i, count, tile->k, tokens);
  }

  float bias = tile->bias == NULL ? 0 : tile->bias[0];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    tile->output[t * tile->output_stride] = dyno_add_lanes512(sums[t]) + bias;
}

#define STEP(tokens)                                                                               \
  static void run_##tokens(const dyno_rows_tile *tile)                                             \
  {                                                                                                \
    run_tile(tile, tokens);                                                                        \
  }

STEP(16)
STEP(4)
STEP(1)

static const dyno_rows_step steps[] = {{16, 1, run_16}, {4, 1, run_4}, {1, 1, run_1}};

#define VARIANT(dtype, format)                                                                     \
  void dyno_matmul_##dtype##_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0,          \
                                               size_t row1)                                        \
  {                                                                                                \
    dyno_rows_matmul(args, row0, row1, format, steps);                                             \
  }

VARIANT(q8_0, DYNO_Q8_0)
VARIANT(q4_0, DYNO_Q4_0)
VARIANT(q4_1, DYNO_Q4_1)
VARIANT(q5_0, DYNO_Q5_0)
VARIANT(q4_k, DYNO_Q4_K)
VARIANT(q5_k, DYNO_Q5_K)
VARIANT(q6_k, DYNO_Q6_K)
VARIANT(mxfp4, DYNO_MXFP4)
