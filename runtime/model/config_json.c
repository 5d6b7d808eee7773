/* Hyper-parameters from config.json: Hugging Face's GptOssConfig (transformers, old spelling and
 * that of version 5) and OpenAI's original/config.json. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/model/config_fields.h"
#include "runtime/model/json_file.h"
#include "runtime/model/span.h"

enum { MAX_CONFIG_BYTES = 4 << 20, SPELLINGS = 2 };

typedef struct source {
  const json_t *root;
  const char *path;
  dyno_model_config *config;
  dyno_error *error;
} source;

/* A value that is there and not null; null is how transformers writes "none". */
static const json_t *get(const json_t *object, const char *key)
{
  const json_t *value = json_object_get(object, key);
  return json_is_null(value) ? NULL : value;
}

static dyno_status wrong_type(const source *in, const char *key, const char *wanted)
{
  return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s is no %s", in->path, key, wanted);
}

static dyno_status missing(const source *in, const char *key)
{
  return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s is missing", in->path, key);
}

static dyno_status set_field(const source *in, dyno_config_field field, const json_t *value,
                             const char *key)
{
  if (field >= DYNO_CONFIG_FIRST_FLOAT) {
    if (!json_is_number(value))
      return wrong_type(in, key, "number");
    return dyno_config_set_float(in->config, field, json_number_value(value), in->path, key,
                                 in->error);
  }
  if (!json_is_integer(value))
    return wrong_type(in, key, "integer");
  if (json_integer_value(value) < 0)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s is negative", in->path, key);
  return dyno_config_set_size(in->config, field, (uint64_t)json_integer_value(value), in->path, key,
                              in->error);
}

/* Each with its spellings, and a default, or 0 when it has to be there. */
static const struct {
  dyno_config_field field;
  const char *keys[SPELLINGS];
  double otherwise;
} sources[] = {
    {DYNO_CONFIG_LAYERS, {"num_hidden_layers", NULL}, 0},
    {DYNO_CONFIG_D_MODEL, {"hidden_size", NULL}, 0},
    {DYNO_CONFIG_VOCAB, {"vocab_size", NULL}, 0},
    {DYNO_CONFIG_HEADS, {"num_attention_heads", NULL}, 0},
    {DYNO_CONFIG_KV_HEADS, {"num_key_value_heads", NULL}, 0},
    {DYNO_CONFIG_HEAD_DIM, {"head_dim", NULL}, 0},
    {DYNO_CONFIG_EXPERTS, {"num_local_experts", "num_experts"}, 0},
    {DYNO_CONFIG_EXPERTS_PER_TOKEN, {"num_experts_per_tok", "experts_per_token"}, 0},
    {DYNO_CONFIG_D_FF, {"intermediate_size", NULL}, 0},
    /* OpenAI's file leaves it out. */
    {DYNO_CONFIG_RMS_EPSILON, {"rms_norm_eps", NULL}, DYNO_DEFAULT_RMS_EPSILON},
    /* Neither's older files have them. */
    {DYNO_CONFIG_SWIGLU_LIMIT, {"swiglu_limit", NULL}, DYNO_DEFAULT_SWIGLU_LIMIT},
    {DYNO_CONFIG_SWIGLU_ALPHA, {"swiglu_alpha", NULL}, DYNO_DEFAULT_SWIGLU_ALPHA},
};

static dyno_status read_fields(const source *in)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < sizeof sources / sizeof *sources && status == DYNO_OK; i++) {
    const char *key = sources[i].keys[0], *other = sources[i].keys[1];
    const json_t *value = get(in->root, key);
    const json_t *other_value = other != NULL ? get(in->root, other) : NULL;
    if (value != NULL && other_value != NULL && !json_equal(value, other_value))
      return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s and %s differ", in->path, key, other);
    if (value != NULL)
      status = set_field(in, sources[i].field, value, key);
    else if (other_value != NULL)
      status = set_field(in, sources[i].field, other_value, other);
    else if (sources[i].otherwise > 0)
      status = dyno_config_set_float(in->config, sources[i].field, sources[i].otherwise, in->path,
                                     key, in->error);
    else
      status = missing(in, key);
  }
  return status;
}

/* Without layer_types the even layers slide, in transformers as in OpenAI's code. */
static dyno_status read_layer_types(const source *in)
{
  static const char key[] = "layer_types";
  dyno_model_config *config = in->config;
  const json_t *window = get(in->root, "sliding_window");
  if (window != NULL) {
    dyno_status status = set_field(in, DYNO_CONFIG_WINDOW, window, "sliding_window");
    if (status != DYNO_OK)
      return status;
  }
  dyno_config_slide_even_layers(config);
  const json_t *types = get(in->root, key);
  if (types == NULL)
    return DYNO_OK;
  if (!json_is_array(types) || json_array_size(types) != config->layers)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s is no array of %zu strings", in->path,
                     key, config->layers);
  for (size_t i = 0; i < config->layers; i++) {
    const char *type = json_string_value(json_array_get(types, i));
    char quoted[DYNO_QUOTED_TEXT];
    if (type == NULL)
      return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s[%zu] is no string", in->path, key, i);
    config->slides[i] = strcmp(type, "sliding_attention") == 0;
    if (!config->slides[i] && strcmp(type, "full_attention") != 0)
      return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                       "%s: %s[%zu] is '%s'; sliding_attention and full_attention are supported",
                       in->path, key, i, dyno_span_quote(quoted, dyno_span_of(type)));
  }
  return DYNO_OK;
}

