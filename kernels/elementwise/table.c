#include "kernels/table.h"

#include "config.h"
#include "kernels/elementwise/elementwise.h"

static const dyno_kernel kernels[] = {
    {
        .name = "rmsnorm__ref",
        .op = DYNO_OP_RMSNORM,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.rmsnorm = dyno_rmsnorm__ref,
    },
    {
        .name = "rope__ref",
        .op = DYNO_OP_ROPE,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.rope = dyno_rope__ref,
    },
    {
        .name = "swiglu__ref",
        .op = DYNO_OP_SWIGLU,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.swiglu = dyno_swiglu__ref,
    },
    {
        .name = "router__ref",
        .op = DYNO_OP_ROUTER,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.router = dyno_router__ref,
    },
#if DYNO_X86_64
    {
        .name = "rmsnorm__avx2",
        .op = DYNO_OP_RMSNORM,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_F32,
        .run.rmsnorm = dyno_rmsnorm__avx2,
    },
    {
        .name = "rope__avx2",
        .op = DYNO_OP_ROPE,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_F32,
        .run.rope = dyno_rope__avx2,
    },
    {
        .name = "swiglu__avx2",
        .op = DYNO_OP_SWIGLU,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_APPROX,
        .run.swiglu = dyno_swiglu__avx2,
    },
    {
        .name = "rmsnorm__avx512",
        .op = DYNO_OP_RMSNORM,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_F32,
        .run.rmsnorm = dyno_rmsnorm__avx512,
    },
    {
        .name = "rope__avx512",
        .op = DYNO_OP_ROPE,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_F32,
        .run.rope = dyno_rope__avx512,
    },
    {
        .name = "swiglu__avx512",
        .op = DYNO_OP_SWIGLU,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_APPROX,
        .run.swiglu = dyno_swiglu__avx512,
    },
#endif
};

const dyno_kernel_table dyno_elementwise_table = {kernels, sizeof kernels / sizeof *kernels};
