#include "config.h"

#include "kernels/ceiling/ceiling.h"
#include "kernels/ceiling/loops.h"

enum { MAC_STEPS = DYNO_CEILING_CHAINS };

const dyno_ceiling dyno_ceilings[] = {
    {"read__ref", DYNO_CEILING_READ, DYNO_ISA_REF, DYNO_CEILING_READ_UNITS, dyno_ceiling_read__ref},
    {"mac_i8__ref", DYNO_CEILING_MAC_I8, DYNO_ISA_REF, MAC_STEPS, dyno_ceiling_mac_i8__ref},
    {"mac_f32__ref", DYNO_CEILING_MAC_F32, DYNO_ISA_REF, MAC_STEPS, dyno_ceiling_mac_f32__ref},
#ifdef DYNO_X86_64
    {"read__avx2", DYNO_CEILING_READ, DYNO_ISA_AVX2, DYNO_CEILING_READ_UNITS,
     dyno_ceiling_read__avx2},
    {"mac_i8__avx2", DYNO_CEILING_MAC_I8, DYNO_ISA_AVX2, 3 * 8 * 32, dyno_ceiling_mac_i8__avx2},
    {"mac_f32__avx2", DYNO_CEILING_MAC_F32, DYNO_ISA_AVX2, MAC_STEPS * 8,
     dyno_ceiling_mac_f32__avx2},
    {"read__avx512", DYNO_CEILING_READ, DYNO_ISA_AVX512, DYNO_CEILING_READ_UNITS,
     dyno_ceiling_read__avx512},
    {"mac_f32__avx512", DYNO_CEILING_MAC_F32, DYNO_ISA_AVX512, MAC_STEPS * 16,
     dyno_ceiling_mac_f32__avx512},
    {"mac_i8__avx512vnni", DYNO_CEILING_MAC_I8, DYNO_ISA_AVX512VNNI, MAC_STEPS * 64,
     dyno_ceiling_mac_i8__avx512vnni},
    {"mac_bf16__avx512bf16", DYNO_CEILING_MAC_BF16, DYNO_ISA_AVX512BF16, MAC_STEPS * 32,
     dyno_ceiling_mac_bf16__avx512bf16},
#endif
};

const size_t dyno_ceiling_count = sizeof dyno_ceilings / sizeof *dyno_ceilings;

const char *dyno_ceiling_kind_name(dyno_ceiling_kind kind)
{
  static const char *const names[DYNO_CEILING_KIND_COUNT] = {
      [DYNO_CEILING_READ] = "read",
      [DYNO_CEILING_MAC_I8] = "mac_i8",
      [DYNO_CEILING_MAC_BF16] = "mac_bf16",
      [DYNO_CEILING_MAC_F32] = "mac_f32",
  };
  return (unsigned)kind < DYNO_CEILING_KIND_COUNT ? names[kind] : "?";
}
