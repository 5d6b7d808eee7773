/* Hyper-parameters from GGUF metadata: ggml-org's "gpt-oss.*" keys and Ollama's "gptoss.*". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/model/config_fields.h"
#include "runtime/model/gguf.h"

enum { KEY_TEXT = 96 };

/* Where to look, and how to say what is wrong. */
typedef struct source {
  const dyno_gguf *gguf;
  const char *path;
  char architecture[16];
  dyno_model_config *config;
  dyno_error *error;
} source;

static const char *make_key(char key[KEY_TEXT], const source *in, const char *suffix)
{
  snprintf(key, KEY_TEXT, "%s.%s", in->architecture, suffix);
  return key;
}

/* Each with the keys it may have, the first that is there wins; and a default, or 0 when it has
 * to be there. */
static const struct {
  dyno_config_field field;
  const char *suffix, *other_suffix;
  double otherwise;
} sources[] = {
    {DYNO_CONFIG_LAYERS, "block_count", NULL, 0},
    {DYNO_CONFIG_D_MODEL, "embedding_length", NULL, 0},
    {DYNO_CONFIG_HEADS, "attention.head_count", NULL, 0},
    {DYNO_CONFIG_KV_HEADS, "attention.head_count_kv", NULL, 0},
    {DYNO_CONFIG_HEAD_DIM, "attention.key_length", NULL, 0},
    {DYNO_CONFIG_EXPERTS, "expert_count", NULL, 0},
    {DYNO_CONFIG_EXPERTS_PER_TOKEN, "expert_used_count", NULL, 0},
    /* Ollama leaves the first out and means it by the second. */
    {DYNO_CONFIG_D_FF, "expert_feed_forward_length", "feed_forward_length", 0},
    {DYNO_CONFIG_WINDOW, "attention.sliding_window", NULL, 0},
    {DYNO_CONFIG_CONTEXT_LENGTH, "context_length", NULL, 0},
    {DYNO_CONFIG_RMS_EPSILON, "attention.layer_norm_rms_epsilon", NULL, 0},
    {DYNO_CONFIG_ROPE_THETA, "rope.freq_base", NULL, 0},
    /* Only some converters write these; ggml's YaRN has the same defaults. */
    {DYNO_CONFIG_ROPE_BETA_FAST, "rope.scaling.yarn_beta_fast", NULL, DYNO_DEFAULT_ROPE_BETA_FAST},
    {DYNO_CONFIG_ROPE_BETA_SLOW, "rope.scaling.yarn_beta_slow", NULL, DYNO_DEFAULT_ROPE_BETA_SLOW},
};

static dyno_status read_field(const source *in, dyno_config_field field, const char *key)
{
  if (field < DYNO_CONFIG_FIRST_FLOAT) {
    uint64_t value;
    dyno_status status = dyno_gguf_get_uint(&value, in->gguf, key, in->error);
    return status != DYNO_OK
               ? status
               : dyno_config_set_size(in->config, field, value, in->path, key, in->error);
  }
  double value;
  dyno_status status = dyno_gguf_get_float(&value, in->gguf, key, in->error);
  return status != DYNO_OK
             ? status
             : dyno_config_set_float(in->config, field, value, in->path, key, in->error);
}

/* A key that has to be there is missing: that is the file's fault, not the caller's. */
static dyno_status require_field(const source *in, dyno_config_field field, const char *key)
{
  dyno_status status = read_field(in, field, key);
  if (status == DYNO_ERROR_NOT_FOUND)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: metadata '%s' is missing", in->path, key);
  return status;
}

