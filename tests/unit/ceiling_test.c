/* The ceiling loops do all the work they claim: their results say so. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/dtype.h"
#include "kernels/ceiling/ceiling.h"

enum { ITERATIONS = 100, READ_BYTES = ITERATIONS * DYNO_CEILING_READ_UNITS };

static _Alignas(64) uint64_t words[READ_BYTES / 8];

static bool usable(const dyno_ceiling *ceiling)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  return ceiling->isa <= cpu.isa;
}

/* What a register of `bits` holds when every one of its 32-bit lanes is lane, folded in 64-bit
 * lanes; the portable loops return one lane. */
static uint64_t folded(uint32_t lane, unsigned bits)
{
  return bits == 32 ? lane : bits / 64 * (lane + ((uint64_t)lane << 32));
}

static unsigned register_bits(dyno_isa isa)
{
  return isa == DYNO_ISA_REF ? 32 : isa == DYNO_ISA_AVX2 ? 256 : 512;
}

static uint64_t expected_read(const dyno_ceiling *ceiling)
{
  uint64_t sum = 0;
  (void)ceiling;
  for (size_t i = 0; i < READ_BYTES / 8; i++)
    sum += words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
  return sum;
}

static uint64_t expected_i8(const dyno_ceiling *ceiling)
{
  unsigned bits = register_bits(ceiling->isa);
  memset(words, 3, 64);
  return folded((uint32_t)(ITERATIONS * ceiling->units * 9 / (bits / 32)), bits);
}

/* Ones in float are pairs of 0 and 1 in bfloat16. */
static uint64_t expected_float(const dyno_ceiling *ceiling)
{
  unsigned bits = register_bits(ceiling->isa);
  float ones[16];
  for (size_t i = 0; i < 16; i++)
    ones[i] = 1;
  memcpy(words, ones, sizeof ones);
  size_t products = ITERATIONS * ceiling->units / (ceiling->kind == DYNO_CEILING_MAC_BF16 ? 2 : 1);
  return folded(dyno_float_to_bits((float)(products / (bits / 32))), bits);
}

Test(ceiling, loops_do_their_work)
{
  static uint64_t (*const expected[DYNO_CEILING_KIND_COUNT])(const dyno_ceiling *) = {
      [DYNO_CEILING_READ] = expected_read,
      [DYNO_CEILING_MAC_I8] = expected_i8,
      [DYNO_CEILING_MAC_BF16] = expected_float,
      [DYNO_CEILING_MAC_F32] = expected_float,
  };
  size_t tried = 0;
  for (size_t i = 0; i < dyno_ceiling_count; i++) {
    const dyno_ceiling *ceiling = &dyno_ceilings[i];
    if (!usable(ceiling))
      continue;
    uint64_t want = expected[ceiling->kind](ceiling), got = ceiling->run(words, ITERATIONS);
    cr_assert(got == want, "%s: %#llx, not %#llx", ceiling->name, (unsigned long long)got,
              (unsigned long long)want);
    tried++;
  }
  cr_assert(tried >= 3, "the portable loops run everywhere");
}

Test(ceiling, names_say_kind_and_tier)
{
  for (size_t i = 0; i < dyno_ceiling_count; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s__%s", dyno_ceiling_kind_name(dyno_ceilings[i].kind),
             dyno_isa_name(dyno_ceilings[i].isa));
    cr_assert(strcmp(name, dyno_ceilings[i].name) == 0, "%s is not %s", dyno_ceilings[i].name,
              name);
  }
}
