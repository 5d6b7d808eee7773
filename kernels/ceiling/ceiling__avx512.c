#include <immintrin.h>

#include "kernels/ceiling/ceiling.h"
#include "kernels/ceiling/loops.h"

uint64_t dyno_ceiling_read__avx512(const void *buffer, size_t iterations)
{
  const char *lines = buffer;
  __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  for (size_t i = 0; i < iterations * (DYNO_CEILING_READ_UNITS / 256); i++, lines += 256) {
    sum0 = _mm512_add_epi64(sum0, _mm512_load_si512(lines));
    DYNO_CEILING_IN_ORDER();
    sum1 = _mm512_add_epi64(sum1, _mm512_load_si512(lines + 64));
    DYNO_CEILING_IN_ORDER();
    sum2 = _mm512_add_epi64(sum2, _mm512_load_si512(lines + 128));
    DYNO_CEILING_IN_ORDER();
    sum3 = _mm512_add_epi64(sum3, _mm512_load_si512(lines + 192));
    DYNO_CEILING_IN_ORDER();
  }
  __m512i sum = _mm512_add_epi64(_mm512_add_epi64(sum0, sum1), _mm512_add_epi64(sum2, sum3));
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, sum);
  return dyno_ceiling_sum(lanes, 8);
}

uint64_t dyno_ceiling_mac_f32__avx512(const void *buffer, size_t iterations)
{
  const __m512 a = _mm512_load_ps(buffer), b = a;
#define DECLARE(i) __m512 sum##i = _mm512_setzero_ps();
#define STEP(i)                                                                                    \
  sum##i = _mm512_fmadd_ps(a, b, sum##i);                                                          \
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
