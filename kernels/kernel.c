#include "kernels/kernel.h"

const dyno_layout *dyno_kernel_layout(const dyno_kernel *kernel)
{
  if (kernel->op != DYNO_OP_MATMUL)
    return NULL;
  return kernel->layout != NULL ? kernel->layout : dyno_layout_rows(kernel->weight);
}

size_t dyno_problem_rows(const dyno_problem *problem)
{
  switch (problem->op) {
  case DYNO_OP_MATMUL:
    return problem->n * problem->groups;
  case DYNO_OP_ATTENTION:
    return problem->kv_heads * problem->m;
  case DYNO_OP_QUANTIZE_WEIGHT:
  case DYNO_OP_FIT_WEIGHT:
  case DYNO_OP_SCREEN:
    return problem->n;
  default:
    return problem->m;
  }
}
