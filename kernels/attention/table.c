#include "kernels/table.h"

#include "config.h"
#include "kernels/attention/attention.h"

static const dyno_kernel kernels[] = {
    {
        .name = "attention_f32__ref",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_F32,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .scratch_bytes = dyno_attention__ref_scratch_bytes,
        .run.attention = dyno_attention_f32__ref,
    },
    {
        .name = "attention_bf16__ref",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_BF16,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .scratch_bytes = dyno_attention__ref_scratch_bytes,
        .run.attention = dyno_attention_bf16__ref,
    },
};

const dyno_kernel_table dyno_attention_table = {kernels, sizeof kernels / sizeof *kernels};
