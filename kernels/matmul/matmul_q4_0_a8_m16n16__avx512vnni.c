/* Q4_0 x A8 from panels of 16 rows. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_a8_avx512vnni.h"

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q4_0_BYTES, DYNO_PANEL16_Q4_0_GROUP};

DYNO_ALWAYS_INLINE void unpack_block(__m512i *weights, const uint8_t *quants)
{
  const __m512i low = _mm512_set1_epi8(15);
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    __m512i nibbles = _mm512_load_si512(quants + j * DYNO_PANEL16_LINE);
    weights[j] = _mm512_and_si512(nibbles, low);
    weights[j + 4] = _mm512_and_si512(_mm512_srli_epi16(nibbles, 4), low);
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
  return dyno_add_scaled512(sum, products, dyno_half_scales512(line, in_group),
                            dyno_a8_batch_scales(batch, 1));
}

DYNO_ALWAYS_INLINE bool is_ordinary(const uint8_t *line)
{
  (void)line;
  return false;
}

DYNO_ALWAYS_INLINE void add_block(__m512 *sums, const uint8_t *quants, const uint8_t *line,
                                  size_t in_group, const uint8_t *batch, size_t tokens,
                                  bool ordinary)
{
  (void)ordinary;
  __m512i weights[8];
  unpack_block(weights, quants);
  dyno_vnni_scaled(sums, weights, dyno_half_scales512(line, in_group), batch, tokens);
}

DYNO_A8_TILES512

static const dyno_a8_variant variant = {
    {DYNO_PANEL16_Q4_0_BYTES, DYNO_PANEL16_Q4_0_GROUP}, 8, steps, 16};

void dyno_matmul_q4_0_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_a8_matmul(args, row0, row1, &variant);
}
