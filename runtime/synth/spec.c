/* What is to be made: shapes, the words that change them, and the check. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/suggest.h"
#include "runtime/model/config_fields.h"
#include "runtime/model/model_writer.h"
#include "runtime/synth/blocks.h"
#include "runtime/synth/synth.h"
#include "runtime/synth/vocabulary.h"

/* OpenAI's gpt-oss-20b, config.json. */
#define REAL_LAYER                                                                                 \
  .d_model = 2880, .vocab = 201088, .heads = 64, .kv_heads = 8, .head_dim = 64, .experts = 32,     \
  .experts_per_token = 4, .d_ff = 2880, .window = 128, .context_length = 131072

static const struct {
  const char *name;
  dyno_model_config config;
} shapes[] = {
    {"gpt-oss-20b", {.layers = 24, REAL_LAYER}},
    {"gpt-oss-20b-4l", {.layers = 4, REAL_LAYER}},
    {"tiny",
     {.layers = 4,
      .d_model = 64,
      .vocab = 2048,
      .heads = 4,
      .kv_heads = 2,
      .head_dim = 32,
      .experts = 8,
      .experts_per_token = 4,
      .d_ff = 96,
      .window = 32,
      .context_length = 4096}},
};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes };

/* The dialects, and what their published files hold. */
static const struct {
  const char *name;
  const dyno_dialect *dialect;
  dyno_dtype dense;
} dialects[] = {
    {"ggml-org", &dyno_dialect_ggml_org, DYNO_Q8_0},
    {"ollama", &dyno_dialect_ollama, DYNO_BF16},
    {"ollama-2025-08", &dyno_dialect_ollama_2025_08, DYNO_BF16},
    {"hugging-face", &dyno_dialect_hugging_face, DYNO_BF16},
    {"openai", &dyno_dialect_openai, DYNO_BF16},
};
enum { DIALECT_COUNT = sizeof dialects / sizeof *dialects };

typedef dyno_status set_function(dyno_synth_spec *spec, size_t offset, const char *key,
                                 const char *value, dyno_error *error);
static set_function set_size, set_seed, set_dialect, set_dtype, set_vocabulary;

static const struct {
  set_function *set;
  size_t offset;
} setters[] = {
    {set_dialect, 0},
    {set_dtype, offsetof(dyno_synth_spec, dense)},
    {set_dtype, offsetof(dyno_synth_spec, experts)},
    {set_seed, 0},
    {set_vocabulary, 0},
    {set_size, offsetof(dyno_synth_spec, config.layers)},
    {set_size, offsetof(dyno_synth_spec, config.d_model)},
    {set_size, offsetof(dyno_synth_spec, config.d_ff)},
    {set_size, offsetof(dyno_synth_spec, config.heads)},
    {set_size, offsetof(dyno_synth_spec, config.kv_heads)},
    {set_size, offsetof(dyno_synth_spec, config.head_dim)},
    {set_size, offsetof(dyno_synth_spec, config.experts)},
    {set_size, offsetof(dyno_synth_spec, config.experts_per_token)},
    {set_size, offsetof(dyno_synth_spec, config.vocab)},
    {set_size, offsetof(dyno_synth_spec, config.window)},
    {set_size, offsetof(dyno_synth_spec, config.context_length)},
};

const dyno_synth_key dyno_synth_keys[] = {
    {"dialect", "NAME",
     "How the file is laid out: ggml-org (the default), ollama, ollama-2025-08 (GGUF files); "
     "hugging-face, openai (folders of safetensors)"},
    {"dense", "TYPE",
     "Format of embedding, head and attention: f32, f16, bf16; in GGUF also q8_0, q4_0, q4_1, "
     "q5_0, q4_k, q5_k, q6_k. The default is the published one: q8_0 for ggml-org, else bf16"},
    {"experts-type", "TYPE", "Format of the experts: mxfp4 (the default), bf16 or another one"},
    {"seed", "N", "Another seed is another model; 1 by default"},
    {"vocab", "FILE", "A .tiktoken file instead of the vocabulary that is built in"},
    {"layers", "N", "Layers; the even ones have sliding attention"},
    {"d-model", "N", "Width of the residual stream"},
    {"d-ff", "N", "Width inside an expert"},
    {"heads", "N", "Query heads"},
    {"kv-heads", "N", "Key and value heads"},
    {"head-dim", "N", "Width of a head"},
    {"experts", "N", "Experts in a layer"},
    {"experts-per-token", "N", "Experts that a token is sent to"},
    {"vocab-size", "N", "Tokens, special ones included"},
    {"window", "N", "Tokens that a sliding layer sees"},
    {"context", "N", "Tokens of context, after YaRN's stretching by 32"},
    {0},
};

static dyno_status unknown(const char *what, const char *word, const char *const *names,
                           size_t count, dyno_error *error)
{
  char near[128];
  dyno_suggest(near, sizeof near, word, names, count, 3);
  return dyno_fail(error, DYNO_ERROR_USAGE, "synth: there is no %s '%s'; did you mean %s?", what,
                   word, near);
}

