#include "kernels/table.h"

#include "config.h"
#include "kernels/quantize/quantize.h"

static const dyno_kernel kernels[] = {
    {
        .name = "quantize_weight_f16__ref",
        .op = DYNO_OP_QUANTIZE_WEIGHT,
        .weight = DYNO_F16,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_weight = dyno_quantize_weight_f16__ref,
    },
    {
        .name = "quantize_weight_bf16__ref",
        .op = DYNO_OP_QUANTIZE_WEIGHT,
        .weight = DYNO_BF16,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_weight = dyno_quantize_weight_bf16__ref,
    },
    {
        .name = "quantize_weight_q8_0__ref",
        .op = DYNO_OP_QUANTIZE_WEIGHT,
        .weight = DYNO_Q8_0,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_weight = dyno_quantize_weight_q8_0__ref,
    },
    {
        .name = "quantize_weight_q4_0__ref",
        .op = DYNO_OP_QUANTIZE_WEIGHT,
        .weight = DYNO_Q4_0,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_weight = dyno_quantize_weight_q4_0__ref,
    },
    {
        .name = "quantize_weight_q4_1__ref",
        .op = DYNO_OP_QUANTIZE_WEIGHT,
        .weight = DYNO_Q4_1,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_weight = dyno_quantize_weight_q4_1__ref,
    },
    {
        .name = "quantize_weight_mxfp4__ref",
        .op = DYNO_OP_QUANTIZE_WEIGHT,
        .weight = DYNO_MXFP4,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_weight = dyno_quantize_weight_mxfp4__ref,
    },
    {
        .name = "quantize_activation_a8__ref",
        .op = DYNO_OP_QUANTIZE_ACTIVATION,
        .activation = DYNO_A8,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_activation = dyno_quantize_activation_a8__ref,
    },
    {
        .name = "store_kv_f32__ref",
        .op = DYNO_OP_STORE_KV,
        .activation = DYNO_F32,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.store_kv = dyno_store_kv_f32__ref,
    },
    {
        .name = "store_kv_bf16__ref",
        .op = DYNO_OP_STORE_KV,
        .activation = DYNO_BF16,
        .isa = DYNO_ISA_REF,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.store_kv = dyno_store_kv_bf16__ref,
    },
#if DYNO_X86_64
    {
        .name = "quantize_activation_a8__avx2",
        .op = DYNO_OP_QUANTIZE_ACTIVATION,
        .activation = DYNO_A8,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_activation = dyno_quantize_activation_a8__avx2,
    },
    {
        .name = "quantize_activation_a8__avx512",
        .op = DYNO_OP_QUANTIZE_ACTIVATION,
        .activation = DYNO_A8,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_EXACT,
        .run.quantize_activation = dyno_quantize_activation_a8__avx512,
    },
#endif
};

const dyno_kernel_table dyno_quantize_table = {kernels, sizeof kernels / sizeof *kernels};
