#include "harness/measure/logits.h"

#include <math.h>

double dyno_log_sum_exp(const float *logits, size_t vocab)
{
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < vocab; i++)
    largest = fmax(largest, (double)logits[i]);
  for (size_t i = 0; i < vocab; i++)
    sum += exp((double)logits[i] - largest);
  return largest + log(sum);
}

int32_t dyno_argmax(const float *logits, size_t vocab)
{
  size_t best = 0;
  for (size_t i = 1; i < vocab; i++)
    if (logits[i] > logits[best])
      best = i;
  return (int32_t)best;
}

double dyno_logits_divergence(const float *reference, const float *other, size_t vocab)
{
  double p_total = dyno_log_sum_exp(reference, vocab), q_total = dyno_log_sum_exp(other, vocab);
  double sum = 0;
  for (size_t i = 0; i < vocab; i++) {
    double p = (double)reference[i] - p_total, q = (double)other[i] - q_total;
    sum += exp(p) * (p - q);
  }
  return fmax(sum, 0); /* rounding may leave a little less than 0 */
}
