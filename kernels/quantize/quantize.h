/* The quantize family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_QUANTIZE_QUANTIZE_H
#define DYNO_KERNELS_QUANTIZE_QUANTIZE_H

#include "kernels/kernel.h"

void dyno_quantize_weight_f16__ref(const dyno_quantize_weight_args *args, size_t row0, size_t row1);
void dyno_quantize_weight_bf16__ref(const dyno_quantize_weight_args *args, size_t row0,
                                    size_t row1);
void dyno_quantize_weight_q8_0__ref(const dyno_quantize_weight_args *args, size_t row0,
                                    size_t row1);
void dyno_quantize_weight_q4_0__ref(const dyno_quantize_weight_args *args, size_t row0,
                                    size_t row1);
void dyno_quantize_weight_q4_1__ref(const dyno_quantize_weight_args *args, size_t row0,
                                    size_t row1);
void dyno_quantize_weight_mxfp4__ref(const dyno_quantize_weight_args *args, size_t row0,
                                     size_t row1);

void dyno_quantize_weight_f16__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                    size_t row1);
void dyno_quantize_weight_bf16__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                     size_t row1);
void dyno_quantize_weight_q8_0__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                     size_t row1);
void dyno_quantize_weight_q4_0__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                     size_t row1);
void dyno_quantize_weight_q4_1__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                     size_t row1);
void dyno_quantize_weight_mxfp4__avx2(const dyno_quantize_weight_args *args, size_t row0,
                                      size_t row1);
void dyno_quantize_weight_f16__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                      size_t row1);
void dyno_quantize_weight_bf16__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                       size_t row1);
void dyno_quantize_weight_q8_0__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                       size_t row1);
void dyno_quantize_weight_q4_0__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                       size_t row1);
void dyno_quantize_weight_q4_1__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                       size_t row1);
void dyno_quantize_weight_mxfp4__avx512(const dyno_quantize_weight_args *args, size_t row0,
                                        size_t row1);

void dyno_fit_weight_q4_0__ref(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_q4_1__ref(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_mxfp4__ref(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_q4_0__avx2(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_q4_1__avx2(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_mxfp4__avx2(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_q4_0__avx512(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_q4_1__avx512(const dyno_fit_weight_args *args, size_t row0, size_t row1);
void dyno_fit_weight_mxfp4__avx512(const dyno_fit_weight_args *args, size_t row0, size_t row1);

void dyno_quantize_activation_a8__ref(const dyno_quantize_activation_args *args, size_t row0,
                                      size_t row1);

void dyno_store_kv_f32__ref(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_bf16__ref(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_i8__ref(const dyno_store_kv_args *args, size_t row0, size_t row1);

void dyno_quantize_activation_a8__avx2(const dyno_quantize_activation_args *args, size_t row0,
                                       size_t row1);
void dyno_quantize_activation_a8__avx512(const dyno_quantize_activation_args *args, size_t row0,
                                         size_t row1);
void dyno_store_kv_f32__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_bf16__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_i8__avx2(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_f32__avx512(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_bf16__avx512(const dyno_store_kv_args *args, size_t row0, size_t row1);
void dyno_store_kv_i8__avx512(const dyno_store_kv_args *args, size_t row0, size_t row1);

#endif
