/* Which problems a variant is checked on. */
#ifndef DYNO_KERNELS_CHECK_CASES_H
#define DYNO_KERNELS_CHECK_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"

typedef struct dyno_cases {
  dyno_problem *problems; /* owned */
  size_t count, capacity;
  bool out_of_memory;
} dyno_cases;

/* Lists the problems for a variant: each dimension from 1 to 130 (so every tail from 0 to 129)
 * with the others at a few values, random shapes, and those of gpt-oss-20b; without what the
 * variant does not support. quick leaves most of it out. */
void dyno_cases_list(dyno_cases *cases, const dyno_kernel *kernel, uint64_t seed, bool quick);

void dyno_cases_free(dyno_cases *cases);

#endif
