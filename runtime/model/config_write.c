/* A configuration in the words of each dialect. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "runtime/model/config_fields.h"
#include "runtime/model/json_file.h"
#include "runtime/model/model_writer.h"
#include "runtime/model/safetensors_writer.h"

enum { KEY_TEXT = 96 };

static bool slides_on_even_layers(const dyno_model_config *config)
{
  for (size_t i = 0; i < config->layers; i++)
    if (config->slides[i] != (i % 2 == 0))
      return false;
  return true;
}

void dyno_config_write_gguf(dyno_gguf_writer *writer, const dyno_model_config *config,
                            const char *architecture)
{
  const struct {
    const char *suffix;
    size_t value;
  } sizes[] = {
      {"block_count", config->layers},
      {"context_length", config->context_length},
      {"embedding_length", config->d_model},
      {"feed_forward_length", config->d_ff},
      {"expert_feed_forward_length", config->d_ff},
      {"attention.head_count", config->heads},
      {"attention.head_count_kv", config->kv_heads},
      {"attention.key_length", config->head_dim},
      {"attention.value_length", config->head_dim},
      {"attention.sliding_window", config->window},
      {"expert_count", config->experts},
      {"expert_used_count", config->experts_per_token},
      {"rope.scaling.original_context_length", config->rope_original_context},
  };
  const struct {
    const char *suffix;
    float value;
  } floats[] = {
      {"attention.layer_norm_rms_epsilon", config->rms_epsilon},
      {"rope.freq_base", config->rope_theta},
      {"rope.scaling.factor", config->rope_factor},
      {"rope.scaling.yarn_beta_fast", config->rope_beta_fast},
      {"rope.scaling.yarn_beta_slow", config->rope_beta_slow},
  };
  char key[KEY_TEXT];
  dyno_gguf_writer_add_string(writer, "general.architecture", architecture);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    snprintf(key, sizeof key, "%s.%s", architecture, sizes[i].suffix);
    dyno_gguf_writer_add_uint32(writer, key, (uint32_t)sizes[i].value);
  }
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
    snprintf(key, sizeof key, "%s.%s", architecture, floats[i].suffix);
    dyno_gguf_writer_add_float32(writer, key, floats[i].value);
  }
  snprintf(key, sizeof key, "%s.rope.scaling.type", architecture);
  dyno_gguf_writer_add_string(writer, key, "yarn");
  if (!slides_on_even_layers(config)) {
    snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", architecture);
    dyno_gguf_writer_add_array(writer, key, DYNO_GGUF_BOOL, config->slides, config->layers);
  }
}

/* The words that both spellings share. */
static json_t *common_json(const dyno_model_config *config)
{
  return json_pack(
      "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "num_hidden_layers",
      (json_int_t)config->layers, "vocab_size", (json_int_t)config->vocab, "hidden_size",
      (json_int_t)config->d_model, "intermediate_size", (json_int_t)config->d_ff, "head_dim",
      (json_int_t)config->head_dim, "num_attention_heads", (json_int_t)config->heads,
      "num_key_value_heads", (json_int_t)config->kv_heads, "experts_per_token",
      (json_int_t)config->experts_per_token, "sliding_window", (json_int_t)config->window,
      "swiglu_limit", dyno_json_float(config->swiglu_limit), "rope_theta",
      dyno_json_float(config->rope_theta));
}

static json_t *openai_json(const dyno_model_config *config)
{
  return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "num_experts", (json_int_t)config->experts,
                   "initial_context_length", (json_int_t)config->rope_original_context,
                   "rope_scaling_factor", dyno_json_float(config->rope_factor), "rope_ntk_alpha",
                   dyno_json_float(config->rope_beta_slow), "rope_ntk_beta",
                   dyno_json_float(config->rope_beta_fast), "rms_norm_eps",
                   dyno_json_float(config->rms_epsilon));
}