static dyno_status set_or_default(const source *in, dyno_config_field field, const json_t *value,
                                  const char *key, double otherwise)
{
  return value != NULL
             ? set_field(in, field, value, key)
             : dyno_config_set_float(in->config, field, otherwise, in->path, key, in->error);
}

/* transformers, modeling_rope_utils.py, _compute_yarn_parameters: a given attention_factor wins,
 * else it follows from the factor, and from mscale and mscale_all_dim when both are there. */
static dyno_status read_attention_factor(const source *in, const json_t *rope)
{
  dyno_model_config *config = in->config;
  const json_t *given = get(rope, "attention_factor");
  const json_t *mscale = get(rope, "mscale"), *all = get(rope, "mscale_all_dim");
  double factor = (double)config->rope_factor;
  double result = dyno_yarn_attention_factor(factor, 1);
  if ((mscale != NULL && !json_is_number(mscale)) || (all != NULL && !json_is_number(all)))
    return wrong_type(in, "mscale or mscale_all_dim", "number");
  if (mscale != NULL && all != NULL && json_number_value(mscale) != 0 &&
      json_number_value(all) != 0)
    result = dyno_yarn_attention_factor(factor, json_number_value(mscale)) /
             dyno_yarn_attention_factor(factor, json_number_value(all));
  return set_or_default(in, DYNO_CONFIG_ROPE_ATTENTION_FACTOR, given, "attention_factor", result);
}

/* Hugging Face's dictionary when it says "yarn". What it leaves out has the value that
 * transformers takes: ends 32 and 1, rounded. */
static dyno_status read_yarn(const source *in, const json_t *rope)
{
  static const char original_key[] = "original_max_position_embeddings";
  dyno_status status = get(rope, "factor") == NULL
                           ? missing(in, "the factor of rope_parameters or rope_scaling")
                           : set_field(in, DYNO_CONFIG_ROPE_FACTOR, get(rope, "factor"), "factor");
  if (status == DYNO_OK)
    status = set_or_default(in, DYNO_CONFIG_ROPE_BETA_FAST, get(rope, "beta_fast"), "beta_fast",
                            DYNO_DEFAULT_ROPE_BETA_FAST);
  if (status == DYNO_OK)
    status = set_or_default(in, DYNO_CONFIG_ROPE_BETA_SLOW, get(rope, "beta_slow"), "beta_slow",
                            DYNO_DEFAULT_ROPE_BETA_SLOW);
  if (status != DYNO_OK)
    return status;

  const json_t *original = get(rope, original_key);
  if (original == NULL)
    original = get(in->root, "initial_context_length");
  if (original == NULL)
    original = get(in->root, "max_position_embeddings");
  status = original == NULL
               ? missing(in, original_key)
               : set_field(in, DYNO_CONFIG_ROPE_ORIGINAL_CONTEXT, original, original_key);
  const json_t *truncate = get(rope, "truncate");
  if (status == DYNO_OK && truncate != NULL && !json_is_boolean(truncate))
    status = wrong_type(in, "truncate", "boolean");
  in->config->rope_truncate = truncate == NULL || json_is_true(truncate);
  return status == DYNO_OK ? read_attention_factor(in, rope) : status;
}

static dyno_status read_plain_rope(const source *in)
{
  dyno_model_config *config = in->config;
  config->rope_factor = 1;
  config->rope_attention_factor = 1;
  config->rope_beta_fast = (float)DYNO_DEFAULT_ROPE_BETA_FAST;
  config->rope_beta_slow = (float)DYNO_DEFAULT_ROPE_BETA_SLOW;
  config->rope_original_context = config->context_length;
  return DYNO_OK;
}

/* rope is what transformers 5 calls rope_parameters, with rope_theta in it, and older ones call
 * rope_scaling, with rope_theta beside it. */
static dyno_status read_hugging_face_rope(const source *in, const json_t *rope, const char *key)
{
  if (!json_is_object(rope))
    return wrong_type(in, key, "object");
  const json_t *theta = get(rope, "rope_theta");
  if (theta == NULL)
    theta = get(in->root, "rope_theta");
  if (theta == NULL)
    return missing(in, "rope_theta");
  dyno_status status = set_field(in, DYNO_CONFIG_ROPE_THETA, theta, "rope_theta");
  if (status != DYNO_OK)
    return status;
  const json_t *partial = get(rope, "partial_rotary_factor");
  if (partial != NULL && json_number_value(partial) != 1)
    return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                     "%s: %s: partial_rotary_factor is supported at 1 only", in->path, key);
  const json_t *type = get(rope, "rope_type");
  if (type == NULL)
    type = get(rope, "type");
  const char *name = json_string_value(type);
  if (name == NULL)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: %s has no rope_type that is a string",
                     in->path, key);
  if (strcmp(name, "yarn") == 0)
    return read_yarn(in, rope);
  if (strcmp(name, "default") == 0)
    return read_plain_rope(in);
  char quoted[DYNO_QUOTED_TEXT];
  return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                   "%s: %s: rope_type is '%s'; 'yarn' and 'default' are supported", in->path, key,
                   dyno_span_quote(quoted, dyno_span_of(name)));
}

