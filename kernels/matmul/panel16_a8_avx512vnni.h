/* The inner step of the VNNI variants. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_A8_AVX512VNNI_H
#define DYNO_KERNELS_MATMUL_PANEL16_A8_AVX512VNNI_H

#include "kernels/matmul/panel16_a8_avx512.h"

/* Two tokens side by side hide the latency of vpdpbusd; the registers have room for no more. */
enum { DYNO_VNNI_ABREAST = 2 };

/* products[u] = weights . quants of token first + u, without the offset of the weights. weights[j]
 * holds elements 4j to 4j + 3 of each row as unsigned bytes. */
DYNO_ALWAYS_INLINE void dyno_vnni_products(__m512i *products, const __m512i *weights,
                                           const uint8_t *batch, size_t tokens, size_t first,
                                           size_t abreast)
{
  DYNO_UNROLL
  for (size_t u = 0; u < abreast; u++)
    products[u] = dyno_broadcast512(dyno_a8_corrections(batch, tokens) + 4 * (first + u));
  DYNO_UNROLL
  for (size_t j = 0; j < 8; j++)
    DYNO_UNROLL
  for (size_t u = 0; u < abreast; u++)
    products[u] = _mm512_dpbusd_epi32(
        products[u], weights[j], dyno_broadcast512(batch + DYNO_A8_BLOCK * (first + u) + 4 * j));
}

/* The same for a batch of one, in two halves that do not wait for each other. */
DYNO_ALWAYS_INLINE __m512i dyno_vnni_product(const __m512i *weights, const uint8_t *batch)
{
  __m512i even = dyno_broadcast512(dyno_a8_corrections(batch, 1)), odd = _mm512_setzero_si512();
  DYNO_UNROLL
  for (size_t j = 0; j < 8; j += 2) {
    even = _mm512_dpbusd_epi32(even, weights[j], dyno_broadcast512(batch + 4 * j));
    odd = _mm512_dpbusd_epi32(odd, weights[j + 1], dyno_broadcast512(batch + 4 * j + 4));
  }
  return _mm512_add_epi32(even, odd);
}

DYNO_ALWAYS_INLINE void dyno_vnni_scaled(__m512 *sums, const __m512i *weights, __m512 scales,
                                         const uint8_t *batch, size_t tokens)
{
  const uint8_t *batch_scales = dyno_a8_batch_scales(batch, tokens);
  size_t abreast = tokens < DYNO_VNNI_ABREAST ? tokens : DYNO_VNNI_ABREAST;
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t += abreast) {
    __m512i products[DYNO_VNNI_ABREAST];
    dyno_vnni_products(products, weights, batch, tokens, t, abreast);
    DYNO_UNROLL
    for (size_t u = 0; u < abreast; u++)
      sums[t + u] =
          dyno_add_scaled512(sums[t + u], products[u], scales, batch_scales + 4 * (t + u));
  }
}

/* For ordinary scales of MXFP4. */
DYNO_ALWAYS_INLINE void dyno_vnni_raised(__m512 *sums, const __m512i *weights, __m512i exponents,
                                         const uint8_t *batch, size_t tokens)
{
  const uint8_t *batch_scales = dyno_a8_batch_scales(batch, tokens);
  size_t abreast = tokens < DYNO_VNNI_ABREAST ? tokens : DYNO_VNNI_ABREAST;
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t += abreast) {
    __m512i products[DYNO_VNNI_ABREAST];
    dyno_vnni_products(products, weights, batch, tokens, t, abreast);
    DYNO_UNROLL
    for (size_t u = 0; u < abreast; u++)
      sums[t + u] =
          dyno_add_raised512(sums[t + u], products[u], exponents, batch_scales + 4 * (t + u));
  }
}

#endif
