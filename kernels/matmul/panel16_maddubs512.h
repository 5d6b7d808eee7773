/* The inner step of the AVX-512 variants without VNNI, for weights of few bits. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_MADDUBS512_H
#define DYNO_KERNELS_MATMUL_PANEL16_MADDUBS512_H

#include "kernels/matmul/panel16_avx512.h"

/* As dyno_vnni_block, for weights up to 24: four sums of two products are at most
 * 4 * 2 * 24 * 127, so 16 bits hold them and nothing saturates. */
DYNO_ALWAYS_INLINE void dyno_maddubs_block512(__m512 *sums, const __m512i *weights, int offset,
                                              __m512 scales, const dyno_panel16_blocks *at,
                                              size_t tokens)
{
  const __m512i ones = _mm512_set1_epi16(1);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m512i products = _mm512_set1_epi32(-offset * dyno_panel16_sum(at, t));
    DYNO_UNROLL
    for (size_t half = 0; half < 8; half += 4) {
      __m512i pairs = _mm512_setzero_si512();
      DYNO_UNROLL
      for (size_t j = half; j < half + 4; j++)
        pairs = _mm512_add_epi16(
            pairs,
            _mm512_maddubs_epi16(weights[j], _mm512_set1_epi32(dyno_panel16_quants(at, t, j))));
      products = _mm512_add_epi32(products, _mm512_madd_epi16(pairs, ones));
    }
    sums[t] = dyno_add_block512(sums[t], products, scales, dyno_panel16_scale(at, t));
  }
}

#endif