static dyno_status read_fields(const source *in)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < sizeof sources / sizeof *sources && status == DYNO_OK; i++) {
    char key[KEY_TEXT], other[KEY_TEXT];
    make_key(key, in, sources[i].suffix);
    bool absent = dyno_gguf_find(in->gguf, key) == NULL;
    if (absent && sources[i].otherwise > 0)
      status = dyno_config_set_float(in->config, sources[i].field, sources[i].otherwise, in->path,
                                     key, in->error);
    else if (absent && sources[i].other_suffix != NULL)
      status = require_field(in, sources[i].field, make_key(other, in, sources[i].other_suffix));
    else
      status = require_field(in, sources[i].field, key);
  }
  return status;
}

static dyno_status read_architecture(source *in)
{
  dyno_span name;
  dyno_status status = dyno_gguf_get_string(&name, in->gguf, "general.architecture", in->error);
  if (status == DYNO_ERROR_NOT_FOUND)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: metadata 'general.architecture' is missing",
                     in->path);
  if (status != DYNO_OK)
    return status;
  if (!dyno_span_equal(name, dyno_span_of("gpt-oss")) &&
      !dyno_span_equal(name, dyno_span_of("gptoss"))) {
    char quoted[DYNO_QUOTED_TEXT];
    return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                     "%s: this model's architecture is '%s'; dyno runs gpt-oss only", in->path,
                     dyno_span_quote(quoted, name));
  }
  memcpy(in->architecture, name.bytes, name.size);
  in->architecture[name.size] = '\0';
  return DYNO_OK;
}

/* The vocabulary's size is that of the embedding, unless the file says it. */
static dyno_status read_vocab(const source *in)
{
  char key[KEY_TEXT];
  if (dyno_gguf_find(in->gguf, make_key(key, in, "vocab_size")) != NULL)
    return read_field(in, DYNO_CONFIG_VOCAB, key);
  static const char embedding[] = "token_embd.weight";
  const dyno_gguf_tensor *tensor = dyno_gguf_find_tensor(in->gguf, embedding);
  if (tensor == NULL)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: tensor '%s' is missing", in->path,
                     embedding);
  return dyno_config_set_size(in->config, DYNO_CONFIG_VOCAB, tensor->dims[1], in->path,
                              "the second dimension of tensor 'token_embd.weight'", in->error);
}

/* Whether the context is stretched; a file without the key means YaRN (Ollama leaves it out). */
static dyno_status read_rope_type(bool *stretched, const source *in)
{
  char key[KEY_TEXT], quoted[DYNO_QUOTED_TEXT];
  *stretched = true;
  if (dyno_gguf_find(in->gguf, make_key(key, in, "rope.scaling.type")) == NULL)
    return DYNO_OK;
  dyno_span type;
  dyno_status status = dyno_gguf_get_string(&type, in->gguf, key, in->error);
  if (status != DYNO_OK)
    return status;
  *stretched = dyno_span_equal(type, dyno_span_of("yarn"));
  if (!*stretched && !dyno_span_equal(type, dyno_span_of("none")))
    return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                     "%s: %s is '%s'; 'yarn' and 'none' are supported", in->path, key,
                     dyno_span_quote(quoted, type));
  return DYNO_OK;
}

/* GGUF has no key for it, and the converters drop it: the published models do not round
 * (config.json, "truncate": false). */
static dyno_status read_rope(const source *in)
{
  dyno_model_config *config = in->config;
  char key[KEY_TEXT];
  bool stretched;
  dyno_status status = read_rope_type(&stretched, in);
  if (status != DYNO_OK)
    return status;
  config->rope_truncate = false;
  config->rope_factor = 1;
  config->rope_original_context = config->context_length;
  if (stretched) {
    status = require_field(in, DYNO_CONFIG_ROPE_FACTOR, make_key(key, in, "rope.scaling.factor"));
    if (status == DYNO_OK)
      status = require_field(in, DYNO_CONFIG_ROPE_ORIGINAL_CONTEXT,
                             make_key(key, in, "rope.scaling.original_context_length"));
  }
  config->rope_attention_factor = (float)dyno_yarn_attention_factor((double)config->rope_factor, 1);
  return status;
}

