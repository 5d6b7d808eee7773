/* The built-in variants: one const table per family. A new variant is one more line in its
 * family's table.c, with its prototype in the family's header. */
#ifndef DYNO_KERNELS_TABLE_H
#define DYNO_KERNELS_TABLE_H

#include <stddef.h>

#include "kernels/kernel.h"

typedef struct dyno_kernel_table {
  const dyno_kernel *kernels;
  size_t count;
} dyno_kernel_table;

extern const dyno_kernel_table dyno_matmul_table;
extern const dyno_kernel_table dyno_attention_table;
extern const dyno_kernel_table dyno_quantize_table;
extern const dyno_kernel_table dyno_elementwise_table;
extern const dyno_kernel_table dyno_sampling_table;

/* The tables above, by family. */
extern const dyno_kernel_table *const dyno_builtin_tables[DYNO_FAMILY_COUNT];

/* The built-in reference variant that computes what kernel computes (same op, weight and
 * activation; tier ref), or NULL. Every reference variant is its own reference. */
const dyno_kernel *dyno_reference_kernel(const dyno_kernel *kernel);

/* The layout of exactly that name, of plain rows or of what a built-in variant reads; NULL when
 * there is none, as when it is of another version. Static lifetime. */
const dyno_layout *dyno_builtin_layout(const char *name);

#endif