static json_t *hugging_face_json(const dyno_model_config *config)
{
  json_t *types = json_array();
  for (size_t i = 0; i < config->layers; i++)
    json_array_append_new(types,
                          json_string(config->slides[i] ? "sliding_attention" : "full_attention"));
  json_t *rope = json_pack(
      "{s:s, s:o, s:o, s:o, s:I, s:b}", "rope_type", "yarn", "factor",
      dyno_json_float(config->rope_factor), "beta_fast", dyno_json_float(config->rope_beta_fast),
      "beta_slow", dyno_json_float(config->rope_beta_slow), "original_max_position_embeddings",
      (json_int_t)config->rope_original_context, "truncate", (int)config->rope_truncate);
  double usual = dyno_yarn_attention_factor((double)config->rope_factor, 1);
  if (rope != NULL && (float)usual != config->rope_attention_factor)
    json_object_set_new(rope, "attention_factor", dyno_json_float(config->rope_attention_factor));
  return json_pack(
      "{s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:b, s:o, s:o}", "architectures",
      "GptOssForCausalLM", "model_type", "gpt_oss", "hidden_act", "silu", "num_local_experts",
      (json_int_t)config->experts, "num_experts_per_tok", (json_int_t)config->experts_per_token,
      "max_position_embeddings", (json_int_t)config->context_length, "initial_context_length",
      (json_int_t)config->rope_original_context, "rms_norm_eps",
      dyno_json_float(config->rms_epsilon), "swiglu_alpha", dyno_json_float(config->swiglu_alpha),
      "attention_bias", 1, "tie_word_embeddings", (int)config->tied_head, "layer_types", types,
      "rope_scaling", rope);
}

/* As published: transformers needs it to know what the blocks are. */
static json_t *mxfp4_json(void)
{
  return json_pack("{s:{s:s, s:[s, s, s, s]}}", "quantization_config", "quant_method", "mxfp4",
                   "modules_to_not_convert", "model.layers.*.self_attn",
                   "model.layers.*.mlp.router", "model.embed_tokens", "lm_head");
}

dyno_status dyno_config_write_json(const char *path, const dyno_model_config *config,
                                   const dyno_dialect *dialect, bool mxfp4_experts,
                                   dyno_error *error)
{
  bool openai = dialect == &dyno_dialect_openai;
  json_t *object = common_json(config);
  json_t *more = openai ? openai_json(config) : hugging_face_json(config);
  json_t *mxfp4 = mxfp4_experts && !openai ? mxfp4_json() : json_object();
  bool good = object != NULL && json_object_update(object, more) == 0 &&
              json_object_update(object, mxfp4) == 0;
  json_decref(more);
  json_decref(mxfp4);
  dyno_status status = good ? dyno_json_write(path, object, error)
                            : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  json_decref(object);
  return status;
}

dyno_status dyno_config_check_dialect(const dyno_model_config *config, const dyno_dialect *dialect,
                                      const char *path, dyno_error *error)
{
  double factor = dyno_yarn_attention_factor((double)config->rope_factor, 1);
  double context = floor((double)config->rope_original_context * (double)config->rope_factor);
  bool openai = dialect == &dyno_dialect_openai;
  bool gguf = dialect->container == DYNO_CONTAINER_GGUF;
  const struct {
    const char *field;
    bool differs, unheld;
  } checks[] = {
      {"rope_truncate", config->rope_truncate, gguf || openai},
      {"rope_attention_factor", config->rope_attention_factor != (float)factor, gguf || openai},
      {"swiglu_alpha", config->swiglu_alpha != (float)DYNO_DEFAULT_SWIGLU_ALPHA, gguf || openai},
      {"swiglu_limit", config->swiglu_limit != (float)DYNO_DEFAULT_SWIGLU_LIMIT, gguf},
      {"tied_head", config->tied_head, gguf || openai},
      {"slides", !slides_on_even_layers(config), openai},
      {"context_length", (double)config->context_length != context, openai},
  };
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
    if (checks[i].differs && checks[i].unheld)
      return dyno_fail(error, DYNO_ERROR_USAGE,
                       "%s: the dialect '%s' has no word for the configuration's %s", path,
                       dialect->name, checks[i].field);
  return DYNO_OK;
}
