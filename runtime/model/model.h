/* A model in memory: its weights in the layouts of the chosen kernels, and those kernels. */
#ifndef DYNO_RUNTIME_MODEL_MODEL_H
#define DYNO_RUNTIME_MODEL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/registry.h"
#include "runtime/model/ablation.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/embedding.h"
#include "runtime/model/head_screen.h"
#include "runtime/model/linear.h"
#include "runtime/precision.h"
#include "runtime/threads/pool.h"

typedef struct dyno_layer {
  float *attention_norm, *ffn_norm; /* [d_model] */
  float *sinks;                     /* [heads] */
  dyno_linear query, key, value, attention_output;
  dyno_linear router, gate, up, down;
  size_t window; /* 0 where the layer sees everything */
} dyno_layer;

/* The kernels of the ops without weights, each for one token and for a whole batch. */
typedef struct dyno_model_kernels {
  dyno_choice quantize_activation, rmsnorm, rope, swiglu, router;
  dyno_choice attention, store_kv;
} dyno_model_kernels;

typedef struct dyno_model {
  const dyno_checkpoint *checkpoint; /* not owned */
  const dyno_model_config *config;   /* of the checkpoint, or ablated */
  dyno_model_config *ablated;        /* owned; NULL when no part is left out */
  dyno_precision precision;
  dyno_dtype kv_dtype;
  size_t batch; /* the most tokens in one pass */
  dyno_embedding embedding;
  float *output_norm; /* [d_model] */
  dyno_linear head;
  dyno_head_screen screen; /* only for two-stage logits */
  dyno_layer *layers;      /* [config->layers] */
  dyno_model_kernels kernels;
  dyno_linear_source source; /* of its matrices */
  double *inverse_frequency; /* [head_dim / 2], of RoPE */
  float rope_scale;          /* multiplies cosine and sine */
} dyno_model;

typedef struct dyno_model_options {
  dyno_precision precision;
  dyno_kv_format kv;
  size_t batch;
  dyno_huge_pages huge_pages;
  dyno_numa numa;
  bool rope_truncate;                    /* round YaRN's correction range, as ggml does */
  bool two_stage;                        /* make a screen of the head */
  dyno_parts ablate;                     /* what to leave out */
  const dyno_quantization *quantization; /* what tensors are lowered to; NULL: none is */
  /* A model of the same checkpoint that lives longer, whose matrices are used where the layouts are
   * the same; NULL for none. */
  const struct dyno_model *share;
  uint64_t memory_limit; /* of packed weights; 0: none */
  /* Called as the weights come in; may be NULL. Returning false stops with INTERRUPTED. */
  bool (*progress)(void *context, uint64_t done, uint64_t total);
  void *progress_context;
} dyno_model_options;

/* Loads all weights. UNAVAILABLE when their packed copies would pass the memory limit; nothing was
 * packed then. The checkpoint, the registry and the pool must outlive the model. On failure
 * *model is zeroed. */
dyno_status dyno_model_load(dyno_model *model, const dyno_checkpoint *checkpoint,
                            const dyno_registry *registry, dyno_pool *pool,
                            const dyno_model_options *options, dyno_error *error);

/* Loads a matrix, or the embedding, anew as the quantization says, which must live as long as that
 * of the options. On failure it stays as it was. Errors of dyno_linear_load. */
dyno_status dyno_model_reload(dyno_model *model, const dyno_quantization *quantization,
                              dyno_tensor_role role, size_t layer, dyno_error *error);

/* Frees and zeroes; a zeroed model is fine. */
void dyno_model_free(dyno_model *model);

/* Bytes of weights in memory of our own (packed, lowered), and of the screen, apart from those
 * that are mapped. */
uint64_t dyno_model_packed_bytes(const dyno_model *model);

/* Bytes of weights in memory that belongs to the model it shares with. */
uint64_t dyno_model_shared_bytes(const dyno_model *model);

/* Calls visit for every matrix, in the order of a forward pass. */
void dyno_model_for_each_linear(const dyno_model *model,
                                void (*visit)(void *context, const dyno_linear *linear),
                                void *context);

#endif
