/* Q8_0 x A8 from panels of 16 rows, whose quants are stored 128 too large. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx512vnni.h"

DYNO_ALWAYS_INLINE void load_block(__m512i weights[8], const uint8_t *quants)
{
  DYNO_UNROLL
  for (size_t j = 0; j < 8; j++)
    weights[j] = _mm512_load_si512(quants + j * DYNO_PANEL16_LINE);
}

static const dyno_vnni_format format = {
    .shape = DYNO_PANEL16_Q8_0_SHAPE,
    .offset = 128,
    .load = load_block,
    .scales = dyno_half_scales,
};

DYNO_VNNI_STEPS(format);

void dyno_matmul_q8_0_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul(args, row0, row1, &format.shape, steps);
}
