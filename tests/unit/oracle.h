/* The ops once more, straight from the formulas of kernels/kernel.h in double or wider, one output
 * at a time: what the reference kernels are compared with. Shares no code with them, not even the
 * decoding of weights. */
#ifndef DYNO_TESTS_UNIT_ORACLE_H
#define DYNO_TESTS_UNIT_ORACLE_H

#include "kernels/kernel.h"

/* A value, and the sum of the magnitudes of the terms it was summed from: rounding errors are
 * proportional to that. */
typedef struct oracle_value {
  double value, magnitude;
} oracle_value;

/* Element j of a row of weights. Rounded to float where the format says so (dtype.h). */
oracle_value oracle_weight(dyno_dtype dtype, const void *row, size_t j);

/* Element j of a row of activations. */
double oracle_activation(dyno_dtype dtype, const void *row, size_t k, size_t j);

/* output[token][i], for a token of the group. */
oracle_value oracle_matmul(const dyno_matmul_args *args, dyno_dtype weight, dyno_dtype activation,
                           size_t group, size_t token, size_t i);

/* output[t][head][i]; the magnitude is that of the largest V seen. */
oracle_value oracle_attention(const dyno_attention_args *args, dyno_dtype kv, size_t t, size_t head,
                              size_t i);

double oracle_rmsnorm(const dyno_rmsnorm_args *args, size_t t, size_t i);
double oracle_swiglu(const dyno_swiglu_args *args, size_t t, size_t i);

/* Sorts the numbers of values [n] as the router and top-k rank them. */
void oracle_rank(size_t *order, const float *values, size_t n);

#endif
