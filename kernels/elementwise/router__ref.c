#include <math.h>

#include "kernels/base/rank.h"
#include "kernels/elementwise/elementwise.h"

void dyno_router__ref(const dyno_router_args *args, size_t row0, size_t row1)
{
  for (size_t t = row0; t < row1; t++) {
    const float *logits = args->logits + t * args->experts;
    int32_t *expert = args->expert + t * args->chosen;
    float *weight = args->weight + t * args->chosen;
    size_t picked = args->experts;
    for (size_t c = 0; c < args->chosen; c++) {
      picked = dyno_next_ranked(logits, args->experts, picked);
      expert[c] = (int32_t)picked;
    }
    /* The softmax over the chosen; the first of them is the largest. */
    double sum = 0;
    for (size_t c = 0; c < args->chosen; c++)
      sum += exp((double)logits[expert[c]] - (double)logits[expert[0]]);
    for (size_t c = 0; c < args->chosen; c++)
      weight[c] = (float)(exp((double)logits[expert[c]] - (double)logits[expert[0]]) / sum);
  }
}
