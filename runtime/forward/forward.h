/* One forward pass: a batch of consecutive tokens of one sequence through the model.
 *
 * The bits of the result do not depend on how a sequence is cut into batches, nor on the number
 * of threads. */
#ifndef DYNO_RUNTIME_FORWARD_FORWARD_H
#define DYNO_RUNTIME_FORWARD_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buffer.h"
#include "runtime/cache/kv.h"
#include "runtime/forward/ops.h"
#include "runtime/model/model.h"

/* The intermediate results of a batch; m is at most model->batch, rows = m * experts_per_token. */
typedef struct dyno_workspace {
  dyno_buffer buffer;             /* holds everything below */
  float *residual;                /* [m][d_model] */
  float *normalized;              /* [m][d_model] */
  float *query;                   /* [m][heads * head_dim] */
  float *key, *value;             /* [m][kv_heads * head_dim] */
  float *attended;                /* [m][heads * head_dim] */
  float *projected;               /* [m][d_model] */
  float *cosine, *sine;           /* [m][head_dim / 2] */
  float *router_logits;           /* [m][experts] */
  int32_t *expert;                /* [m][experts_per_token] */
  float *expert_weight;           /* [m][experts_per_token] */
  size_t *row_of;                 /* [m][experts_per_token]: the row of that pair below */
  void *expert_input;             /* [rows][d_model], F32 or A8 */
  float *gate, *up;               /* [rows][d_ff] */
  float *expert_output;           /* [rows][d_model] */
  void *quantized;                /* A8 rows of the widest matrix, [rows] */
  size_t *group_begin;            /* [experts + 1] */
  size_t *group_expert;           /* [experts] */
  const void **group_weight;      /* [experts] */
  const float **group_bias;       /* [experts] */
  void *attention_scratch;        /* for each thread */
  size_t attention_scratch_bytes; /* of one thread */
} dyno_workspace;

/* Allocates for the model's batch, sequences of at most capacity tokens, and threads. MEMORY, and
 * *workspace is zeroed. */
dyno_status dyno_workspace_open(dyno_workspace *workspace, const dyno_model *model, size_t capacity,
                                unsigned threads, dyno_error *error);

void dyno_workspace_close(dyno_workspace *workspace);

/* Runs m tokens (1 <= m <= model->batch, each < vocab) that stand at position and after it. The KV
 * cache must have room reserved for them. workspace->residual then holds their final hidden
 * states. probe may be NULL. */
void dyno_forward(dyno_workspace *workspace, dyno_kv *kv, const dyno_model *model, dyno_pool *pool,
                  const dyno_probe *probe, const int32_t *tokens, size_t m, size_t position);

/* Writes the logits [count][vocab] of tokens first to first + count - 1 of the batch that went
 * through last. probe may be NULL. */
void dyno_forward_logits(float *logits, dyno_workspace *workspace, const dyno_model *model,
                         dyno_pool *pool, const dyno_probe *probe, size_t first, size_t count);

#endif