dyno_status dyno_synth_spec_init(dyno_synth_spec *spec, const char *shape, dyno_error *error)
{
  const char *names[SHAPE_COUNT];
  *spec = (dyno_synth_spec){.dialect = &dyno_dialect_ggml_org, .seed = 1};
  for (size_t i = 0; i < SHAPE_COUNT; i++) {
    names[i] = shapes[i].name;
    if (strcmp(shape, shapes[i].name) != 0)
      continue;
    spec->shape = shapes[i].name;
    spec->config = shapes[i].config;
    return DYNO_OK;
  }
  return unknown("shape", shape, names, SHAPE_COUNT, error);
}

/* Decimal digits, nothing else. */
static bool parse_number(uint64_t *number, const char *text)
{
  *number = 0;
  if (*text == '\0')
    return false;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9' || __builtin_mul_overflow(*number, 10, number) ||
        __builtin_add_overflow(*number, (uint64_t)(*text - '0'), number))
      return false;
  }
  return true;
}

static dyno_status set_size(dyno_synth_spec *spec, size_t offset, const char *key,
                            const char *value, dyno_error *error)
{
  uint64_t number;
  if (!parse_number(&number, value) || number > SIZE_MAX)
    return dyno_fail(error, DYNO_ERROR_USAGE, "synth: %s=%s: a whole number is wanted", key, value);
  size_t size = (size_t)number;
  memcpy((char *)spec + offset, &size, sizeof size);
  return DYNO_OK;
}

static dyno_status set_seed(dyno_synth_spec *spec, size_t offset, const char *key,
                            const char *value, dyno_error *error)
{
  (void)offset;
  if (!parse_number(&spec->seed, value) || spec->seed > INT64_MAX)
    return dyno_fail(error, DYNO_ERROR_USAGE, "synth: %s=%s: a whole number below 2^63 is wanted",
                     key, value);
  return DYNO_OK;
}

static dyno_status set_dialect(dyno_synth_spec *spec, size_t offset, const char *key,
                               const char *value, dyno_error *error)
{
  (void)offset;
  const char *names[DIALECT_COUNT];
  for (size_t i = 0; i < DIALECT_COUNT; i++) {
    names[i] = dialects[i].name;
    if (strcmp(value, dialects[i].name) == 0) {
      spec->dialect = dialects[i].dialect;
      return DYNO_OK;
    }
  }
  return unknown(key, value, names, DIALECT_COUNT, error);
}

static dyno_status set_dtype(dyno_synth_spec *spec, size_t offset, const char *key,
                             const char *value, dyno_error *error)
{
  dyno_dtype dtype = dyno_dtype_parse(value);
  if (!dyno_block_drawable(dtype))
    return dyno_fail(error, DYNO_ERROR_USAGE, "synth: %s=%s is no format of weights", key, value);
  memcpy((char *)spec + offset, &dtype, sizeof dtype);
  return DYNO_OK;
}

static dyno_status set_vocabulary(dyno_synth_spec *spec, size_t offset, const char *key,
                                  const char *value, dyno_error *error)
{
  (void)offset;
  if (*value == '\0')
    return dyno_fail(error, DYNO_ERROR_USAGE, "synth: %s: the path of a file is wanted", key);
  spec->vocabulary = value;
  return DYNO_OK;
}

dyno_status dyno_synth_spec_set(dyno_synth_spec *spec, const char *key, const char *value,
                                dyno_error *error)
{
  const char *names[sizeof setters / sizeof *setters];
  size_t count = sizeof setters / sizeof *setters;
  for (size_t i = 0; i < count; i++) {
    names[i] = dyno_synth_keys[i].name;
    if (strcmp(key, names[i]) == 0)
      return setters[i].set(spec, setters[i].offset, key, value, error);
  }
  return unknown("option", key, names, count, error);
}

const char *dyno_synth_dialect_name(const dyno_dialect *dialect)
{
  for (size_t i = 0; i < DIALECT_COUNT; i++) {
    if (dialects[i].dialect == dialect)
      return dialects[i].name;
  }
  return "?";
}

/* What no override changes. */
static void complete(dyno_synth_spec *spec)
{
  dyno_model_config *config = &spec->config;
  config->rms_epsilon = (float)DYNO_DEFAULT_RMS_EPSILON;
  config->rope_theta = 150000;
  config->rope_factor = 32;
  config->rope_beta_fast = (float)DYNO_DEFAULT_ROPE_BETA_FAST;
  config->rope_beta_slow = (float)DYNO_DEFAULT_ROPE_BETA_SLOW;
  config->rope_original_context = config->context_length / 32;
  config->rope_attention_factor = (float)dyno_yarn_attention_factor(32, 1);
  config->swiglu_alpha = (float)DYNO_DEFAULT_SWIGLU_ALPHA;
  config->swiglu_limit = (float)DYNO_DEFAULT_SWIGLU_LIMIT;
  for (size_t i = 0; i < DYNO_MAX_LAYERS; i++)
    config->slides[i] = i < config->layers && i % 2 == 0;
  for (size_t i = 0; i < DIALECT_COUNT; i++) {
    if (spec->dense == DYNO_NONE && dialects[i].dialect == spec->dialect)
      spec->dense = dialects[i].dense;
  }
  if (spec->experts == DYNO_NONE)
    spec->experts = DYNO_MXFP4;
}

