/* Q4_0 x A8 from panels of 16 rows, without VNNI. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_maddubs512.h"

DYNO_ALWAYS_INLINE void multiply_block(__m512 *sums, const dyno_panel16_blocks *at, size_t tokens)
{
  const __m512i low = _mm512_set1_epi8(15);
  __m512i weights[8];
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    __m512i nibbles = _mm512_load_si512(at->quants + j * DYNO_PANEL16_LINE);
    weights[j] = _mm512_and_si512(nibbles, low);
    weights[j + 4] = _mm512_and_si512(_mm512_srli_epi16(nibbles, 4), low);
  }
  dyno_maddubs_block512(sums, weights, 8, dyno_half_scales512(at), at, tokens);
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q4_0_BYTES, DYNO_PANEL16_Q4_0_GROUP};

DYNO_TILE512_STEP(1)
DYNO_TILE512_STEP(2)
DYNO_TILE512_STEP(4)
DYNO_TILE512_STEP(8)
DYNO_TILE512_STEP(16)

static const dyno_panel16_step steps[] = {
    {16, run_16}, {8, run_8}, {4, run_4}, {2, run_2}, {1, run_1}};

void dyno_matmul_q4_0_a8_m16n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul_a8(args, row0, row1, &shape, steps);
}
