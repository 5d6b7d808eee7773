/* BF16 weights in panels of 16 rows times float activations: a lane is a row, and a tile half a
 * panel. Each output has an accumulator for the even columns and one for the odd. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx2.h"

enum { MOST_TOKENS = 6 };

/* Of the rows of one half. */
typedef struct row_sums {
  __m256 even[MOST_TOKENS], odd[MOST_TOKENS];
} row_sums;

DYNO_ALWAYS_INLINE void zero(row_sums *sums, size_t tokens)
{
  dyno_zero_sums256(sums->even, tokens);
  dyno_zero_sums256(sums->odd, tokens);
}

DYNO_ALWAYS_INLINE __m256 multiply_add(__m256 weights, const uint8_t *activation, size_t column,
                                       __m256 sum)
{
  float x;
  memcpy(&x, activation + column * sizeof x, sizeof x);
  return _mm256_fmadd_ps(weights, _mm256_set1_ps(x), sum);
}

/* Columns i and i + 1, or column i only. */
DYNO_ALWAYS_INLINE void multiply_pair(row_sums *sums, const dyno_panel16_tile *tile, size_t half,
                                      size_t i, bool both, size_t tokens)
{
  const void *line = tile->panel + i / 2 * DYNO_PANEL16_LINE + half * 4 * DYNO_TILE256_ROWS;
  __m256i pairs = _mm256_load_si256(line);
  __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000u)));
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const uint8_t *activation = tile->activation + t * tile->activation_stride;
    sums->even[t] = multiply_add(even, activation, i, sums->even[t]);
    if (both)
      sums->odd[t] = multiply_add(odd, activation, i + 1, sums->odd[t]);
  }
}

DYNO_ALWAYS_INLINE void store(const dyno_panel16_tile *tile, row_sums *sums, size_t half,
                              size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums->even[t] = _mm256_add_ps(sums->even[t], sums->odd[t]);
  dyno_store_sums256(tile, sums->even, half, tokens);
}

/* Both halves at once, so that the panel is read as one stream. */
static void run_1(const dyno_panel16_tile *tile)
{
  row_sums first, second;
  zero(&first, 1);
  zero(&second, 1);
  size_t i = 0;
  for (; i + 2 <= tile->k; i += 2) {
    multiply_pair(&first, tile, 0, i, true, 1);
    multiply_pair(&second, tile, 1, i, true, 1);
  }
  if (i < tile->k) {
    multiply_pair(&first, tile, 0, i, false, 1);
    multiply_pair(&second, tile, 1, i, false, 1);
  }
  store(tile, &first, 0, 1);
  store(tile, &second, 1, 1);
}

/* One half after the other, because the sums need the registers. tokens is a constant of the
 * caller. */
DYNO_ALWAYS_INLINE void run_tile(const dyno_panel16_tile *tile, size_t tokens)
{
  for (size_t half = 0; DYNO_TILE256_ROWS * half < tile->rows; half++) {
    row_sums sums;
    zero(&sums, tokens);
    size_t i = 0;
    for (; i + 2 <= tile->k; i += 2)
      multiply_pair(&sums, tile, half, i, true, tokens);
    if (i < tile->k)
      multiply_pair(&sums, tile, half, i, false, tokens);
    store(tile, &sums, half, tokens);
  }
}

#define STEP(tokens)                                                                               \
  static void run_##tokens(const dyno_panel16_tile *tile)                                          \
  {                                                                                                \
    run_tile(tile, tokens);                                                                        \
  }

STEP(2)
STEP(6)

static const dyno_panel16_step steps[] = {{6, run_6}, {2, run_2}, {1, run_1}};

void dyno_matmul_bf16_f32_m6n8__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  size_t panel_bytes = (args->k + 1) / 2 * DYNO_PANEL16_LINE;
  dyno_panel16_matmul(args, row0, row1, panel_bytes, args->k * sizeof(float), steps);
}
