#include <immintrin.h>

#include "kernels/ceiling/ceiling.h"
#include "kernels/ceiling/loops.h"

uint64_t dyno_ceiling_mac_bf16__avx512bf16(const void *buffer, size_t iterations)
{
  const __m512bh a = (__m512bh)_mm512_load_si512(buffer), b = a;
#define DECLARE(i) __m512 sum##i = _mm512_setzero_ps();
#define STEP(i)                                                                                    \
  sum##i = _mm512_dpbf16_ps(sum##i, a, b);                                                         \
  __asm__ volatile("" : "+v"(sum##i));
#define FOLD(i) sum = _mm512_add_ps(sum, sum##i);
  DYNO_CEILING_EACH_CHAIN(DECLARE)
  for (size_t n = 0; n < iterations; n++) {
    DYNO_CEILING_EACH_CHAIN(STEP)
  }
  __m512 sum = _mm512_setzero_ps();
  DYNO_CEILING_EACH_CHAIN(FOLD)
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, _mm512_castps_si512(sum));
  return dyno_ceiling_sum(lanes, 8);
#undef DECLARE
#undef STEP
#undef FOLD
}
