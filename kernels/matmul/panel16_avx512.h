/* What the AVX-512 variants over panels of 16 rows share: a lane is a row. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_AVX512_H
#define DYNO_KERNELS_MATMUL_PANEL16_AVX512_H

#include <immintrin.h>

#include "kernels/base/a8.h"
#include "kernels/base/compiler.h"
#include "kernels/matmul/panel16.h"

/* Where the activations of a tile's tokens lie. */
typedef struct dyno_tile_tokens {
  const uint8_t *row[DYNO_PANEL16_MOST_TOKENS];
  size_t scales, sums; /* offsets of the planes in a row */
} dyno_tile_tokens;

DYNO_ALWAYS_INLINE void dyno_tile_start(dyno_tile_tokens *at, __m512 *sums,
                                        const dyno_panel16_tile *tile, size_t tokens)
{
  at->scales = dyno_a8_scales_offset(tile->k);
  at->sums = dyno_a8_sums_offset(tile->k);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    at->row[t] = tile->activation + t * tile->activation_stride;
    sums[t] = _mm512_setzero_ps();
  }
}

DYNO_ALWAYS_INLINE void dyno_tile_finish(const dyno_panel16_tile *tile, const __m512 *sums,
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

DYNO_ALWAYS_INLINE int32_t dyno_load_i32(const uint8_t *bytes)
{
  int32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

DYNO_ALWAYS_INLINE float dyno_load_f32(const uint8_t *bytes)
{
  float value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/* sum + dot * (weight_scale * activation_scale), rounded as DYNO_MATMUL_A8_NUMERICS says. */
DYNO_ALWAYS_INLINE __m512 dyno_add_block(__m512 sum, __m512i dot, __m512 weight_scale,
                                         float activation_scale)
{
  __m512 scale = _mm512_mul_ps(weight_scale, _mm512_set1_ps(activation_scale));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, sum);
}

/* The scales of a block, given the line of scales of its group and its number in the group. */

/* MXFP4: 2^(e - 128), which goes with doubled E2M1 values. The load is shifted so that the
 * exponents wanted are the top bytes of the dwords; it begins at most three bytes before the line,
 * in the quants. Exponent 0 means 2^-127, the subnormal with the bits 0x00400000. */
DYNO_ALWAYS_INLINE __m512 dyno_mxfp4_scales(const uint8_t *line, size_t in_group)
{
  __m512i top = _mm512_loadu_si512(line + in_group - 3);
  __m512i bits = _mm512_and_si512(_mm512_srli_epi32(top, 1), _mm512_set1_epi32(0x7f800000));
  bits = _mm512_max_epi32(bits, _mm512_set1_epi32(0x00400000));
  return _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0.5f));
}

/* Q4_0 and Q8_0: 16 halves. */
DYNO_ALWAYS_INLINE __m512 dyno_half_scales(const uint8_t *line, size_t in_group)
{
  const void *halves = line + 2 * DYNO_PANEL16_ROWS * in_group;
  return _mm512_cvtph_ps(_mm256_load_si256(halves));
}

#endif
