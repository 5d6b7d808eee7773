/* The hyper-parameters of a GPT-OSS model, as its files state them.
 *
 * Every number is read from the GGUF metadata or config.json and checked against a range; a
 * default stands in only where a dialect is known to leave the field out (config_gguf.c,
 * config_json.c list them, each with its source). */
#ifndef DYNO_RUNTIME_MODEL_CONFIG_H
#define DYNO_RUNTIME_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/status.h"

#define DYNO_MAX_LAYERS 512

typedef struct dyno_model_config {
  size_t layers;
  size_t d_model;                   /* width of the residual stream */
  size_t vocab;                     /* rows of the embedding and of the head */
  size_t heads, kv_heads, head_dim; /* heads is a multiple of kv_heads; head_dim is even */
  size_t experts, experts_per_token;
  size_t d_ff; /* width inside an expert */
  /* A sliding layer's query q sees the keys k with q - k < window. */
  size_t window;
  bool slides[DYNO_MAX_LAYERS]; /* which layers do; the others see everything */
  size_t context_length;        /* tokens, after stretching */
  float rms_epsilon;
  /* YaRN (Peng et al. 2023, "YaRN: Efficient Context Window Extension of Large Language Models").
   * factor 1 is plain RoPE. */
  float rope_theta;
  float rope_factor;
  float rope_beta_fast, rope_beta_slow; /* rotations over the original context; fast > slow */
  size_t rope_original_context;
  bool rope_truncate;          /* round the ramp's ends outwards to whole dimensions */
  float rope_attention_factor; /* multiplies cosine and sine; usually 0.1 ln(factor) + 1 */
  float swiglu_alpha, swiglu_limit;
  bool tied_head; /* the head is the embedding */
} dyno_model_config;

/* Checks every field against its range and the fields against each other. origin (a path) and
 * the field's name go into the message. FORMAT on the first violation. */
dyno_status dyno_model_config_check(const dyno_model_config *config, const char *origin,
                                    dyno_error *error);

#endif
