/* The matmul family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_MATMUL_MATMUL_H
#define DYNO_KERNELS_MATMUL_MATMUL_H

#include "kernels/kernel.h"
#include "kernels/matmul/walk.h"

void dyno_matmul_f32_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_f16_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_bf16_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q8_0_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_1_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q5_0_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_k_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q5_k_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q6_k_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_mxfp4_f32__ref(const dyno_matmul_args *args, size_t row0, size_t row1);

void dyno_matmul_q8_0_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_1_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_mxfp4_a8__ref(const dyno_matmul_args *args, size_t row0, size_t row1);

/* Panels of 16 rows (panel16.h); m and n of the names: the tokens and rows of the largest tile. */
void dyno_matmul_mxfp4_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q8_0_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_1_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_mxfp4_a8_m16n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q8_0_a8_m8n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_a8_m16n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_mxfp4_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0,
                                             size_t row1);
void dyno_matmul_q8_0_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_1_a8_m16n16__avx512vnni(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_bf16_f32_m6n8__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_bf16_f32_m12n16__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);

/* Plain rows times float activations (rows.h). */
void dyno_matmul_f32_f32_m3n4__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_f16_f32_m3n4__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_bf16_f32_m3n4__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q8_0_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_1_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q5_0_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_k_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q5_k_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q6_k_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_mxfp4_f32_m8n1__avx2(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_f32_f32_m4n4__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_f16_f32_m4n4__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_bf16_f32_m4n4__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q8_0_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_0_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_1_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q5_0_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q4_k_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q5_k_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_q6_k_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);
void dyno_matmul_mxfp4_f32_m16n1__avx512(const dyno_matmul_args *args, size_t row0, size_t row1);

#endif
