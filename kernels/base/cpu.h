/* What this CPU can run, and what it runs badly. */
#ifndef DYNO_KERNELS_BASE_CPU_H
#define DYNO_KERNELS_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

/* Tiers, weakest first. A tier is a bundle of CPUID bits that are tested together; it counts as
 * present only when every bit is there, XGETBV says that the operating system saves the
 * registers, and every tier below it is present too. */
typedef enum dyno_isa {
  DYNO_ISA_REF = 0,    /* portable C */
  DYNO_ISA_AVX2,       /* AVX2, FMA, F16C, BMI1, BMI2 */
  DYNO_ISA_AVX512,     /* AVX-512 F, BW, CD, DQ, VL */
  DYNO_ISA_AVX512VNNI, /* AVX-512 VNNI, VBMI */
  DYNO_ISA_AVX512BF16, /* AVX-512 BF16 */
  DYNO_ISA_COUNT
} dyno_isa;

/* Properties that make a variant slow although it runs; a descriptor lists those it should not
 * be preferred on. */
typedef enum dyno_quirk {
  DYNO_QUIRK_SPLIT_512 = 1u << 0,     /* 512-bit operations take two passes of 256 (Zen 4) */
  DYNO_QUIRK_LOW_512_CLOCK = 1u << 1, /* heavy 512-bit code lowers the clock (Skylake-X) */
} dyno_quirk;

typedef struct dyno_cpu {
  char name[64]; /* "AMD EPYC", trimmed */
  unsigned family, model, stepping;
  dyno_isa isa;    /* the highest tier present */
  uint32_t quirks; /* dyno_quirk bits */
  /* For each tier that is not present: the first missing feature, as Linux names it
   * ("avx512_vnni"), or "operating system support for ZMM registers". NULL when present. */
  const char *missing[DYNO_ISA_COUNT];
} dyno_cpu;

/* Asks the processor (CPUID, XGETBV). Cheap; owns nothing; thread-safe. */
void dyno_cpu_detect(dyno_cpu *cpu);

/* "ref", "avx2", ...; "?" when out of range. */
const char *dyno_isa_name(dyno_isa isa);

/* The tier called name, or DYNO_ISA_COUNT. */
dyno_isa dyno_isa_parse(const char *name);

#endif
