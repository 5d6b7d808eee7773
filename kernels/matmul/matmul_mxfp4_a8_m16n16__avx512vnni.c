/* MXFP4 x A8 from panels of 16 rows. vpermb turns nibbles into the doubled E2M1 value plus 12; as
 * it looks at the low six bits of an index only, and the table is repeated four times, the other
 * nibble need not be masked off. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_a8_avx512vnni.h"

enum { OFFSET = 12 };

static const dyno_panel16_shape shape = {DYNO_PANEL16_MXFP4_BYTES, DYNO_PANEL16_MXFP4_GROUP};

DYNO_ALWAYS_INLINE void unpack_block(__m512i *weights, const uint8_t *quants)
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

DYNO_ALWAYS_INLINE __m512i multiply_block(const uint8_t *quants, const uint8_t *batch)
{
  __m512i weights[8];
  unpack_block(weights, quants);
  return dyno_vnni_product(weights, batch);
}

DYNO_ALWAYS_INLINE __m512 add_products(__m512 sum, __m512i products, const uint8_t *line,
                                       size_t in_group, const uint8_t *batch)
{
  __m512 scales = dyno_mxfp4_scales512(dyno_mxfp4_exponents512(line, in_group));
  return dyno_add_scaled512(sum, products, scales, dyno_a8_batch_scales(batch, 1));
}

DYNO_ALWAYS_INLINE bool is_ordinary(const uint8_t *line)
{
  return dyno_mxfp4_ordinary512(line);
}

DYNO_ALWAYS_INLINE void add_block(__m512 *sums, const uint8_t *quants, const uint8_t *line,
                                  size_t in_group, const uint8_t *batch, size_t tokens,
                                  bool ordinary)
{
  __m512i weights[8];
  unpack_block(weights, quants);
  __m512i exponents = dyno_mxfp4_exponents512(line, in_group);
  if (ordinary) /* 128 less: see dyno_mxfp4_scales512 */
    dyno_vnni_raised(sums, weights, _mm512_sub_epi32(exponents, _mm512_set1_epi32(128 << 23)),
                     batch, tokens);
  else
    dyno_vnni_scaled(sums, weights, dyno_mxfp4_scales512(exponents), batch, tokens);
}

DYNO_A8_TILES512

static const dyno_a8_variant variant = {
    {DYNO_PANEL16_MXFP4_BYTES, DYNO_PANEL16_MXFP4_GROUP}, OFFSET, steps, 16};

void dyno_matmul_mxfp4_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_a8_matmul(args, row0, row1, &variant);
}
