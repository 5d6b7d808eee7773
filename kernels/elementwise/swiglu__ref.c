#include <math.h>

#include "kernels/elementwise/elementwise.h"

void dyno_swiglu__ref(const dyno_swiglu_args *args, size_t row0, size_t row1)
{
  double alpha = (double)args->alpha, limit = (double)args->limit;
  for (size_t i = row0 * args->k; i < row1 * args->k; i++) {
    double gate = fmin((double)args->gate[i], limit);
    double up = fmax(-limit, fmin((double)args->up[i], limit));
    double sigmoid = 1 / (1 + exp(-alpha * gate));
    args->output[i] = (float)(gate * sigmoid * (up + 1));
  }
}
