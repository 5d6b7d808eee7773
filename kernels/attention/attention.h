/* The attention family: prototypes of its variants. Contracts: kernels/kernel.h. */
#ifndef DYNO_KERNELS_ATTENTION_ATTENTION_H
#define DYNO_KERNELS_ATTENTION_ATTENTION_H

#include "kernels/kernel.h"

#endif
