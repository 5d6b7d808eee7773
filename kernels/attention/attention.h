/* The attention family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_ATTENTION_ATTENTION_H
#define DYNO_KERNELS_ATTENTION_ATTENTION_H

#include "kernels/kernel.h"

void dyno_attention_f32__ref(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_bf16__ref(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_i8__ref(const dyno_attention_args *args, size_t row0, size_t row1);
size_t dyno_attention__ref_scratch_bytes(const dyno_problem *problem);

void dyno_attention_f32__avx2(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_bf16__avx2(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_i8__avx2(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_f32__avx512(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_bf16__avx512(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_i8__avx512(const dyno_attention_args *args, size_t row0, size_t row1);
void dyno_attention_bf16__avx512bf16(const dyno_attention_args *args, size_t row0, size_t row1);

#endif