/* OpenAI's spelling: ntk_beta is the fast end, ntk_alpha the slow one, and nothing is rounded
 * (gpt_oss/torch/model.py, RotaryEmbedding). */
static dyno_status read_openai_rope(const source *in)
{
  static const struct {
    dyno_config_field field;
    const char *key;
  } keys[] = {
      {DYNO_CONFIG_ROPE_THETA, "rope_theta"},
      {DYNO_CONFIG_ROPE_FACTOR, "rope_scaling_factor"},
      {DYNO_CONFIG_ROPE_BETA_FAST, "rope_ntk_beta"},
      {DYNO_CONFIG_ROPE_BETA_SLOW, "rope_ntk_alpha"},
      {DYNO_CONFIG_ROPE_ORIGINAL_CONTEXT, "initial_context_length"},
  };
  dyno_model_config *config = in->config;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const json_t *value = get(in->root, keys[i].key);
    dyno_status status =
        value == NULL ? missing(in, keys[i].key) : set_field(in, keys[i].field, value, keys[i].key);
    if (status != DYNO_OK)
      return status;
  }
  config->rope_attention_factor = (float)dyno_yarn_attention_factor((double)config->rope_factor, 1);
  /* The file states no context length; it is trained up to here. */
  double context = floor((double)config->rope_original_context * (double)config->rope_factor);
  return dyno_config_set_size(config, DYNO_CONFIG_CONTEXT_LENGTH, (uint64_t)context, in->path,
                              "initial_context_length times rope_scaling_factor", in->error);
}

static dyno_status read_rope(const source *in)
{
  if (get(in->root, "rope_scaling_factor") != NULL)
    return read_openai_rope(in);
  const json_t *context = get(in->root, "max_position_embeddings");
  if (context == NULL)
    return missing(in, "max_position_embeddings");
  dyno_status status =
      set_field(in, DYNO_CONFIG_CONTEXT_LENGTH, context, "max_position_embeddings");
  if (status != DYNO_OK)
    return status;
  static const char *const keys[] = {"rope_parameters", "rope_scaling"};
  for (size_t i = 0; i < 2; i++) {
    const json_t *rope = get(in->root, keys[i]);
    if (rope != NULL)
      return read_hugging_face_rope(in, rope, keys[i]);
  }
  return missing(in, "rope_parameters (or rope_scaling)");
}

/* Strings that have to say this, where they are there at all. */
static dyno_status check_fixed(const source *in)
{
  static const struct {
    const char *outer, *key, *value;
  } fixed[] = {
      {NULL, "model_type", "gpt_oss"},
      {NULL, "hidden_act", "silu"},
      {"quantization_config", "quant_method", "mxfp4"},
  };
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    const json_t *object = fixed[i].outer != NULL ? get(in->root, fixed[i].outer) : in->root;
    const json_t *value = get(object, fixed[i].key);
    if (value == NULL)
      continue;
    const char *text = json_string_value(value);
    char quoted[DYNO_QUOTED_TEXT];
    if (text == NULL)
      return wrong_type(in, fixed[i].key, "string");
    if (strcmp(text, fixed[i].value) != 0)
      return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED, "%s: %s is '%s'; dyno runs '%s' only",
                       in->path, fixed[i].key, dyno_span_quote(quoted, dyno_span_of(text)),
                       fixed[i].value);
  }
  return DYNO_OK;
}

static dyno_status read_tie(const source *in)
{
  static const char key[] = "tie_word_embeddings";
  const json_t *tied = get(in->root, key);
  if (tied != NULL && !json_is_boolean(tied))
    return wrong_type(in, key, "boolean");
  in->config->tied_head = json_is_true(tied);
  return DYNO_OK;
}

dyno_status dyno_config_read_json(dyno_model_config *config, const char *path, dyno_error *error)
{
  json_t *root;
  *config = (dyno_model_config){0};
  dyno_status status = dyno_json_load(&root, path, MAX_CONFIG_BYTES, error);
  if (status != DYNO_OK)
    return status;
  const source in = {root, path, config, error};
  dyno_status (*const steps[])(const source *) = {check_fixed, read_fields, read_layer_types,
                                                  read_rope, read_tie};
  for (size_t i = 0; i < sizeof steps / sizeof *steps && status == DYNO_OK; i++)
    status = steps[i](&in);
  if (status == DYNO_OK)
    status = dyno_model_config_check(config, path, error);
  json_decref(root);
  return status;
}
