/* The elementwise family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_ELEMENTWISE_ELEMENTWISE_H
#define DYNO_KERNELS_ELEMENTWISE_ELEMENTWISE_H

#include "kernels/kernel.h"

#endif
