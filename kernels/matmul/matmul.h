/* The matmul family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_MATMUL_MATMUL_H
#define DYNO_KERNELS_MATMUL_MATMUL_H

#include "kernels/kernel.h"

#endif
