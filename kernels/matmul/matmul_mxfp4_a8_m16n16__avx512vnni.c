/* MXFP4 x A8 from panels of 16 rows. vpermb turns nibbles into the doubled E2M1 value plus 12; as
 * it looks at the low six bits of an index only, and the table is repeated four times, the other
 * nibble need not be masked off. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_avx512vnni.h"

enum { OFFSET = 12 };

DYNO_ALWAYS_INLINE void load_block(__m512i weights[8], const uint8_t *quants)
{
  const __m128i values = _mm_loadu_si128((const void *)dyno_e2m1_doubled);
  const __m512i table = _mm512_add_epi8(_mm512_broadcast_i32x4(values), _mm512_set1_epi8(OFFSET));
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    __m512i nibbles = _mm512_load_si512(quants + j * DYNO_PANEL16_LINE);
    weights[j] = _mm512_permutexvar_epi8(nibbles, table);
    weights[j + 4] = _mm512_permutexvar_epi8(_mm512_srli_epi16(nibbles, 4), table);
  }
}

static const dyno_vnni_format format = {
    .shape = DYNO_PANEL16_MXFP4_SHAPE,
    .offset = OFFSET,
    .load = load_block,
    .scales = dyno_mxfp4_scales,
};

DYNO_VNNI_STEPS(format);

void dyno_matmul_mxfp4_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_matmul(args, row0, row1, &format.shape, steps);
}
