/* Q4_1 x A8 from panels of 16 rows. The minimum of a block is multiplied with the sum of the
 * activations, in an addition of its own. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx2.h"

DYNO_ALWAYS_INLINE __m256i unpack(__m256i nibbles)
{
  return _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
}

DYNO_ALWAYS_INLINE void multiply_block(__m256 *sums, const dyno_panel16_blocks *at, size_t half,
                                       size_t tokens)
{
  const uint8_t *quants = at->quants + 4 * DYNO_TILE256_ROWS * half;
  __m256i products[DYNO_TILE256_MOST_TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    products[t] = _mm256_setzero_si256();
  DYNO_UNROLL
  for (size_t high = 0; high < 2; high++) {
    __m256i weights[4];
    DYNO_UNROLL
    for (size_t j = 0; j < 4; j++) {
      __m256i nibbles = _mm256_load_si256((const void *)(quants + j * DYNO_PANEL16_LINE));
      weights[j] = unpack(high ? _mm256_srli_epi16(nibbles, 4) : nibbles);
    }
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      products[t] = dyno_add_products256(products[t], weights, at, t, 4 * high);
  }
  const void *halves = at->line + 2 * (DYNO_PANEL16_ROWS + DYNO_TILE256_ROWS * half);
  __m256 scales = dyno_half_scales256(at, half), minima = _mm256_cvtph_ps(_mm_load_si128(halves));
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m256i quant_sum = _mm256_set1_epi32(dyno_panel16_sum(at, t));
    sums[t] = dyno_add_block256(sums[t], products[t], scales, dyno_panel16_scale(at, t));
    sums[t] = dyno_add_block256(sums[t], quant_sum, minima, dyno_panel16_scale(at, t));
  }
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q4_1_BYTES, DYNO_PANEL16_Q4_1_GROUP};

DYNO_TILE256_SINGLE_STEP
DYNO_TILE256_STEP(2)
DYNO_TILE256_STEP(4)

static const dyno_panel16_step steps[] = {{4, run_4}, {2, run_2}, {1, run_1}};

void dyno_matmul_q4_1_a8_m4n8__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul_a8(args, row0, row1, &shape, steps);
}
