/* Numbers from the logits of one position. */
#ifndef DYNO_HARNESS_MEASURE_LOGITS_H
#define DYNO_HARNESS_MEASURE_LOGITS_H

#include <stddef.h>
#include <stdint.h>

/* ln of the sum of e^logit over logits [vocab], vocab > 0; in double, safe from overflow. */
double dyno_log_sum_exp(const float *logits, size_t vocab);

/* The index of the largest, of equal ones the lowest: what greedy sampling takes. */
int32_t dyno_argmax(const float *logits, size_t vocab);

/* The Kullback-Leibler divergence of the distribution that other [vocab] means from that of
 * reference [vocab], sum of p ln(p / q), in nats; at least 0. */
double dyno_logits_divergence(const float *reference, const float *other, size_t vocab);

#endif
