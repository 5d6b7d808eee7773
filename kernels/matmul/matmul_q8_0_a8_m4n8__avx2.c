/* Q8_0 x A8 from panels of 16 rows. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx2.h"

/* vpmaddubsw multiplies unsigned with signed bytes and would saturate on weights that were offset
 * by 128; so it gets their magnitudes, and the activations take over their signs. A sum of two
 * products is then at most 2 * 128 * 127, which fits into 16 bits. */
DYNO_ALWAYS_INLINE void multiply_block(__m256 *sums, const dyno_panel16_blocks *at, size_t half,
                                       size_t tokens)
{
  const uint8_t *quants = at->quants + 4 * DYNO_TILE256_ROWS * half;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i products[DYNO_TILE256_MOST_TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    products[t] = _mm256_setzero_si256();
  DYNO_UNROLL
  for (size_t j = 0; j < 8; j++) {
    __m256i stored = _mm256_load_si256((const void *)(quants + j * DYNO_PANEL16_LINE));
    __m256i weights = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
    __m256i magnitudes = _mm256_abs_epi8(weights);
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      __m256i activations = _mm256_set1_epi32(dyno_panel16_quants(at, t, j));
      __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(activations, weights));
      products[t] = _mm256_add_epi32(products[t], _mm256_madd_epi16(pairs, ones));
    }
  }
  __m256 scales = dyno_half_scales256(at, half);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = dyno_add_block256(sums[t], products[t], scales, dyno_panel16_scale(at, t));
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q8_0_BYTES, DYNO_PANEL16_Q8_0_GROUP};

DYNO_TILE256_SINGLE_STEP
DYNO_TILE256_STEP(2)
DYNO_TILE256_STEP(4)

static const dyno_panel16_step steps[] = {{4, run_4}, {2, run_2}, {1, run_1}};

void dyno_matmul_q8_0_a8_m4n8__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul_a8(args, row0, row1, &shape, steps);
}
