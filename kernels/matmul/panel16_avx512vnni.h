/* The inner step of the VNNI variants. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_AVX512VNNI_H
#define DYNO_KERNELS_MATMUL_PANEL16_AVX512VNNI_H

#include "kernels/matmul/panel16_avx512.h"

/* weights[j] holds elements 4j to 4j + 3 of each row as unsigned bytes, `offset` too large; the
 * products of the offset are taken off again through the sum of the activations. */
DYNO_ALWAYS_INLINE void dyno_vnni_block(__m512 *sums, const __m512i *weights, int offset,
                                        __m512 scales, const dyno_panel16_blocks *at, size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m512i products = _mm512_set1_epi32(-offset * dyno_panel16_sum(at, t));
    DYNO_UNROLL
    for (size_t j = 0; j < 8; j++)
      products = _mm512_dpbusd_epi32(products, weights[j],
                                     _mm512_set1_epi32(dyno_panel16_quants(at, t, j)));
    sums[t] = dyno_add_block512(sums[t], products, scales, dyno_panel16_scale(at, t));
  }
}

#endif
