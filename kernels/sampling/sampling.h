/* The sampling family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_SAMPLING_SAMPLING_H
#define DYNO_KERNELS_SAMPLING_SAMPLING_H

#include "kernels/kernel.h"

void dyno_top_k__ref(const dyno_top_k_args *args, size_t row0, size_t row1);

void dyno_top_k__avx2(const dyno_top_k_args *args, size_t row0, size_t row1);
void dyno_top_k__avx512(const dyno_top_k_args *args, size_t row0, size_t row1);

void dyno_screen__ref(const dyno_screen_args *args, size_t row0, size_t row1);
void dyno_screen__avx2(const dyno_screen_args *args, size_t row0, size_t row1);
void dyno_screen__avx512vnni(const dyno_screen_args *args, size_t row0, size_t row1);

#endif
