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
};

const dyno_kernel_table dyno_elementwise_table = {kernels, sizeof kernels / sizeof *kernels};
