#include "kernels/table.h"

#include "config.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/chunks.h"

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
#if DYNO_X86_64
    {
        .name = "attention_f32__avx2",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_F32,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_APPROX,
        .supports = dyno_attention_chunks_supports,
        .scratch_bytes = dyno_attention_chunks_scratch_bytes,
        .run.attention = dyno_attention_f32__avx2,
    },
    {
        .name = "attention_bf16__avx2",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_BF16,
        .isa = DYNO_ISA_AVX2,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_APPROX,
        .supports = dyno_attention_chunks_supports,
        .scratch_bytes = dyno_attention_chunks_scratch_bytes,
        .run.attention = dyno_attention_bf16__avx2,
    },
    {
        .name = "attention_f32__avx512",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_F32,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_APPROX,
        .supports = dyno_attention_chunks_supports,
        .scratch_bytes = dyno_attention_chunks_scratch_bytes,
        .run.attention = dyno_attention_f32__avx512,
    },
    {
        .name = "attention_bf16__avx512",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_BF16,
        .isa = DYNO_ISA_AVX512,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_APPROX,
        .supports = dyno_attention_chunks_supports,
        .scratch_bytes = dyno_attention_chunks_scratch_bytes,
        .run.attention = dyno_attention_bf16__avx512,
    },
    {
        .name = "attention_bf16__avx512bf16",
        .op = DYNO_OP_ATTENTION,
        .activation = DYNO_BF16,
        .isa = DYNO_ISA_AVX512BF16,
        .rank = 10,
        .tolerance = DYNO_TOLERANCE_BF16,
        .supports = dyno_attention_chunks_supports,
        .scratch_bytes = dyno_attention_chunks_scratch_bytes,
        .run.attention = dyno_attention_bf16__avx512bf16,
    },
#endif
};

const dyno_kernel_table dyno_attention_table = {kernels, sizeof kernels / sizeof *kernels};
