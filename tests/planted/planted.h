/* Variants with a bug in each, to see that the check finds it; and a few without. */
#ifndef DYNO_TESTS_PLANTED_PLANTED_H
#define DYNO_TESTS_PLANTED_PLANTED_H

#include "kernels/kernel.h"

typedef struct planted_variant {
  dyno_kernel kernel;
  /* A part of what the check has to say; NULL: the variant is right. */
  const char *finding;
} planted_variant;

/* Both end with a variant whose name is NULL. */
extern const planted_variant planted_matmul_avx2[]; /* needs AVX2 to run */
extern const planted_variant planted_portable[];

#endif
