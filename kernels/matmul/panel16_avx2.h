/* What the AVX2 variants over panels of 16 rows share: a lane is a row, and a tile is half a panel
 * times a few tokens. Bodies take `tokens` as a constant, so that sums[tokens] lives in registers.
 */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_AVX2_H
#define DYNO_KERNELS_MATMUL_PANEL16_AVX2_H

#include <immintrin.h>

#include "kernels/base/vector_avx2.h"
#include "kernels/matmul/panel16.h"

enum {
  DYNO_TILE256_ROWS = DYNO_LANES256, /* half of a panel's */
};

/* The scales of the block at hand, in rows 8 half to 8 half + 7. MXFP4: 2^(e - 128), as in
 * panel16_avx512.h. The load begins at most three bytes before the line, in the quants. */
DYNO_ALWAYS_INLINE __m256 dyno_mxfp4_scales256(const dyno_panel16_blocks *at, size_t half)
{
  const void *shifted = at->line + 4 * DYNO_TILE256_ROWS * half + at->in_group - 3;
  __m256i top = _mm256_loadu_si256(shifted);
  __m256i bits = _mm256_and_si256(_mm256_srli_epi32(top, 1), _mm256_set1_epi32(0x7f800000));
  bits = _mm256_max_epi32(bits, _mm256_set1_epi32(0x00400000));
  return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0.5f));
}

/* Q4_0 and Q8_0: 8 halves. */
DYNO_ALWAYS_INLINE __m256 dyno_half_scales256(const dyno_panel16_blocks *at, size_t half)
{
  const void *halves = at->line + 2 * (DYNO_PANEL16_ROWS * at->in_group + DYNO_TILE256_ROWS * half);
  return _mm256_cvtph_ps(_mm_load_si128(halves));
}

/* Additions of integers that the compiler leaves as they are. It knows that their order does not
 * matter, multiplies first and adds up later, and spills the products that it has no registers
 * for: with them in order a tile takes half as long. */
DYNO_ALWAYS_INLINE __m256i dyno_add_epi16(__m256i a, __m256i b)
{
  __m256i sum = _mm256_add_epi16(a, b);
  __asm__("" : "+x"(sum));
  return sum;
}

DYNO_ALWAYS_INLINE __m256i dyno_add_epi32(__m256i a, __m256i b)
{
  __m256i sum = _mm256_add_epi32(a, b);
  __asm__("" : "+x"(sum));
  return sum;
}

DYNO_ALWAYS_INLINE void dyno_zero_sums256(__m256 *sums, size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = _mm256_setzero_ps();
}

DYNO_ALWAYS_INLINE void dyno_store_sums256(const dyno_panel16_tile *tile, const __m256 *sums,
                                           size_t half, size_t tokens)
{
  size_t first = DYNO_TILE256_ROWS * half;
  if (first >= tile->rows)
    return;
  size_t rows = tile->rows - first;
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m256 sum = sums[t];
    if (tile->bias != NULL)
      sum = _mm256_add_ps(sum, dyno_load256(tile->bias + first, rows));
    dyno_store256(tile->output + t * tile->output_stride + first, rows, sum);
  }
}

#endif
