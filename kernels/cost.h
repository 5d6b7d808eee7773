/* What a problem costs at least, to hold measured times against the ceilings of a machine. */
#ifndef DYNO_KERNELS_COST_H
#define DYNO_KERNELS_COST_H

#include "kernels/kernel.h"

/* The bytes are those that must move at least once, from whatever memory they lie in: each input
 * read once, each output written once, packed weights with their padding. What is optional (bias,
 * sinks) or scratch is not counted. Doubles, because the products may pass 2^64.
 *
 *   op                   macs                weight    activation        output
 *   matmul               m n k               packed    x                 m n floats
 *   attention            2 k heads seen      -         q, and K, V seen  m heads k floats
 *   quantize_weight      n k                 -         n k floats        rows
 *   fit_weight           n k                 k floats  n k floats        rows
 *   quantize_activation  m k                 -         m k floats        rows
 *   store_kv             2 m kv_heads k      -         as many floats    K, V
 *   rmsnorm              2 m k               k floats  m k floats        m k floats
 *   rope                 2 m heads k         -         x, both tables    m heads k floats
 *   swiglu               m k                 -         2 m k floats      m k floats
 *   router, top_k        m n                 -         m n floats        m k pairs of 8 bytes
 *
 * seen is how many pairs of a query and a position it sees there are.
 * Where no matrices are multiplied, macs are the elements, times the multiplications of each
 * where there is more than one. */
typedef struct dyno_cost {
  double macs; /* multiply-adds */
  double bytes_weight, bytes_activation, bytes_output;
} dyno_cost;

/* The cost of the problem when this variant of its op computes it (the layout decides on the
 * bytes of weights). The problem passes dyno_problem_check. Thread-safe. */
dyno_cost dyno_kernel_cost(const dyno_kernel *kernel, const dyno_problem *problem);

/* All bytes together. */
double dyno_cost_bytes(const dyno_cost *cost);

#endif
