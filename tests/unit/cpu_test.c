#include <criterion/criterion.h>

#include <string.h>

#include "kernels/base/cpu.h"

Test(cpu, tier_names_are_read_back)
{
  static const char *const names[DYNO_ISA_COUNT] = {
      [DYNO_ISA_REF] = "ref",
      [DYNO_ISA_AVX2] = "avx2",
      [DYNO_ISA_AVX512] = "avx512",
      [DYNO_ISA_AVX512VNNI] = "avx512vnni",
      [DYNO_ISA_AVX512BF16] = "avx512bf16",
  };
  for (dyno_isa isa = 0; isa < DYNO_ISA_COUNT; isa++) {
    cr_assert(strcmp(dyno_isa_name(isa), names[isa]) == 0, "%s", dyno_isa_name(isa));
    cr_assert(dyno_isa_parse(names[isa]) == isa, "%s", names[isa]);
  }
  cr_assert(strcmp(dyno_isa_name(DYNO_ISA_COUNT), "?") == 0, "a tier out of range");
  cr_assert(dyno_isa_parse("avx") == DYNO_ISA_COUNT, "avx is no tier");
  cr_assert(dyno_isa_parse("AVX2") == DYNO_ISA_COUNT, "names are in small letters");
  cr_assert(dyno_isa_parse("") == DYNO_ISA_COUNT, "nothing is no tier");
}

Test(cpu, tiers_are_present_up_to_one_and_missing_for_a_reason_beyond)
{
  dyno_cpu cpu, again;
  memset(&cpu, 0, sizeof cpu);
  memset(&again, 0, sizeof again);
  dyno_cpu_detect(&cpu);
  dyno_cpu_detect(&again);
  cr_assert(cpu.isa == again.isa && cpu.quirks == again.quirks, "it changed between two calls");
  cr_assert(strcmp(cpu.name, again.name) == 0, "%s, then %s", cpu.name, again.name);
  cr_assert(cpu.isa < DYNO_ISA_COUNT, "%d", (int)cpu.isa);
  for (dyno_isa isa = 0; isa < DYNO_ISA_COUNT; isa++)
    cr_assert((cpu.missing[isa] == NULL) == (isa <= cpu.isa), "%s: %s", dyno_isa_name(isa),
              cpu.missing[isa] == NULL ? "nothing missing" : cpu.missing[isa]);
}

/* gcc's own detection, as a second opinion. */
Test(cpu, agrees_with_the_compiler_runtime)
{
#if defined __x86_64__
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  cr_assert((cpu.isa >= DYNO_ISA_AVX2) ==
                (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                 __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")),
            "avx2");
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw"))
    cr_assert(cpu.isa < DYNO_ISA_AVX512, "avx512 without its features");
  if (!__builtin_cpu_supports("avx512vnni"))
    cr_assert(cpu.isa < DYNO_ISA_AVX512VNNI, "avx512vnni without its feature");
#else
  cr_skip_test("not x86-64");
#endif
}
