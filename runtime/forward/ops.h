/* The ops of a forward pass, each run by all threads of a pool on their share of the rows. */
#ifndef DYNO_RUNTIME_FORWARD_OPS_H
#define DYNO_RUNTIME_FORWARD_OPS_H

#include <stddef.h>

#include "kernels/kernel.h"
#include "runtime/model/linear.h"
#include "runtime/threads/pool.h"

/* output [m][linear->n] = W activation + bias for one matrix. activation is in linear->activation
 * format. */
void dyno_run_linear(dyno_pool *pool, const dyno_linear *linear, float *output,
                     const void *activation, size_t m);

/* The tokens of a batch, sorted by the expert they go to. */
typedef struct dyno_expert_groups {
  const size_t *begin;  /* [count + 1]: group g has rows begin[g] to begin[g + 1] - 1 */
  const void **weight;  /* [count], room for the pointers of a matrix */
  const float **bias;   /* [count], likewise */
  const size_t *expert; /* [count]: which expert, ascending */
  size_t count;
} dyno_expert_groups;

/* output [rows][linear->n]: each row is multiplied with its group's expert. */
void dyno_run_experts(dyno_pool *pool, const dyno_linear *linear, float *output,
                      const void *activation, const dyno_expert_groups *groups);

void dyno_run_quantize_activation(dyno_pool *pool, const dyno_kernel *kernel,
                                  const dyno_quantize_activation_args *args);
void dyno_run_rmsnorm(dyno_pool *pool, const dyno_kernel *kernel, const dyno_rmsnorm_args *args);
void dyno_run_rope(dyno_pool *pool, const dyno_kernel *kernel, const dyno_rope_args *args);
void dyno_run_swiglu(dyno_pool *pool, const dyno_kernel *kernel, const dyno_swiglu_args *args);
void dyno_run_router(dyno_pool *pool, const dyno_kernel *kernel, const dyno_router_args *args);
void dyno_run_store_kv(dyno_pool *pool, const dyno_kernel *kernel, const dyno_store_kv_args *args);

/* scratch has scratch_bytes for each thread, one after the other. */
void dyno_run_attention(dyno_pool *pool, const dyno_kernel *kernel, const dyno_attention_args *args,
                        void *scratch, size_t scratch_bytes);

#endif
