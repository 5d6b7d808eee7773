/* A weight matrix of the model (or one per expert), in the layout that its kernels read. */
#ifndef DYNO_RUNTIME_MODEL_LINEAR_H
#define DYNO_RUNTIME_MODEL_LINEAR_H

#include <stddef.h>

#include "kernels/base/buffer.h"
#include "kernels/registry.h"
#include "runtime/model/checkpoint.h"
#include "runtime/precision.h"
#include "runtime/threads/pool.h"

typedef struct dyno_linear {
  const char *name; /* of its tensor: "blk.3.attn_q.weight"; lives with the checkpoint */
  size_t groups, n, k;
  dyno_dtype weight, activation; /* formats; activation is DYNO_F32 or DYNO_A8 */
  const dyno_layout *layout;
  dyno_choice decode;        /* for one token */
  dyno_choice prefill;       /* for more; gives the same bits as decode */
  const void **group_weight; /* [groups]; owned */
  const float **group_bias;  /* [groups], or NULL when there is no bias; owned */
  float *bias;               /* [groups][n]; owned */
  dyno_buffer packed;        /* empty when the kernels read the mapped file itself */
} dyno_linear;

/* What loading a matrix depends on. */
typedef struct dyno_linear_source {
  const dyno_checkpoint *checkpoint; /* must outlive the matrix */
  const dyno_registry *registry;     /* likewise */
  dyno_pool *pool;
  dyno_precision precision;
  size_t prefill_tokens;   /* the batch that prefill kernels are chosen for */
  size_t groups_per_token; /* experts that a token uses; 1 for dense matrices */
} dyno_linear_source;

/* Chooses layout and kernels and brings the weights into the layout: by mapping where the file
 * has it already, else by packing, after which the source's pages are released. A router becomes
 * F32, whatever the file keeps it as. bias may be NULL.
 * On failure *linear is zeroed. Errors of dyno_select_layout and dyno_checkpoint_read_rows. */
dyno_status dyno_linear_load(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *weight, const dyno_tensor *bias, dyno_error *error);

/* Frees and zeroes; a zeroed matrix is fine. */
void dyno_linear_free(dyno_linear *linear);

#endif
