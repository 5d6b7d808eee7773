/* The elementwise family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_ELEMENTWISE_ELEMENTWISE_H
#define DYNO_KERNELS_ELEMENTWISE_ELEMENTWISE_H

#include "kernels/kernel.h"

void dyno_rmsnorm__ref(const dyno_rmsnorm_args *args, size_t row0, size_t row1);
void dyno_rope__ref(const dyno_rope_args *args, size_t row0, size_t row1);
void dyno_swiglu__ref(const dyno_swiglu_args *args, size_t row0, size_t row1);
void dyno_router__ref(const dyno_router_args *args, size_t row0, size_t row1);

void dyno_rmsnorm__avx2(const dyno_rmsnorm_args *args, size_t row0, size_t row1);
void dyno_rope__avx2(const dyno_rope_args *args, size_t row0, size_t row1);
void dyno_swiglu__avx2(const dyno_swiglu_args *args, size_t row0, size_t row1);
void dyno_rmsnorm__avx512(const dyno_rmsnorm_args *args, size_t row0, size_t row1);
void dyno_rope__avx512(const dyno_rope_args *args, size_t row0, size_t row1);
void dyno_swiglu__avx512(const dyno_swiglu_args *args, size_t row0, size_t row1);

#endif
