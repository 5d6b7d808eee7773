/* Q8_0 x A8 from panels of 16 rows. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_decoded_avx2.h"

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q8_0_BYTES, DYNO_PANEL16_Q8_0_GROUP};

enum {
  LINES = 16,
  DECODED_BYTES = (LINES + 1) * DYNO_PANEL16_LINE,
  QUANT_BYTES = 2 * DYNO_A8_BLOCK,
  MANY_BYTES = QUANT_BYTES + sizeof(float),
  FEW_BYTES = DYNO_A8_BLOCK + sizeof(float),
};

/* Many tokens: vpmaddwd of 16-bit integers takes less than the signs below, which would have to be
 * moved for each token. Line j of a decoded block has the quants 4j and 4j + 2 of the rows, and
 * line 8 + j has 4j + 1 and 4j + 3; the scales are last. A gathered block of a tile is the tokens'
 * quants in this order, then their scales. */
DYNO_ALWAYS_INLINE __m256i even_bytes(__m256i bytes)
{
  return _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
}

DYNO_ALWAYS_INLINE __m256i odd_bytes(__m256i bytes)
{
  return _mm256_srai_epi16(bytes, 8);
}

DYNO_ALWAYS_INLINE __m256i load_weights(const void *quants)
{
  return _mm256_xor_si256(_mm256_load_si256(quants), _mm256_set1_epi8(-128));
}

static void decode(uint8_t *decoded, const uint8_t *panel, size_t blocks)
{
  dyno_panel16_blocks at = dyno_decoded_first(panel, blocks, shape);
  for (; at.left > 0; dyno_panel16_next_block(&at), decoded += DECODED_BYTES) {
    for (size_t i = 0; i < DYNO_PANEL16_Q8_0_BYTES; i += sizeof(__m256i)) {
      __m256i weights = load_weights(at.quants + i);
      _mm256_store_si256((void *)(decoded + i), even_bytes(weights));
      _mm256_store_si256((void *)(decoded + DYNO_PANEL16_Q8_0_BYTES + i), odd_bytes(weights));
    }
    for (size_t half = 0; half < DYNO_DECODED_HALVES; half++)
      dyno_decoded_store256(decoded, LINES, half, dyno_half_scales256(&at, half));
  }
}

static void gather_many(uint8_t *batch, size_t t, size_t tokens, const void *row, size_t k,
                        size_t first, size_t count)
{
  for (size_t b = first; b < first + count; b++, batch += tokens * MANY_BYTES) {
    __m256i quants = _mm256_load_si256((const void *)(dyno_a8_quants(row) + b * DYNO_A8_BLOCK));
    uint8_t *to = batch + t * QUANT_BYTES;
    _mm256_storeu_si256((void *)to, even_bytes(quants));
    _mm256_storeu_si256((void *)(to + sizeof quants), odd_bytes(quants));
    memcpy(batch + tokens * QUANT_BYTES + t * sizeof(float), dyno_a8_scales(row, k) + b,
           sizeof(float));
  }
}

DYNO_ALWAYS_INLINE void zero_products(dyno_decoded_products products, size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    products[0][t] = products[1][t] = _mm256_setzero_si256();
}

DYNO_ALWAYS_INLINE void add_decoded(dyno_decoded_sums *sums, const uint8_t *decoded,
                                    const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  zero_products(products, tokens);
  DYNO_UNROLL
  for (size_t i = 0; i < LINES; i++) {
    __m256i first = _mm256_load_si256(dyno_decoded_line256(decoded, i, 0));
    __m256i second = _mm256_load_si256(dyno_decoded_line256(decoded, i, 1));
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      __m256i quants = dyno_broadcast256(batch + t * QUANT_BYTES + i * sizeof(int32_t));
      products[0][t] = dyno_add_epi32(products[0][t], _mm256_madd_epi16(first, quants));
      products[1][t] = dyno_add_epi32(products[1][t], _mm256_madd_epi16(second, quants));
    }
  }
  __m256 scales[DYNO_DECODED_HALVES];
  dyno_decoded_floats256(scales, decoded, LINES);
  dyno_decoded_add256(sums, products, scales, batch + tokens * QUANT_BYTES, tokens);
}

/* Few tokens: the quants as they are, then the scales. */
static void gather_few(uint8_t *batch, size_t t, size_t tokens, const void *row, size_t k,
                       size_t first, size_t count)
{
  for (size_t b = first; b < first + count; b++, batch += tokens * FEW_BYTES) {
    memcpy(batch + t * DYNO_A8_BLOCK, dyno_a8_quants(row) + b * DYNO_A8_BLOCK, DYNO_A8_BLOCK);
    memcpy(batch + tokens * DYNO_A8_BLOCK + t * sizeof(float), dyno_a8_scales(row, k) + b,
           sizeof(float));
  }
}

/* vpmaddubsw multiplies unsigned with signed bytes and would saturate on weights that were offset
 * by 128; so it gets their magnitudes, and the activations take over their signs. A sum of two
 * products is then at most 2 * 128 * 127, which fits into 16 bits. */
DYNO_ALWAYS_INLINE __m256i multiply_quants(__m256i weights, __m256i activations)
{
  __m256i pairs =
      _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(activations, weights));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

DYNO_ALWAYS_INLINE void add_block(dyno_decoded_sums *sums, const dyno_panel16_blocks *at,
                                  const uint8_t *batch, size_t tokens)
{
  dyno_decoded_products products;
  zero_products(products, tokens);
  DYNO_UNROLL
  for (size_t j = 0; j < LINES / 2; j++) {
    __m256i first = load_weights(dyno_decoded_line256(at->quants, j, 0));
    __m256i second = load_weights(dyno_decoded_line256(at->quants, j, 1));
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      __m256i quants = dyno_broadcast256(batch + t * DYNO_A8_BLOCK + j * sizeof(int32_t));
      products[0][t] = dyno_add_epi32(products[0][t], multiply_quants(first, quants));
      products[1][t] = dyno_add_epi32(products[1][t], multiply_quants(second, quants));
    }
  }
  __m256 scales[] = {dyno_half_scales256(at, 0), dyno_half_scales256(at, 1)};
  dyno_decoded_add256(sums, products, scales, batch + tokens * DYNO_A8_BLOCK, tokens);
}

DYNO_DECODED_STEPS256

static const dyno_decoded_variant variant = {
    .shape = {DYNO_PANEL16_Q8_0_BYTES, DYNO_PANEL16_Q8_0_GROUP},
    .decoded_bytes = DECODED_BYTES,
    .decode = decode,
    .many = {MANY_BYTES, gather_many, many_steps},
    .few = {FEW_BYTES, gather_few, few_steps},
    .many_tokens = 32,
};

void dyno_matmul_q8_0_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_decoded_matmul(args, row0, row1, &variant);
}
