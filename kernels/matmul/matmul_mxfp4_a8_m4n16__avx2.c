/* MXFP4 x A8 from panels of 16 rows. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_nibbles_avx2.h"

enum { OFFSET = 12 };

/* The doubled E2M1 values of the low nibbles, plus 12. */
DYNO_ALWAYS_INLINE __m256i unpack(__m256i nibbles)
{
  const __m128i values = _mm_loadu_si128((const void *)dyno_e2m1_doubled);
  const __m256i table =
      _mm256_add_epi8(_mm256_broadcastsi128_si256(values), _mm256_set1_epi8(OFFSET));
  return _mm256_shuffle_epi8(table, _mm256_and_si256(nibbles, _mm256_set1_epi8(15)));
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_MXFP4_BYTES, DYNO_PANEL16_MXFP4_GROUP};

enum {
  DECODED_BYTES = (DYNO_NIBBLES_LINES + 1) * DYNO_PANEL16_LINE, /* the scales last */
  MANY_BYTES = DYNO_NIBBLES_TOKEN_BYTES,
  FEW_BYTES = DYNO_NIBBLES_TOKEN_BYTES,
};

static void decode(uint8_t *decoded, const uint8_t *panel, size_t blocks)
{
  dyno_panel16_blocks at = dyno_decoded_first(panel, blocks, shape);
  for (; at.left > 0; dyno_panel16_next_block(&at), decoded += DECODED_BYTES) {
    dyno_nibbles_decode(decoded, at.quants, unpack);
    for (size_t half = 0; half < DYNO_DECODED_HALVES; half++)
      dyno_decoded_store256(decoded, DYNO_NIBBLES_LINES, half, dyno_mxfp4_scales256(&at, half));
  }
}

static void gather(uint8_t *batch, size_t t, size_t tokens, const void *row, size_t k, size_t first,
                   size_t count)
{
  dyno_nibbles_gather(batch, t, tokens, row, k, first, count, OFFSET);
}

DYNO_ALWAYS_INLINE void add_decoded(dyno_decoded_sums *sums, const uint8_t *decoded,
                                    const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  __m256 scales[DYNO_DECODED_HALVES];
  dyno_nibbles_multiply_decoded(products, decoded, batch, tokens, true);
  dyno_decoded_floats256(scales, decoded, DYNO_NIBBLES_LINES);
  dyno_decoded_add256(sums, products, scales, batch + dyno_nibbles_scales(tokens), tokens);
}

DYNO_ALWAYS_INLINE void add_block(dyno_decoded_sums *sums, const dyno_panel16_blocks *at,
                                  const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  dyno_nibbles_multiply(products, at->quants, batch, tokens, true, unpack);
  __m256 scales[] = {dyno_mxfp4_scales256(at, 0), dyno_mxfp4_scales256(at, 1)};
  dyno_decoded_add256(sums, products, scales, batch + dyno_nibbles_scales(tokens), tokens);
}

DYNO_DECODED_STEPS256

static const dyno_decoded_variant variant = {
    .shape = {DYNO_PANEL16_MXFP4_BYTES, DYNO_PANEL16_MXFP4_GROUP},
    .decoded_bytes = DECODED_BYTES,
    .decode = decode,
    .many = {MANY_BYTES, gather, many_steps},
    .few = {FEW_BYTES, gather, few_steps},
    .many_tokens = 12,
};

void dyno_matmul_mxfp4_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_decoded_matmul(args, row0, row1, &variant);
}
