#include "kernels/table.h"

#include "config.h"
#include "kernels/sampling/sampling.h"

static const dyno_kernel kernels[] = {
    {
        .name = "top_k__ref",
        .op = DYNO_OP_TOP_K,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.top_k = dyno_top_k__ref,
    },
    {
        .name = "screen__ref",
        .op = DYNO_OP_SCREEN,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.screen = dyno_screen__ref,
    },
#if DYNO_X86_64
    {
        .name = "top_k__avx2",
        .op = DYNO_OP_TOP_K,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.top_k = dyno_top_k__avx2,
    },
    {
        .name = "top_k__avx512",
        .op = DYNO_OP_TOP_K,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.top_k = dyno_top_k__avx512,
    },
    {
        .name = "screen__avx2",
        .op = DYNO_OP_SCREEN,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.screen = dyno_screen__avx2,
    },
    {
        .name = "screen__avx512vnni",
        .op = DYNO_OP_SCREEN,
        .isa = DYNO_ISA_AVX512VNNI,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.screen = dyno_screen__avx512vnni,
    },
#endif
};

const dyno_kernel_table dyno_sampling_table = {kernels, sizeof kernels / sizeof *kernels};
