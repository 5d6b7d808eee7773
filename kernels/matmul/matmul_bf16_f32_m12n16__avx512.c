/* BF16 weights in panels of 16 rows times float activations: a lane is a row. Each output has an
 * accumulator for the even columns and one for the odd. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx512.h"

enum { MOST_TOKENS = 12 };

typedef struct row_sums {
  __m512 even[MOST_TOKENS], odd[MOST_TOKENS];
} row_sums;

DYNO_ALWAYS_INLINE __m512 even_columns(__m512i pairs)
{
  return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

DYNO_ALWAYS_INLINE __m512 odd_columns(__m512i pairs)
{
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000u)));
}

DYNO_ALWAYS_INLINE __m512 multiply_add(__m512 weights, const uint8_t *activation, size_t column,
                                       __m512 sum)
{
  float x;
  memcpy(&x, activation + column * sizeof x, sizeof x);
  return _mm512_fmadd_ps(weights, _mm512_set1_ps(x), sum);
}

/* tokens is a constant of the caller. */
DYNO_ALWAYS_INLINE void run_tile(const dyno_panel16_tile *tile, size_t tokens)
{
  row_sums sums;
  const uint8_t *activation[MOST_TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    sums.even[t] = sums.odd[t] = _mm512_setzero_ps();
    activation[t] = tile->activation + t * tile->activation_stride;
  }

  const uint8_t *line = tile->panel;
  size_t i = 0;
  for (; i + 2 <= tile->k; i += 2, line += DYNO_PANEL16_LINE) {
    __m512i pairs = _mm512_load_si512(line);
    __m512 even = even_columns(pairs), odd = odd_columns(pairs);
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      sums.even[t] = multiply_add(even, activation[t], i, sums.even[t]);
      sums.odd[t] = multiply_add(odd, activation[t], i + 1, sums.odd[t]);
    }
  }
  if (i < tile->k) {
    __m512 even = even_columns(_mm512_load_si512(line));
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      sums.even[t] = multiply_add(even, activation[t], i, sums.even[t]);
  }

  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums.even[t] = _mm512_add_ps(sums.even[t], sums.odd[t]);
  dyno_store_sums512(tile, sums.even, tokens);
}

#define STEP(tokens)                                                                               \
  static void run_##tokens(const dyno_panel16_tile *tile)                                          \
  {                                                                                                \
    run_tile(tile, tokens);                                                                        \
  }

STEP(1)
STEP(2)
STEP(4)
STEP(12)

static const dyno_panel16_step steps[] = {{12, run_12}, {4, run_4}, {2, run_2}, {1, run_1}};

void dyno_matmul_bf16_f32_m12n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  size_t panel_bytes = (args->k + 1) / 2 * DYNO_PANEL16_LINE;
  dyno_panel16_matmul(args, row0, row1, panel_bytes, args->k * sizeof(float), steps);
}