/* ggml's pattern: an array says it layer by layer, a number n that all but every n-th slide. */
static dyno_status read_pattern(const source *in)
{
  dyno_model_config *config = in->config;
  char key[KEY_TEXT];
  make_key(key, in, "attention.sliding_window_pattern");
  const dyno_gguf_entry *entry = dyno_gguf_find(in->gguf, key);
  dyno_config_slide_even_layers(config);
  if (entry == NULL)
    return DYNO_OK;
  if (entry->is_array)
    return dyno_gguf_get_bools(config->slides, config->layers, in->gguf, key, in->error);
  uint64_t period;
  dyno_status status = dyno_gguf_get_uint(&period, in->gguf, key, in->error);
  if (status != DYNO_OK)
    return status;
  if (period < 1 || period > DYNO_MAX_LAYERS)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s is %" PRIu64 "; 1 to %d is allowed",
                     in->path, key, period, DYNO_MAX_LAYERS);
  for (size_t i = 0; i < config->layers; i++)
    config->slides[i] = i % period < period - 1;
  return DYNO_OK;
}

/* Keys that nothing here could honour unless they have this value. */
static dyno_status check_fixed(const source *in)
{
  const struct {
    const char *suffix;
    double value;
  } fixed[] = {
      {"attention.value_length", (double)in->config->head_dim},
      {"rope.dimension_count", (double)in->config->head_dim},
      {"rope.scaling.attn_factor", 1},
      {"rope.scaling.yarn_attn_factor", 1},
      {"rope.scaling.yarn_ext_factor", 1},
      {"expert_shared_count", 0},
  };
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    char key[KEY_TEXT];
    make_key(key, in, fixed[i].suffix);
    const dyno_gguf_entry *entry = dyno_gguf_find(in->gguf, key);
    if (entry == NULL)
      continue;
    double value;
    uint64_t integer;
    dyno_status status;
    if (entry->type == DYNO_GGUF_FLOAT32 || entry->type == DYNO_GGUF_FLOAT64) {
      status = dyno_gguf_get_float(&value, in->gguf, key, in->error);
    } else {
      status = dyno_gguf_get_uint(&integer, in->gguf, key, in->error);
      value = (double)integer;
    }
    if (status != DYNO_OK)
      return status;
    if (value != fixed[i].value)
      return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED, "%s: %s is %g; only %g is supported",
                       in->path, key, value, fixed[i].value);
  }
  return DYNO_OK;
}

static dyno_status check_split(const source *in)
{
  static const char key[] = "split.count";
  uint64_t count = 1;
  if (dyno_gguf_find(in->gguf, key) == NULL)
    return DYNO_OK;
  dyno_status status = dyno_gguf_get_uint(&count, in->gguf, key, in->error);
  if (status == DYNO_OK && count > 1)
    status = dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                       "%s: this is a part of a model in %" PRIu64
                       " files; join them first (llama-gguf-split --merge)",
                       in->path, count);
  return status;
}

dyno_status dyno_config_read_gguf(dyno_model_config *config, const dyno_gguf *gguf,
                                  dyno_error *error)
{
  *config = (dyno_model_config){
      /* No converter writes them. */
      .swiglu_alpha = (float)DYNO_DEFAULT_SWIGLU_ALPHA,
      .swiglu_limit = (float)DYNO_DEFAULT_SWIGLU_LIMIT,
  };
  source in = {.gguf = gguf, .path = dyno_gguf_file(gguf)->path, .config = config, .error = error};
  dyno_status status = read_architecture(&in);
  dyno_status (*const steps[])(const source *) = {check_split, read_fields,  read_vocab,
                                                  read_rope,   read_pattern, check_fixed};
  for (size_t i = 0; i < sizeof steps / sizeof *steps && status == DYNO_OK; i++)
    status = steps[i](&in);
  return status != DYNO_OK ? status : dyno_model_config_check(config, in.path, error);
}
