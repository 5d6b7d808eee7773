#include <immintrin.h>

#include "kernels/base/compiler.h"
#include "kernels/ceiling/ceiling.h"
#include "kernels/ceiling/loops.h"

static uint64_t fold(__m256i value)
{
  __m128i half = _mm_add_epi64(_mm256_castsi256_si128(value), _mm256_extracti128_si256(value, 1));
  return (uint64_t)_mm_cvtsi128_si64(half) + (uint64_t)_mm_extract_epi64(half, 1);
}

uint64_t dyno_ceiling_read__avx2(const void *buffer, size_t iterations)
{
  const __m256i *lines = buffer;
  __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  for (size_t i = 0; i < iterations * (DYNO_CEILING_READ_UNITS / 128); i++, lines += 4) {
    sum0 = _mm256_add_epi64(sum0, _mm256_load_si256(lines));
    DYNO_CEILING_IN_ORDER();
    sum1 = _mm256_add_epi64(sum1, _mm256_load_si256(lines + 1));
    DYNO_CEILING_IN_ORDER();
    sum2 = _mm256_add_epi64(sum2, _mm256_load_si256(lines + 2));
    DYNO_CEILING_IN_ORDER();
    sum3 = _mm256_add_epi64(sum3, _mm256_load_si256(lines + 3));
    DYNO_CEILING_IN_ORDER();
  }
  return fold(_mm256_add_epi64(_mm256_add_epi64(sum0, sum1), _mm256_add_epi64(sum2, sum3)));
}

/* AVX2 has no int8 product with a 32-bit sum. The cheapest exact way sums all eight products of
 * pairs of a block in 16 bits, which hold the sum that 4-bit weights have, and widens it then. */
uint64_t dyno_ceiling_mac_i8__avx2(const void *buffer, size_t iterations)
{
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i a = _mm256_load_si256(buffer);
  const __m256i b = _mm256_load_si256((const __m256i *)buffer + 1);
  __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0, sum2 = sum0;
#define PRODUCT()                                                                                  \
  ({                                                                                               \
    __asm__ volatile("" : "+x"(a));                                                                \
    _mm256_maddubs_epi16(a, b);                                                                    \
  })
#define STEP(i)                                                                                    \
  {                                                                                                \
    __m256i pairs = PRODUCT();                                                                     \
    DYNO_UNROLL                                                                                    \
    for (int j = 1; j < 8; j++)                                                                    \
      pairs = _mm256_add_epi16(pairs, PRODUCT());                                                  \
    sum##i = _mm256_add_epi32(sum##i, _mm256_madd_epi16(pairs, ones));                             \
  }
  for (size_t n = 0; n < iterations; n++) {
    STEP(0)
    STEP(1)
    STEP(2)
  }
  return fold(_mm256_add_epi32(_mm256_add_epi32(sum0, sum1), sum2));
#undef PRODUCT
#undef STEP
}

uint64_t dyno_ceiling_mac_f32__avx2(const void *buffer, size_t iterations)
{
  const __m256 a = _mm256_load_ps(buffer), b = _mm256_load_ps((const float *)buffer + 8);
#define DECLARE(i) __m256 sum##i = _mm256_setzero_ps();
#define STEP(i)                                                                                    \
  sum##i = _mm256_fmadd_ps(a, b, sum##i);                                                          \
  __asm__ volatile("" : "+x"(sum##i));
#define FOLD(i) sum = _mm256_add_ps(sum, sum##i);
  DYNO_CEILING_EACH_CHAIN(DECLARE)
  for (size_t n = 0; n < iterations; n++) {
    DYNO_CEILING_EACH_CHAIN(STEP)
  }
  __m256 sum = _mm256_setzero_ps();
  DYNO_CEILING_EACH_CHAIN(FOLD)
  return fold(_mm256_castps_si256(sum));
#undef DECLARE
#undef STEP
#undef FOLD
}
