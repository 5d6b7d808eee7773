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
};

const dyno_kernel_table dyno_sampling_table = {kernels, sizeof kernels / sizeof *kernels};
