/* Q4_1 x A8 from panels of 16 rows. The minimum of a block is multiplied with the sum of the
 * activations, in an addition of its own. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_nibbles_avx2.h"

DYNO_ALWAYS_INLINE __m256i unpack(__m256i nibbles)
{
  return _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q4_1_BYTES, DYNO_PANEL16_Q4_1_GROUP};

/* Where a token's sum is, instead of a correction, and its scale. Decoded minima follow the scales.
 */
enum {
  DECODED_BYTES = (DYNO_NIBBLES_LINES + 2) * DYNO_PANEL16_LINE,
  MANY_BYTES = DYNO_NIBBLES_TOKEN_BYTES,
  FEW_BYTES = DYNO_NIBBLES_TOKEN_BYTES,
};

DYNO_ALWAYS_INLINE __m256 minima256(const dyno_panel16_blocks *at, size_t half)
{
  const void *halves = at->line + 2 * (DYNO_PANEL16_ROWS + DYNO_TILE256_ROWS * half);
  return _mm256_cvtph_ps(_mm_load_si128(halves));
}

static void decode(uint8_t *decoded, const uint8_t *panel, size_t blocks)
{
  dyno_panel16_blocks at = dyno_decoded_first(panel, blocks, shape);
  for (; at.left > 0; dyno_panel16_next_block(&at), decoded += DECODED_BYTES) {
    dyno_nibbles_decode(decoded, at.quants, unpack);
    for (size_t half = 0; half < DYNO_DECODED_HALVES; half++) {
      dyno_decoded_store256(decoded, DYNO_NIBBLES_LINES, half, dyno_half_scales256(&at, half));
      dyno_decoded_store256(decoded, DYNO_NIBBLES_LINES + 1, half, minima256(&at, half));
    }
  }
}

static void gather(uint8_t *batch, size_t t, size_t tokens, const void *row, size_t k, size_t first,
                   size_t count)
{
  dyno_nibbles_gather(batch, t, tokens, row, k, first, count, 0);
}

DYNO_ALWAYS_INLINE void add_products(dyno_decoded_sums *sums, dyno_decoded_products products,
                                     const __m256 *weight_scales, const __m256 *minima,
                                     const uint8_t *batch, size_t tokens)
{
  const uint8_t *scales = batch + dyno_nibbles_scales(tokens);
  dyno_decoded_add256(sums, products, weight_scales, scales, tokens);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const uint8_t *sum = batch + dyno_nibbles_corrections(tokens) + t * sizeof(float);
    __m256 quant_sum = _mm256_castsi256_ps(dyno_broadcast256(sum));
    __m256 scale = _mm256_castsi256_ps(dyno_broadcast256(scales + t * sizeof(float)));
    DYNO_UNROLL
    for (size_t half = 0; half < DYNO_DECODED_HALVES; half++)
      sums->of[half][t] =
          _mm256_fmadd_ps(quant_sum, _mm256_mul_ps(minima[half], scale), sums->of[half][t]);
  }
}

DYNO_ALWAYS_INLINE void add_decoded(dyno_decoded_sums *sums, const uint8_t *decoded,
                                    const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  __m256 scales[DYNO_DECODED_HALVES], minima[DYNO_DECODED_HALVES];
  dyno_nibbles_multiply_decoded(products, decoded, batch, tokens, false);
  dyno_decoded_floats256(scales, decoded, DYNO_NIBBLES_LINES);
  dyno_decoded_floats256(minima, decoded, DYNO_NIBBLES_LINES + 1);
  add_products(sums, products, scales, minima, batch, tokens);
}

DYNO_ALWAYS_INLINE void add_block(dyno_decoded_sums *sums, const dyno_panel16_blocks *at,
                                  const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  __m256 scales[] = {dyno_half_scales256(at, 0), dyno_half_scales256(at, 1)};
  __m256 minima[] = {minima256(at, 0), minima256(at, 1)};
  dyno_nibbles_multiply(products, at->quants, batch, tokens, false, unpack);
  add_products(sums, products, scales, minima, batch, tokens);
}

DYNO_DECODED_STEPS256

static const dyno_decoded_variant variant = {
    .shape = {DYNO_PANEL16_Q4_1_BYTES, DYNO_PANEL16_Q4_1_GROUP},
    .decoded_bytes = DECODED_BYTES,
    .decode = decode,
    .many = {MANY_BYTES, gather, many_steps},
    .few = {FEW_BYTES, gather, few_steps},
    .many_tokens = 24,
};

void dyno_matmul_q4_1_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_decoded_matmul(args, row0, row1, &variant);
}
