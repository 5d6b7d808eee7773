/* The intermediate results of a pass. */
#ifndef DYNO_RUNTIME_FORWARD_WORKSPACE_H
#define DYNO_RUNTIME_FORWARD_WORKSPACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/cache/embedding_cache.h"
#include "runtime/memory/allocator.h"
#include "runtime/model/model.h"
#include "runtime/prefetch.h"
#include "runtime/threads/barrier.h"
#include "runtime/threads/pool.h"

/* What is known of each of m tokens between two matrices; rows = m * experts_per_token. Rows of
 * activations are there in both formats, F32 and A8, where matrices of the model take both. */
typedef struct dyno_stream {
  float *residual, *normalized; /* [m][d_model] */
  void *quantized;              /* A8 rows of the widest dense matrix, [m] */
  float *cosine, *sine;         /* [m][head_dim / 2] */
  int32_t *expert;              /* [m][experts_per_token] */
  float *expert_weight;         /* [m][experts_per_token] */
  float *expert_input;          /* [rows][d_model], sorted by expert; NULL where none takes F32 */
  void *expert_quantized;       /* the same in A8, or NULL */
} dyno_stream;

/* The groups of a grouped matmul, in the words of dyno_matmul_args. */
typedef struct dyno_group_pointers {
  const void **weight; /* [experts] */
  const float **bias;  /* [experts] */
} dyno_group_pointers;

/* What each thread has for itself. All work the grouping out anew, from the same choices. */
typedef struct dyno_own {
  dyno_stream stream;   /* of a single token; thread 0's is the shared one */
  size_t *row_of;       /* [m][experts_per_token]: the row of that pair, sorted by expert */
  size_t *group_begin;  /* [experts + 1]: group g has rows group_begin[g] to group_begin[g + 1] */
  size_t *group_expert; /* [experts]: which expert, ascending; only those with tokens */
  size_t groups;
  dyno_group_pointers gate, up, down;
  void *attention_scratch;
  unsigned node, peers; /* the node of the pool, and how many threads are on it */
  uint64_t panels,
      panel_bytes; /* of experts' matrices, prefetched since the workspace was opened */
} dyno_own;

typedef struct dyno_workspace {
  dyno_allocator *allocator; /* not owned */
  void *memory;              /* holds everything below but own, claims and barrier; not zeroed */
  dyno_stream shared;        /* of model->batch tokens */
  float *query;              /* [m][heads * head_dim] */
  float *key, *value;        /* [m][kv_heads * head_dim] */
  float *attended;           /* [m][heads * head_dim] */
  float *projected;          /* [m][d_model] */
  float *router_logits;      /* [m][experts] */
  float *gate, *up;          /* [rows][d_ff] */
  void *activated;           /* A8 rows of d_ff, [rows]; or NULL */
  float *expert_output;      /* [rows][d_model] */
  dyno_own *own;             /* [threads] */
  dyno_barrier *barrier;
  atomic_size_t *claims; /* [claim_steps][nodes]: numbers handed out, of each step */
  size_t claim_steps;
  const dyno_pool *pool; /* not owned */
  unsigned threads, nodes;
  /* Set by the owner once it is open. */
  dyno_embedding_cache *embeddings; /* not owned; NULL: rows are decoded for every pass */
  dyno_prefetch prefetch;
} dyno_workspace;

/* Allocates for the model's batch, sequences of at most capacity tokens, and the threads of the
 * pool, which must outlive it, as must the allocator. MEMORY, and *workspace is zeroed. */
dyno_status dyno_workspace_open(dyno_workspace *workspace, const dyno_model *model, size_t capacity,
                                const dyno_pool *pool, dyno_allocator *allocator,
                                dyno_error *error);

/* Before each pass: no share has been claimed. */
void dyno_workspace_start(dyno_workspace *workspace);

/* Frees and zeroes; a zeroed workspace is fine. */
void dyno_workspace_close(dyno_workspace *workspace);

#endif