static bool is_float(dyno_dtype dtype)
{
  return dtype == DYNO_F32 || dtype == DYNO_F16 || dtype == DYNO_BF16;
}

/* That the formats suit the dialect and the rows. */
static dyno_status check_types(const dyno_synth_spec *spec, dyno_error *error)
{
  bool safetensors = spec->dialect->container == DYNO_CONTAINER_SAFETENSORS;
  if (safetensors && !is_float(spec->dense))
    return dyno_fail(error, DYNO_ERROR_USAGE, "synth: dense=%s: safetensors hold f32, f16 and bf16",
                     dyno_dtype_name(spec->dense));
  if (safetensors && !is_float(spec->experts) && spec->experts != DYNO_MXFP4)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "synth: experts-type=%s: safetensors hold mxfp4, f32, f16 and bf16",
                     dyno_dtype_name(spec->experts));
  for (dyno_tensor_role role = 0; role < DYNO_TENSOR_ROLE_COUNT; role++) {
    size_t groups, n, k;
    dyno_tensor_role_shape(&groups, &n, &k, role, &spec->config);
    dyno_dtype dtype = dyno_synth_dtype(spec, role);
    if (dyno_row_bytes(dtype, k) == 0)
      return dyno_fail(error, DYNO_ERROR_USAGE,
                       "synth: the rows of %s have %zu elements, which is no multiple of the %zu "
                       "in a block of %s",
                       dyno_tensor_role_name(role), k, dyno_dtype_get(dtype)->block_elements,
                       dyno_dtype_name(dtype));
  }
  return DYNO_OK;
}

/* What is malformed in a file is a bad request in here. */
static dyno_status as_usage(dyno_status status, dyno_error *error)
{
  if (status != DYNO_ERROR_FORMAT)
    return status;
  if (error != NULL)
    error->status = DYNO_ERROR_USAGE;
  return DYNO_ERROR_USAGE;
}

dyno_status dyno_synth_spec_check(dyno_synth_spec *spec, dyno_error *error)
{
  complete(spec);
  const dyno_model_config *config = &spec->config;
  if (config->context_length % 32 != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "synth: context=%zu: a multiple of 32, by which YaRN stretches, is wanted",
                     config->context_length);
  dyno_status status = as_usage(dyno_model_config_check(config, "synth", error), error);
  if (status != DYNO_OK)
    return status;
  if (config->vocab < DYNO_SYNTH_LEAST_VOCABULARY)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "synth: vocab-size=%zu: there are %d bytes and special tokens alone",
                     config->vocab, DYNO_SYNTH_LEAST_VOCABULARY);
  status = as_usage(dyno_config_check_dialect(config, spec->dialect, "synth", error), error);
  return status == DYNO_OK ? check_types(spec, error) : status;
}

/* A finer format when rows of k are no whole blocks. */
static dyno_dtype fit(dyno_dtype dtype, size_t k)
{
  if (dyno_row_bytes(dtype, k) != 0)
    return dtype;
  switch (dtype) {
  case DYNO_Q4_K:
    return DYNO_Q5_0;
  case DYNO_Q5_K:
  case DYNO_Q6_K:
    return DYNO_Q8_0;
  default:
    return dtype;
  }
}

dyno_dtype dyno_synth_dtype(const dyno_synth_spec *spec, dyno_tensor_role role)
{
  size_t groups, n, k;
  dyno_tensor_role_shape(&groups, &n, &k, role, &spec->config);
  if (dyno_tensor_role_is_vector(role) || role == DYNO_TENSOR_ROUTER_WEIGHT) {
    /* Ollama's converter keeps what has two dimensions in BF16. */
    bool matrix = dyno_tensor_role_has_experts(role);
    if (spec->dialect->container == DYNO_CONTAINER_SAFETENSORS)
      return spec->dense;
    return matrix && spec->dialect != &dyno_dialect_ggml_org ? DYNO_BF16 : DYNO_F32;
  }
  return fit(dyno_tensor_role_has_experts(role) ? spec->experts : spec->dense, k);
}

uint64_t dyno_synth_weight_bytes(const dyno_synth_spec *spec)
{
  uint64_t sum = 0;
  for (dyno_tensor_role role = 0; role < DYNO_TENSOR_ROLE_COUNT; role++) {
    size_t groups, n, k;
    dyno_tensor_role_shape(&groups, &n, &k, role, &spec->config);
    uint64_t bytes = (uint64_t)groups * n * dyno_row_bytes(dyno_synth_dtype(spec, role), k);
    sum += role < DYNO_TENSOR_FIRST_OF_LAYER ? bytes : bytes * spec->config.layers;
  }
  return sum;
}
