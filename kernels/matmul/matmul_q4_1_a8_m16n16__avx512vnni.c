/* Q4_1 x A8 from panels of 16 rows. The corrections of a batch are the sums of its quants: they
 * take part in the products of the minima, not in the others. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_a8_avx512vnni.h"

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q4_1_BYTES, DYNO_PANEL16_Q4_1_GROUP};

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
  __m512i weights[8], products;
  unpack_block(weights, quants);
  products = dyno_vnni_product(weights, batch);
  return _mm512_sub_epi32(products, dyno_broadcast512(dyno_a8_corrections(batch, 1)));
}

/* Adds the products of one block and then those of its minimum, as DYNO_MATMUL_A8_NUMERICS
 * says. */
DYNO_ALWAYS_INLINE __m512 add_both(__m512 sum, __m512i products, const uint8_t *line,
                                   const uint8_t *quant_sum, const uint8_t *scale)
{
  sum = dyno_add_scaled512(sum, products, dyno_half_scales512(line, 0), scale);
  return dyno_add_scaled512(sum, dyno_broadcast512(quant_sum), dyno_half_scales512(line, 1), scale);
}

DYNO_ALWAYS_INLINE __m512 add_products(__m512 sum, __m512i products, const uint8_t *line,
                                       size_t in_group, const uint8_t *batch)
{
  (void)in_group;
  return add_both(sum, products, line, dyno_a8_corrections(batch, 1),
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
  (void)in_group;
  (void)ordinary;
  __m512i weights[8];
  unpack_block(weights, quants);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const uint8_t *quant_sum = dyno_a8_corrections(batch, tokens) + 4 * t;
    __m512i products;
    dyno_vnni_products(&products, weights, batch, tokens, t, 1);
    products = _mm512_sub_epi32(products, dyno_broadcast512(quant_sum));
    sums[t] =
        add_both(sums[t], products, line, quant_sum, dyno_a8_batch_scales(batch, tokens) + 4 * t);
  }
}

DYNO_A8_TILES512

static const dyno_a8_variant variant = {
    {DYNO_PANEL16_Q4_1_BYTES, DYNO_PANEL16_Q4_1_GROUP}, -1, steps, 16};

void dyno_matmul_q4_1_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_a8_matmul(args, row0, row1, &variant);
}
