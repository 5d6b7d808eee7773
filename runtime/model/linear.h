/* A weight matrix of the model (or one per expert), in the layout that its kernels read. */
#ifndef DYNO_RUNTIME_MODEL_LINEAR_H
#define DYNO_RUNTIME_MODEL_LINEAR_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/buffer.h"
#include "kernels/registry.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/quantization.h"
#include "runtime/placement.h"
#include "runtime/precision.h"
#include "runtime/threads/pool.h"

typedef struct dyno_linear {
  const char *name; /* of its tensor: "blk.3.attn_q.weight"; lives with the checkpoint */
  size_t groups, n, k;
  dyno_dtype weight, activation; /* formats; activation is DYNO_F32 or DYNO_A8 */
  dyno_quant_method lowered;     /* how, from what the file has */
  const dyno_layout *layout;
  dyno_choice decode;        /* for one token */
  dyno_choice prefill;       /* for more; gives the same bits as decode */
  const void **group_weight; /* [groups]; owned */
  const float **group_bias;  /* [groups], or NULL when there is no bias; owned */
  float *bias;               /* [groups][n]; owned */
  dyno_buffer packed;        /* empty when the kernels read the mapped file itself, */
  uint64_t shared_bytes;     /* or another matrix's packed copy, of so many bytes */
} dyno_linear;

/* What loading a matrix depends on. */
typedef struct dyno_linear_source {
  const dyno_checkpoint *checkpoint; /* must outlive the matrix */
  const dyno_registry *registry;     /* likewise */
  dyno_pool *pool;
  dyno_precision precision;
  size_t prefill_tokens;   /* the batch that prefill kernels are chosen for */
  size_t groups_per_token; /* experts that a token uses; 1 for dense matrices */
  /* Choose the layout afresh for a tensor that the file has packed, to pack it again. */
  bool repack;
  const dyno_quantization *quantization; /* what tensors are lowered to; NULL: none is */
  dyno_huge_pages huge_pages;
  const dyno_tensor *next; /* is read in while this one is packed; NULL: none */
  bool reclaim;            /* once packed, the source's pages leave the page cache too */
  dyno_numa numa;
  /* The same tensor's matrix in a model that lives longer, to read its weights where the layout is
   * the same; NULL for none. */
  const dyno_linear *twin;
} dyno_linear_source;

/* Chooses layout and kernels for a tensor, without loading anything: fills all of *linear but the
 * weights and the bias.
 *
 * A tensor that the file has packed stays in its layout, except for repack, and for reference
 * precision where nothing reads that layout with float activations: then its rows are unpacked.
 * UNAVAILABLE, naming the tensor, its layout and the remedy, when fast kernels for it are missing.
 * Errors of dyno_select_layout. */
dyno_status dyno_linear_plan(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *weight, dyno_error *error);

/* Plans, and brings the weights into the layout: by mapping where the file has it already, else by
 * packing, after which the source's pages are released; rows are lowered on their way, some at a
 * time, where source->quantization says so. A router becomes F32, whatever the file
 * keeps it as. bias may be NULL. On failure *linear is zeroed. Errors of dyno_linear_plan,
 * dyno_checkpoint_read_rows and dyno_requantizer_rows. */
dyno_status dyno_linear_load(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *weight, const dyno_tensor *bias, dyno_error *error);

/* The bytes that a planned matrix would pack into memory of its own. */
uint64_t dyno_linear_own_bytes(const dyno_linear *linear, const dyno_linear_source *source,
                               const dyno_tensor *weight);

/* Puts memory that its weights come to, group after group, on the nodes of the threads that read
 * them (runtime/memory/numa.h). */
void dyno_linear_place(const dyno_linear *linear, void *data, size_t group_bytes, dyno_pool *pool);

/* Has the matrix read from a copy of its mapped weights from now on, and takes the buffer over. */
void dyno_linear_move(dyno_linear *linear, dyno_buffer *copy);

/* Frees and zeroes; a zeroed matrix is fine. */
void dyno_linear_free(dyno_linear *linear);

#endif
