/* Q8_0 x A8 from panels of 16 rows, without VNNI. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx512.h"

/* vpmaddubsw multiplies unsigned with signed bytes and would saturate on weights that were offset
 * by 128; so it gets their magnitudes, and the activations take over their signs. A sum of two
 * products is then at most 2 * 128 * 127, which fits into 16 bits. */
DYNO_ALWAYS_INLINE void multiply_block(__m512 *sums, const dyno_panel16_blocks *at, size_t tokens)
{
  const __m512i ones = _mm512_set1_epi16(1), zero = _mm512_setzero_si512();
  __m512i products[DYNO_PANEL16_MOST_TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    products[t] = zero;
  DYNO_UNROLL
  for (size_t j = 0; j < 8; j++) {
    __m512i stored = _mm512_load_si512(at->quants + j * DYNO_PANEL16_LINE);
    __m512i weights = _mm512_xor_si512(stored, _mm512_set1_epi8(-128));
    __m512i magnitudes = _mm512_abs_epi8(weights);
    __mmask64 negative = _mm512_movepi8_mask(weights);
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      __m512i activations = _mm512_set1_epi32(dyno_panel16_quants(at, t, j));
      activations = _mm512_mask_sub_epi8(activations, negative, zero, activations);
      __m512i pairs = _mm512_maddubs_epi16(magnitudes, activations);
      products[t] = _mm512_add_epi32(products[t], _mm512_madd_epi16(pairs, ones));
    }
  }
  __m512 scales = dyno_half_scales512(at);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = dyno_add_block512(sums[t], products[t], scales, dyno_panel16_scale(at, t));
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q8_0_BYTES, DYNO_PANEL16_Q8_0_GROUP};

DYNO_TILE512_STEP(1)
DYNO_TILE512_STEP(2)
DYNO_TILE512_STEP(4)
DYNO_TILE512_STEP(8)

static const dyno_panel16_step steps[] = {{8, run_8}, {4, run_4}, {2, run_2}, {1, run_1}};

void dyno_matmul_q8_0_a8_m8n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul_a8(args, row0, row1, &shape, steps);
}
