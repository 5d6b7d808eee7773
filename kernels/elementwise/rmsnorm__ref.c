#include <math.h>

#include "kernels/elementwise/elementwise.h"

void dyno_rmsnorm__ref(const dyno_rmsnorm_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *input = args->input + t * args->k;
    float *output = args->output + t * args->k;
    double sum_of_squares = 0;
    for (size_t i = 0; i < args->k; i++)
      sum_of_squares += (double)input[i] * (double)input[i];
    double root = sqrt(sum_of_squares / (double)args->k + (double)args->epsilon);
    for (size_t i = 0; i < args->k; i++)
      output[i] = (float)((double)input[i] * (double)args->weight[i] / root);
  }
}
