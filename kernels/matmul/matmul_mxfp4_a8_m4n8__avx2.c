/* MXFP4 x A8 from panels of 16 rows. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx2.h"

enum { OFFSET = 12 };

/* The doubled E2M1 values of the low nibbles, plus 12. */
DYNO_ALWAYS_INLINE __m256i unpack(__m256i nibbles)
{
  const __m128i values = _mm_loadu_si128((const void *)dyno_e2m1_doubled);
  const __m256i table =
      _mm256_add_epi8(_mm256_broadcastsi128_si256(values), _mm256_set1_epi8(OFFSET));
  return _mm256_shuffle_epi8(table, _mm256_and_si256(nibbles, _mm256_set1_epi8(15)));
}

DYNO_ALWAYS_INLINE void multiply_block(__m256 *sums, const dyno_panel16_blocks *at, size_t half,
                                       size_t tokens)
{
  const uint8_t *quants = at->quants + 4 * DYNO_TILE256_ROWS * half;
  __m256i products[DYNO_TILE256_MOST_TOKENS];
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    products[t] = _mm256_set1_epi32(-OFFSET * dyno_panel16_sum(at, t));
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
  __m256 scales = dyno_mxfp4_scales256(at, half);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    sums[t] = dyno_add_block256(sums[t], products[t], scales, dyno_panel16_scale(at, t));
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_MXFP4_BYTES, DYNO_PANEL16_MXFP4_GROUP};

DYNO_TILE256_SINGLE_STEP
DYNO_TILE256_STEP(2)
DYNO_TILE256_STEP(4)

static const dyno_panel16_step steps[] = {{4, run_4}, {2, run_2}, {1, run_1}};

void dyno_matmul_mxfp4_a8_m4n8__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul_a8(args, row0, row1, &shape, steps);
}
