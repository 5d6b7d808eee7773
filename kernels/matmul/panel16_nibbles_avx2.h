/* What the AVX2 variants for weights of 4 bits share. Their integers are made unsigned by an
 * offset, for vpmaddubsw. */
#ifndef DYNO_KERNELS_MATMUL_PANEL16_NIBBLES_AVX2_H
#define DYNO_KERNELS_MATMUL_PANEL16_NIBBLES_AVX2_H

#include "kernels/matmul/panel16_decoded_avx2.h"

enum {
  DYNO_NIBBLES_LINES = 8, /* a decoded block: dword r of line j is quants 4j to 4j + 3 of row r */
  /* A gathered block of a tile: the tokens' quants, their dwords of corrections, their scales. */
  DYNO_NIBBLES_TOKEN_BYTES = DYNO_A8_BLOCK + sizeof(int32_t) + sizeof(float),
};

/* Where these lie. */
DYNO_ALWAYS_INLINE size_t dyno_nibbles_corrections(size_t tokens)
{
  return tokens * DYNO_A8_BLOCK;
}

DYNO_ALWAYS_INLINE size_t dyno_nibbles_scales(size_t tokens)
{
  return tokens * (DYNO_A8_BLOCK + sizeof(int32_t));
}

/* Two 16-bit corrections, in the order in which vpmaddubsw adds up pairs: -offset times the sum of
 * the quants 4j and 4j + 1 for all j, and of 4j + 2 and 4j + 3. */
DYNO_ALWAYS_INLINE int32_t dyno_nibbles_correct(__m256i quants, int offset)
{
  __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), quants);
  __m128i four = _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  __m128i two = _mm_add_epi16(four, _mm_unpackhi_epi64(four, four));
  __m128i one = _mm_add_epi16(two, _mm_shuffle_epi32(two, 1));
  return _mm_cvtsi128_si32(_mm_mullo_epi16(one, _mm_set1_epi16((short)-offset)));
}

/* A dyno_decoded_variant's gather. offset 0: the correction is the sum of the quants instead, as a
 * float. */
DYNO_ALWAYS_INLINE void dyno_nibbles_gather(uint8_t *batch, size_t t, size_t tokens,
                                            const void *row, size_t k, size_t first, size_t count,
                                            int offset)
{
  for (size_t b = first; b < first + count; b++, batch += tokens * DYNO_NIBBLES_TOKEN_BYTES) {
    __m256i quants = _mm256_load_si256((const void *)(dyno_a8_quants(row) + b * DYNO_A8_BLOCK));
    _mm256_storeu_si256((void *)(batch + t * DYNO_A8_BLOCK), quants);
    int32_t correction = dyno_nibbles_correct(quants, offset);
    if (offset == 0) {
      float sum = (float)dyno_a8_sums(row, k)[b];
      memcpy(&correction, &sum, sizeof correction);
    }
    memcpy(batch + dyno_nibbles_corrections(tokens) + t * sizeof correction, &correction,
           sizeof correction);
    memcpy(batch + dyno_nibbles_scales(tokens) + t * sizeof(float), dyno_a8_scales(row, k) + b,
           sizeof(float));
  }
}

/* What the products start from. */
DYNO_ALWAYS_INLINE void dyno_nibbles_begin(dyno_decoded_products products, const uint8_t *batch,
                                           size_t tokens, bool corrected)
{
  const uint8_t *corrections = batch + dyno_nibbles_corrections(tokens);
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++)
    products[0][t] = products[1][t] =
        corrected ? dyno_broadcast256(corrections + t * sizeof(int32_t)) : _mm256_setzero_si256();
}

/* Adds the products of quants 4j to 4j + 3. */
DYNO_ALWAYS_INLINE void dyno_nibbles_add(dyno_decoded_products products, __m256i first,
                                         __m256i second, const uint8_t *batch, size_t j,
                                         size_t tokens)
{
  DYNO_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m256i quants = dyno_broadcast256(batch + t * DYNO_A8_BLOCK + j * sizeof(int32_t));
    products[0][t] = dyno_add_epi16(products[0][t], _mm256_maddubs_epi16(first, quants));
    products[1][t] = dyno_add_epi16(products[1][t], _mm256_maddubs_epi16(second, quants));
  }
}

/* 16-bit sums of 16 products each. With the correction they are at most 16 * 12 * 128, and without
 * it, of weights up to 15, 16 * 15 * 127: both fit, so it does not matter that what is added up on
 * the way may not. */
DYNO_ALWAYS_INLINE void dyno_nibbles_end(dyno_decoded_products products, size_t tokens)
{
  DYNO_UNROLL
  for (size_t half = 0; half < DYNO_DECODED_HALVES; half++) {
    DYNO_UNROLL
    for (size_t t = 0; t < tokens; t++)
      products[half][t] = _mm256_madd_epi16(products[half][t], _mm256_set1_epi16(1));
  }
}

/* The products of a decoded block with all tokens. */
DYNO_ALWAYS_INLINE void dyno_nibbles_multiply_decoded(dyno_decoded_products products,
                                                      const uint8_t *decoded, const uint8_t *batch,
                                                      size_t tokens, bool corrected)
{
  dyno_nibbles_begin(products, batch, tokens, corrected);
  DYNO_UNROLL
  for (size_t j = 0; j < DYNO_NIBBLES_LINES; j++)
    dyno_nibbles_add(products, _mm256_load_si256(dyno_decoded_line256(decoded, j, 0)),
                     _mm256_load_si256(dyno_decoded_line256(decoded, j, 1)), batch, j, tokens);
  dyno_nibbles_end(products, tokens);
}

/* Makes weights of the low nibbles of a vector. */
typedef __m256i dyno_nibbles_unpack(__m256i nibbles);

/* The same with a block of the panel. */
DYNO_ALWAYS_INLINE void dyno_nibbles_multiply(dyno_decoded_products products, const uint8_t *quants,
                                              const uint8_t *batch, size_t tokens, bool corrected,
                                              dyno_nibbles_unpack *unpack)
{
  dyno_nibbles_begin(products, batch, tokens, corrected);
  DYNO_UNROLL
  for (size_t j = 0; j < DYNO_NIBBLES_LINES / 2; j++) {
    __m256i first = _mm256_load_si256(dyno_decoded_line256(quants, j, 0));
    __m256i second = _mm256_load_si256(dyno_decoded_line256(quants, j, 1));
    dyno_nibbles_add(products, unpack(first), unpack(second), batch, j, tokens);
    first = _mm256_srli_epi16(first, 4);
    second = _mm256_srli_epi16(second, 4);
    dyno_nibbles_add(products, unpack(first), unpack(second), batch, j + DYNO_NIBBLES_LINES / 2,
                     tokens);
  }
  dyno_nibbles_end(products, tokens);
}

/* The nibbles of a block as weights. */
DYNO_ALWAYS_INLINE void dyno_nibbles_decode(uint8_t *decoded, const uint8_t *quants,
                                            dyno_nibbles_unpack *unpack)
{
  DYNO_UNROLL
  for (size_t i = 0; i < DYNO_NIBBLES_LINES; i++) {
    __m256i nibbles = _mm256_load_si256((const void *)(quants + i * sizeof nibbles));
    uint8_t *low = decoded + i * sizeof nibbles;
    uint8_t *high = low + DYNO_NIBBLES_LINES / 2 * DYNO_PANEL16_LINE;
    _mm256_store_si256((void *)low, unpack(nibbles));
    _mm256_store_si256((void *)high, unpack(_mm256_srli_epi16(nibbles, 4)));
  }
}

#endif
