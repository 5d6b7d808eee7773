#include "kernels/base/cpu.h"

#include <string.h>

static const char *const isa_names[DYNO_ISA_COUNT] = {
    [DYNO_ISA_REF] = "ref",
    [DYNO_ISA_AVX2] = "avx2",
    [DYNO_ISA_AVX512] = "avx512",
    [DYNO_ISA_AVX512VNNI] = "avx512vnni",
    [DYNO_ISA_AVX512BF16] = "avx512bf16",
};

const char *dyno_isa_name(dyno_isa isa)
{
  return (unsigned)isa < DYNO_ISA_COUNT ? isa_names[isa] : "?";
}

dyno_isa dyno_isa_parse(const char *name)
{
  dyno_isa isa = DYNO_ISA_REF;
  while (isa < DYNO_ISA_COUNT && strcmp(isa_names[isa], name) != 0)
    isa++;
  return isa;
}

#if defined(__x86_64__)

#include <cpuid.h>

typedef enum cpuid_register { EAX, EBX, ECX, EDX } cpuid_register;

/* One CPUID bit that a tier needs (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E). */
typedef struct feature {
  dyno_isa tier;
  const char *name; /* as in /proc/cpuinfo */
  uint32_t leaf, subleaf;
  cpuid_register where;
  unsigned bit;
} feature;

static const feature features[] = {
    {DYNO_ISA_AVX2, "osxsave", 1, 0, ECX, 27},
    {DYNO_ISA_AVX2, "avx", 1, 0, ECX, 28},
    {DYNO_ISA_AVX2, "fma", 1, 0, ECX, 12},
    {DYNO_ISA_AVX2, "f16c", 1, 0, ECX, 29},
    {DYNO_ISA_AVX2, "avx2", 7, 0, EBX, 5},
    {DYNO_ISA_AVX2, "bmi1", 7, 0, EBX, 3},
    {DYNO_ISA_AVX2, "bmi2", 7, 0, EBX, 8},
    {DYNO_ISA_AVX512, "avx512f", 7, 0, EBX, 16},
    {DYNO_ISA_AVX512, "avx512dq", 7, 0, EBX, 17},
    {DYNO_ISA_AVX512, "avx512cd", 7, 0, EBX, 28},
    {DYNO_ISA_AVX512, "avx512bw", 7, 0, EBX, 30},
    {DYNO_ISA_AVX512, "avx512vl", 7, 0, EBX, 31},
    {DYNO_ISA_AVX512VNNI, "avx512_vnni", 7, 0, ECX, 11},
    {DYNO_ISA_AVX512VNNI, "avx512vbmi", 7, 0, ECX, 1},
    {DYNO_ISA_AVX512BF16, "avx512_bf16", 7, 1, EAX, 5},
};

/* XCR0 bits the operating system must have set before a tier's registers may be used. */
static const struct {
  uint64_t mask;
  const char *missing;
} saved_state[DYNO_ISA_COUNT] = {
    [DYNO_ISA_AVX2] = {0x06, "operating system support for YMM registers"},
    [DYNO_ISA_AVX512] = {0xe6, "operating system support for ZMM registers"},
};

static bool has_feature(const feature *wanted)
{
  uint32_t registers[4] = {0};
  if (!__get_cpuid_count(wanted->leaf, wanted->subleaf, &registers[EAX], &registers[EBX],
                         &registers[ECX], &registers[EDX]))
    return false;
  return (registers[wanted->where] >> wanted->bit & 1u) != 0;
}

static uint64_t read_xcr0(void)
{
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* The first thing the tier itself lacks, or NULL. */
static const char *tier_lacks(dyno_isa tier)
{
  for (size_t i = 0; i < sizeof features / sizeof *features; i++)
    if (features[i].tier == tier && !has_feature(&features[i]))
      return features[i].name;
  /* OSXSAVE is the first bit of the lowest tier, so XGETBV is legal by the time we get here. */
  uint64_t mask = saved_state[tier].mask;
  if (mask != 0 && (read_xcr0() & mask) != mask)
    return saved_state[tier].missing;
  return NULL;
}

static void detect_identity(dyno_cpu *cpu)
{
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d)) {
    cpu->family = (a >> 8 & 0xf) + ((a >> 8 & 0xf) == 0xf ? a >> 20 & 0xff : 0);
    cpu->model = (a >> 4 & 0xf) | (a >> 16 & 0xf) << 4;
    cpu->stepping = a & 0xf;
  }
  uint32_t brand[12] = {0};
  for (uint32_t i = 0; i < 3; i++)
    __get_cpuid(0x80000002u + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2],
                &brand[4 * i + 3]);
  char text[sizeof brand + 1] = {0};
  memcpy(text, brand, sizeof brand);
  char *start = text + strspn(text, " ");
  size_t length = strlen(start);
  while (length > 0 && start[length - 1] == ' ')
    length--;
  if (length == 0) {
    start = text;
    length = strlen(strcpy(text, "unknown x86-64"));
  }
  memcpy(cpu->name, start, length);
}

static uint32_t detect_quirks(const dyno_cpu *cpu)
{
  uint32_t a, b, c, d, quirks = 0;
  if (!__get_cpuid(0, &a, &b, &c, &d))
    return 0;
  bool amd = b == 0x68747541u, intel = b == 0x756e6547u; /* "Auth", "Genu" */
  if (amd && cpu->family == 0x19)
    quirks |= DYNO_QUIRK_SPLIT_512;
  if (intel && cpu->family == 6 && cpu->model == 0x55)
    quirks |= DYNO_QUIRK_LOW_512_CLOCK;
  return quirks;
}

void dyno_cpu_detect(dyno_cpu *cpu)
{
  *cpu = (dyno_cpu){.isa = DYNO_ISA_REF};
  detect_identity(cpu);
  cpu->quirks = detect_quirks(cpu);
  const char *missing = NULL;
  for (dyno_isa tier = DYNO_ISA_AVX2; tier < DYNO_ISA_COUNT; tier++) {
    if (missing == NULL)
      missing = tier_lacks(tier);
    cpu->missing[tier] = missing;
    if (missing == NULL)
      cpu->isa = tier;
  }
}

#else

void dyno_cpu_detect(dyno_cpu *cpu)
{
  *cpu = (dyno_cpu){.isa = DYNO_ISA_REF};
  strcpy(cpu->name, "not x86-64");
  for (dyno_isa tier = DYNO_ISA_AVX2; tier < DYNO_ISA_COUNT; tier++)
    cpu->missing[tier] = "an x86-64 processor";
}

#endif
