#include "kernels/base/rank.h"
#include "kernels/sampling/sampling.h"

void dyno_top_k__ref(const dyno_top_k_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *values = args->values + t * args->n;
    size_t picked = args->n;
    for (size_t c = 0; c < args->chosen; c++) {
      picked = dyno_next_ranked(values, args->n, picked);
      args->index[t * args->chosen + c] = (int32_t)picked;
      args->value[t * args->chosen + c] = values[picked];
    }
  }
}
