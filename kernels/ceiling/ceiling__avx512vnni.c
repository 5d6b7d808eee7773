#include <immintrin.h>

#include "kernels/ceiling/ceiling.h"
#include "kernels/ceiling/loops.h"

uint64_t dyno_ceiling_mac_i8__avx512vnni(const void *buffer, size_t iterations)
{
  const __m512i a = _mm512_load_si512(buffer), b = a;
#define DECLARE(i) __m512i sum##i = _mm512_setzero_si512();
#define STEP(i)                                                                                    \
  sum##i = _mm512_dpbusd_epi32(sum##i, a, b);                                                      \
  __asm__ volatile("" : "+v"(sum##i));
#define FOLD(i) sum = _mm512_add_epi32(sum, sum##i);
  DYNO_CEILING_EACH_CHAIN(DECLARE)
  for (size_t n = 0; n < iterations; n++) {
    DYNO_CEILING_EACH_CHAIN(STEP)
  }
  __m512i sum = _mm512_setzero_si512();
  DYNO_CEILING_EACH_CHAIN(FOLD)
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, sum);
  return dyno_ceiling_sum(lanes, 8);
#undef DECLARE
#undef STEP
#undef FOLD
}
