/* What the AVX-512 variants over panels of 16 rows share, with and without VNNI: a lane is a row.
 * Bodies take `tokens` as a constant, so that sums[tokens] lives in registers. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_AVX512_H
#define DYNO_KERNELS_MATMUL_PANEL16_AVX512_H

#include <immintrin.h>

#include "kernels/base/compiler.h"
#include "kernels/matmul/panel16.h"

/* The scales of the block at hand. MXFP4: 2^(e - 128), which goes with doubled E2M1 values. The
 * load is shifted so that the exponents wanted are the top bytes of the dwords; it begins at most
 * three bytes before the line, in the quants. Exponent 0 means 2^-127, the subnormal with the bits
 * 0x00400000. */
DYNO_ALWAYS_INLINE __m512 dyno_mxfp4_scales512(const dyno_panel16_blocks *at)
{
  __m512i top = _mm512_loadu_si512(at->line + at->in_group - 3);
  __m512i bits = _mm512_and_si512(_mm512_srli_epi32(top, 1), _mm512_set1_epi32(0x7f800000));
  bits = _mm512_max_epi32(bits, _mm512_set1_epi32(0x00400000));
  return _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0.5f));
}

/* Q4_0 and Q8_0: 16 halves. */
DYNO_ALWAYS_INLINE __m512 dyno_half_scales512(const dyno_panel16_blocks *at)
{
  const void *halves = at->line + 2 * DYNO_PANEL16_ROWS * at->in_group;
  return _mm512_cvtph_ps(_mm256_load_si256(halves));
}

/* Adds one token's block, rounded as DYNO_MATMUL_A8_NUMERICS says. */
DYNO_ALWAYS_INLINE __m512 dyno_add_block512(__m512 sum, __m512i products, __m512 weight_scales,
                                            float activation_scale)
{
  __m512 scales = _mm512_mul_ps(weight_scales, _mm512_set1_ps(activation_scale));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scales, sum);
}

DYNO_ALWAYS_INLINE void dyno_zero_sums512(__m512 *sums, size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = _mm512_setzero_ps();
}

DYNO_ALWAYS_INLINE void dyno_store_sums512(const dyno_panel16_tile *tile, const __m512 *sums,
                                           size_t tokens)
{
  __mmask16 rows = (__mmask16)((1u << tile->rows) - 1);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m512 sum = sums[t];
    if (tile->bias != NULL)
      sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(rows, tile->bias));
    _mm512_mask_storeu_ps(tile->output + t * tile->output_stride, rows, sum);
  }
}

/* Defines run_<tokens>, a dyno_panel16_step, from two things of the file that uses it:
 *
 *   static const dyno_panel16_shape shape
 *   void multiply_block(__m512 *sums, const dyno_panel16_blocks *at, size_t tokens)
 */
#define DYNO_TILE512_STEP(tokens)                                                                  \
  static void run_##tokens(const dyno_panel16_tile *tile)                                          \
  {                                                                                                \
    __m512 sums[tokens];                                                                           \
    dyno_zero_sums512(sums, tokens);                                                               \
    dyno_panel16_blocks at = dyno_panel16_first_block(tile, tokens, shape);                        \
    for (; at.left > 0; dyno_panel16_next_block(&at))                                              \
      multiply_block(sums, &at, tokens);                                                           \
    dyno_store_sums512(tile, sums, tokens);                                                        \
  }

#endif
