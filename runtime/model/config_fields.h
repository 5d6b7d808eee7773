/* The range of every hyper-parameter, and how the readers of GGUF and JSON store them. */
#ifndef DYNO_RUNTIME_MODEL_CONFIG_FIELDS_H
#define DYNO_RUNTIME_MODEL_CONFIG_FIELDS_H

#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/model/config.h"

/* The numbers of dyno_model_config. */
typedef enum dyno_config_field {
  DYNO_CONFIG_LAYERS,
  DYNO_CONFIG_D_MODEL,
  DYNO_CONFIG_VOCAB,
  DYNO_CONFIG_HEADS,
  DYNO_CONFIG_KV_HEADS,
  DYNO_CONFIG_HEAD_DIM,
  DYNO_CONFIG_EXPERTS,
  DYNO_CONFIG_EXPERTS_PER_TOKEN,
  DYNO_CONFIG_D_FF,
  DYNO_CONFIG_WINDOW,
  DYNO_CONFIG_CONTEXT_LENGTH,
  DYNO_CONFIG_ROPE_ORIGINAL_CONTEXT,
  DYNO_CONFIG_RMS_EPSILON, /* from here on floats */
  DYNO_CONFIG_ROPE_THETA,
  DYNO_CONFIG_ROPE_FACTOR,
  DYNO_CONFIG_ROPE_BETA_FAST,
  DYNO_CONFIG_ROPE_BETA_SLOW,
  DYNO_CONFIG_ROPE_ATTENTION_FACTOR,
  DYNO_CONFIG_SWIGLU_ALPHA,
  DYNO_CONFIG_SWIGLU_LIMIT,
  DYNO_CONFIG_FIELD_COUNT
} dyno_config_field;

#define DYNO_CONFIG_FIRST_FLOAT DYNO_CONFIG_RMS_EPSILON

/* What the published code takes where a file is silent. The readers use them only for the fields
 * that their dialect is known to leave out.
 * OpenAI, gpt_oss/torch/model.py: the clamp and the gain of swiglu; RMSNorm's eps; YaRN's ends.
 * ggml's YaRN has the same ends. */
#define DYNO_DEFAULT_SWIGLU_ALPHA 1.702
#define DYNO_DEFAULT_SWIGLU_LIMIT 7.0
#define DYNO_DEFAULT_RMS_EPSILON 1e-5
#define DYNO_DEFAULT_ROPE_BETA_FAST 32.0
#define DYNO_DEFAULT_ROPE_BETA_SLOW 1.0

/* Stores a number, when it is in the field's range. key is how the file at origin calls the
 * field: it goes into the message. FORMAT. */
dyno_status dyno_config_set_size(dyno_model_config *config, dyno_config_field field, uint64_t value,
                                 const char *origin, const char *key, dyno_error *error);
dyno_status dyno_config_set_float(dyno_model_config *config, dyno_config_field field, double value,
                                  const char *origin, const char *key, dyno_error *error);

/* The field's name in dyno_model_config, and its number. */
const char *dyno_config_field_name(dyno_config_field field);
uint64_t dyno_config_get_size(const dyno_model_config *config, dyno_config_field field);
float dyno_config_get_float(const dyno_model_config *config, dyno_config_field field);

/* OpenAI's models slide in the even layers (gpt_oss/torch/model.py, AttentionBlock). */
void dyno_config_slide_even_layers(dyno_model_config *config);

/* 0.1 mscale ln(factor) + 1 for factor > 1, else 1 (YaRN, section 3.4). */
double dyno_yarn_attention_factor(double factor, double mscale);

/* The readers. Both end with dyno_model_config_check. */
struct dyno_gguf;
dyno_status dyno_config_read_gguf(dyno_model_config *config, const struct dyno_gguf *gguf,
                                  dyno_error *error);
dyno_status dyno_config_read_json(dyno_model_config *config, const char *path, dyno_error *error);

#endif
