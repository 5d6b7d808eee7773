/* The ops of a forward pass, each run by all threads of a pool on their share of the rows. */
#ifndef DYNO_RUNTIME_FORWARD_OPS_H
#define DYNO_RUNTIME_FORWARD_OPS_H

#include <stddef.h>

#include "kernels/kernel.h"
#include "runtime/model/linear.h"
#include "runtime/probe.h"
#include "runtime/threads/pool.h"

/* Who runs an op, and who is told. */
typedef struct dyno_crew {
  dyno_pool *pool;
  const dyno_probe *probe; /* NULL: nobody */
  int layer;               /* for the probe; -1 outside layers */
  size_t tokens;           /* likewise: of the pass */
} dyno_crew;

/* The clock, or 0 where there is no probe. */
uint64_t dyno_begin_op(const dyno_crew *crew);

/* Tells the probe, which there is, of an op. */
void dyno_end_op(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                 unsigned thread, uint64_t begin_ns, uint64_t end_ns, uint64_t bytes,
                 uint64_t macs);

/* output [m][linear->n] = W activation + bias for one matrix. activation is in linear->activation
 * format. */
void dyno_run_linear(const dyno_crew *crew, dyno_probe_op op, const dyno_linear *linear,
                     float *output, const void *activation, size_t m);

/* The tokens of a batch, sorted by the expert they go to. */
typedef struct dyno_expert_groups {
  const size_t *begin;  /* [count + 1]: group g has rows begin[g] to begin[g + 1] - 1 */
  const void **weight;  /* [count], room for the pointers of a matrix */
  const float **bias;   /* [count], likewise */
  const size_t *expert; /* [count]: which expert, ascending */
  size_t count;
} dyno_expert_groups;

/* output [rows][linear->n]: each row is multiplied with its group's expert. */
void dyno_run_experts(const dyno_crew *crew, dyno_probe_op op, const dyno_linear *linear,
                      float *output, const void *activation, const dyno_expert_groups *groups);

void dyno_run_quantize_activation(const dyno_crew *crew, dyno_probe_op op,
                                  const dyno_kernel *kernel,
                                  const dyno_quantize_activation_args *args);
void dyno_run_rmsnorm(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                      const dyno_rmsnorm_args *args);
void dyno_run_rope(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                   const dyno_rope_args *args);
void dyno_run_swiglu(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                     const dyno_swiglu_args *args);
void dyno_run_router(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                     const dyno_router_args *args);
void dyno_run_store_kv(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                       const dyno_store_kv_args *args);

/* scratch has scratch_bytes for each thread, one after the other. */
void dyno_run_attention(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                        const dyno_attention_args *args, void *scratch, size_t scratch_bytes);

#endif
