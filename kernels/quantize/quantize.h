/* The quantize family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_QUANTIZE_QUANTIZE_H
#define DYNO_KERNELS_QUANTIZE_QUANTIZE_H

#include "kernels/kernel.h"

#endif
