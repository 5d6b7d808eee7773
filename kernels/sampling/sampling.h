/* The sampling family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_SAMPLING_SAMPLING_H
#define DYNO_KERNELS_SAMPLING_SAMPLING_H

#include "kernels/kernel.h"

#endif
