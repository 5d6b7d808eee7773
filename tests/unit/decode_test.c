/* The fast decoder of block formats gives the bits of the slow one. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "kernels/base/cpu.h"
#include "kernels/matmul/decode.h"

#if DYNO_X86_64

static const dyno_dtype formats[] = {DYNO_Q8_0, DYNO_Q4_0, DYNO_Q4_1, DYNO_Q5_0,
                                     DYNO_Q4_K, DYNO_Q5_K, DYNO_Q6_K, DYNO_MXFP4};

static bool same(const float *a, const float *b, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
      return false;
  return true;
}

/* Rows of random bytes: all scales there are, NaNs and denormals among them. */
static void check_format(dyno_dtype format, uint32_t *state)
{
  float want[2 * DYNO_MAX_BLOCK_ELEMENTS], got[2 * DYNO_MAX_BLOCK_ELEMENTS];
  size_t k = 2 * dyno_dtype_get(format)->block_elements, row_bytes = dyno_row_bytes(format, k);
  uint8_t *row = malloc(row_bytes); /* of its size, for the sanitizers */
  for (int round = 0; round < 3000; round++) {
    for (size_t i = 0; i < row_bytes; i++) {
      *state = *state * 1664525u + 1013904223u;
      row[i] = (uint8_t)(*state >> 24);
    }
    dyno_row_to_float(want, row, format, k);
    dyno_decode__avx2(got, row, format, k);
    cr_assert(same(want, got, k), "%s: other bits in round %d", dyno_dtype_name(format), round);
  }
  free(row);
}

Test(decode, avx2_gives_the_bits_of_the_reference)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  if (cpu.isa < DYNO_ISA_AVX2)
    cr_skip_test("needs %s, which this CPU lacks", cpu.missing[DYNO_ISA_AVX2]);
  uint32_t state = 1;
  for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
    check_format(formats[f], &state);
}

#else

Test(decode, avx2_gives_the_bits_of_the_reference)
{
  cr_skip_test("needs an x86-64 processor");
}

#endif
