#include "kernels/ceiling/ceiling.h"
#include "kernels/ceiling/loops.h"

#include <string.h>

uint64_t dyno_ceiling_read__ref(const void *buffer, size_t iterations)
{
  const uint64_t *words = buffer;
  uint64_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  for (size_t i = 0; i < iterations * (DYNO_CEILING_READ_UNITS / 32); i++, words += 4) {
    sum0 += words[0];
    DYNO_CEILING_IN_ORDER();
    sum1 += words[1];
    DYNO_CEILING_IN_ORDER();
    sum2 += words[2];
    DYNO_CEILING_IN_ORDER();
    sum3 += words[3];
    DYNO_CEILING_IN_ORDER();
  }
  return (sum0 + sum1) + (sum2 + sum3);
}

uint64_t dyno_ceiling_mac_i8__ref(const void *buffer, size_t iterations)
{
  int8_t bytes[2];
  memcpy(bytes, buffer, sizeof bytes);
  int a = bytes[0], b = bytes[1];
#define DECLARE(i) uint32_t sum##i = 0;
#define STEP(i)                                                                                    \
  __asm__ volatile("" : "+r"(a));                                                                  \
  sum##i += (uint32_t)(a * b);
#define FOLD(i) +sum##i
  DYNO_CEILING_EACH_CHAIN(DECLARE)
  for (size_t n = 0; n < iterations; n++) {
    DYNO_CEILING_EACH_CHAIN(STEP)
  }
  return 0 DYNO_CEILING_EACH_CHAIN(FOLD);
#undef DECLARE
#undef STEP
#undef FOLD
}

uint64_t dyno_ceiling_mac_f32__ref(const void *buffer, size_t iterations)
{
  float values[2];
  memcpy(values, buffer, sizeof values);
  float a = values[0], b = values[1];
#define DECLARE(i) float sum##i = 0;
#define STEP(i)                                                                                    \
  __asm__ volatile("" : "+m"(a));                                                                  \
  sum##i += a * b;
#define FOLD(i) +sum##i
  DYNO_CEILING_EACH_CHAIN(DECLARE)
  for (size_t n = 0; n < iterations; n++) {
    DYNO_CEILING_EACH_CHAIN(STEP)
  }
  float sum = 0 DYNO_CEILING_EACH_CHAIN(FOLD);
  uint32_t bits;
  memcpy(&bits, &sum, sizeof bits);
  return bits;
#undef DECLARE
#undef STEP
#undef FOLD
}
