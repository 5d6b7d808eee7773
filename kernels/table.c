#include "kernels/table.h"

#include <string.h>

const dyno_kernel_table *const dyno_builtin_tables[DYNO_FAMILY_COUNT] = {
    [DYNO_FAMILY_MATMUL] = &dyno_matmul_table,
    [DYNO_FAMILY_ATTENTION] = &dyno_attention_table,
    [DYNO_FAMILY_QUANTIZE] = &dyno_quantize_table,
    [DYNO_FAMILY_ELEMENTWISE] = &dyno_elementwise_table,
    [DYNO_FAMILY_SAMPLING] = &dyno_sampling_table,
};

const dyno_kernel *dyno_reference_kernel(const dyno_kernel *kernel)
{
  const dyno_kernel_table *table = dyno_builtin_tables[dyno_op_family(kernel->op)];
  for (size_t i = 0; i < table->count; i++) {
    const dyno_kernel *candidate = &table->kernels[i];
    if (candidate->isa == DYNO_ISA_REF && candidate->op == kernel->op &&
        candidate->weight == kernel->weight && candidate->activation == kernel->activation)
      return candidate;
  }
  return NULL;
}

const dyno_layout *dyno_builtin_layout(const char *name)
{
  for (dyno_dtype dtype = 0; dtype < DYNO_DTYPE_COUNT; dtype++) {
    const dyno_layout *rows = dyno_layout_rows(dtype);
    if (rows != NULL && strcmp(rows->name, name) == 0)
      return rows;
  }
  for (size_t i = 0; i < dyno_matmul_table.count; i++) {
    const dyno_layout *layout = dyno_kernel_layout(&dyno_matmul_table.kernels[i]);
    if (strcmp(layout->name, name) == 0)
      return layout;
  }
  return NULL;
}
