/* A config.json with one thing wrong: each must end in an error that names file and field. */
#include <criterion/criterion.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runtime/model/config_fields.h"
#include "tests/unit/hostile.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;
static char path[300];

static void make_folder(void)
{
  fixture_folder_make(&folder);
  snprintf(path, sizeof path, "%s/config.json", folder.path);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(hostile_config, .init = make_folder, .fini = remove_folder, .timeout = 60);

/* The published configuration of gpt-oss-20b, shortened to four layers. */
static const char hugging_face[] =
    "{'architectures': ['GptOssForCausalLM'], 'attention_bias': true, 'attention_dropout': 0.0,"
    " 'eos_token_id': 200002, 'experts_per_token': 4, 'head_dim': 64, 'hidden_act': 'silu',"
    " 'hidden_size': 2880, 'initial_context_length': 4096, 'initializer_range': 0.02,"
    " 'intermediate_size': 2880, 'layer_types': ['sliding_attention', 'full_attention',"
    " 'sliding_attention', 'full_attention'], 'max_position_embeddings': 131072,"
    " 'model_type': 'gpt_oss', 'num_attention_heads': 64, 'num_experts_per_tok': 4,"
    " 'num_hidden_layers': 4, 'num_key_value_heads': 8, 'num_local_experts': 32,"
    " 'output_router_logits': false, 'pad_token_id': 199999, 'quantization_config':"
    " {'modules_to_not_convert': ['lm_head'], 'quant_method': 'mxfp4'}, 'rms_norm_eps': 1e-05,"
    " 'rope_scaling': {'beta_fast': 32.0, 'beta_slow': 1.0, 'factor': 32.0,"
    " 'original_max_position_embeddings': 4096, 'rope_type': 'yarn', 'truncate': false},"
    " 'rope_theta': 150000, 'sliding_window': 128, 'swiglu_limit': 7.0,"
    " 'tie_word_embeddings': false, 'use_cache': true, 'vocab_size': 201088}";

/* The same in the words of transformers 5, which keeps rope_theta with the rest of its kind. */
static const char transformers_5[] =
    "{'head_dim': 64, 'hidden_act': 'silu', 'hidden_size': 2880, 'intermediate_size': 2880,"
    " 'max_position_embeddings': 131072, 'model_type': 'gpt_oss', 'num_attention_heads': 64,"
    " 'num_experts_per_tok': 4, 'num_hidden_layers': 4, 'num_key_value_heads': 8,"
    " 'num_local_experts': 32, 'rms_norm_eps': 1e-05, 'rope_parameters': {'beta_fast': 32.0,"
    " 'beta_slow': 1.0, 'factor': 32.0, 'original_max_position_embeddings': 4096,"
    " 'rope_theta': 150000.0, 'rope_type': 'yarn', 'truncate': false}, 'sliding_window': 128,"
    " 'swiglu_alpha': 1.702, 'swiglu_limit': 7.0, 'tie_word_embeddings': false,"
    " 'layer_types': null, 'vocab_size': 201088}";

static const char openai[] =
    "{'num_hidden_layers': 4, 'num_experts': 32, 'experts_per_token': 4, 'vocab_size': 201088,"
    " 'hidden_size': 2880, 'intermediate_size': 2880, 'swiglu_limit': 7.0, 'head_dim': 64,"
    " 'num_attention_heads': 64, 'num_key_value_heads': 8, 'sliding_window': 128,"
    " 'initial_context_length': 4096, 'rope_theta': 150000, 'rope_scaling_factor': 32.0,"
    " 'rope_ntk_alpha': 1, 'rope_ntk_beta': 32}";

/* Text in single quotes, as JSON. */
static json_t *parse(const char *text)
{
  char copy[4096];
  snprintf(copy, sizeof copy, "%s", text);
  for (char *c = copy; *c != '\0'; c++)
    *c = *c == '\'' ? '"' : *c;
  json_t *value = json_loads(copy, JSON_DECODE_ANY, NULL);
  cr_assert(value != NULL, "no JSON: %s", copy);
  return value;
}

static dyno_status read_config(dyno_model_config *config, const json_t *root, dyno_error *error)
{
  *error = (dyno_error){0};
  cr_assert(json_dump_file(root, path, 0) == 0, "cannot write %s", path);
  return dyno_config_read_json(config, path, error);
}

Test(hostile_config, the_three_spellings_say_the_same)
{
  static const char *const texts[] = {hugging_face, transformers_5, openai};
  for (size_t i = 0; i < 3; i++) {
    json_t *root = parse(texts[i]);
    dyno_model_config config;
    dyno_error error;
    cr_assert(read_config(&config, root, &error) == DYNO_OK, "%zu: %s", i, error.message);
    json_decref(root);
    cr_assert(config.layers == 4 && config.d_model == 2880 && config.vocab == 201088 &&
                  config.heads == 64 && config.kv_heads == 8 && config.head_dim == 64 &&
                  config.experts == 32 && config.experts_per_token == 4 && config.d_ff == 2880 &&
                  config.window == 128 && config.context_length == 131072,
              "%zu: sizes", i);
    cr_assert(config.slides[0] && !config.slides[1] && config.slides[2] && !config.slides[3],
              "%zu: layers", i);
    cr_assert(config.rms_epsilon == 1e-5f && config.rope_theta == 150000 &&
                  config.rope_factor == 32 && config.rope_beta_fast == 32 &&
                  config.rope_beta_slow == 1 && config.rope_original_context == 4096 &&
                  !config.rope_truncate && config.rope_attention_factor == 1.3465735902799727f &&
                  config.swiglu_alpha == 1.702f && config.swiglu_limit == 7 && !config.tied_head,
              "%zu: constants", i);
  }
}

/* One key set to something else; "" removes it. "rope_scaling.factor" is a key in an object. */
typedef struct change {
  const char *text, *key, *value;
  const char *message; /* NULL: still good */
} change;

static const change changes[] = {
    {hugging_face, "num_hidden_layers", "", "num_hidden_layers is missing"},
    {hugging_face, "num_hidden_layers", "0", "num_hidden_layers is 0; 1 to 512"},
    {hugging_face, "num_hidden_layers", "513", "num_hidden_layers is 513"},
    {hugging_face, "num_hidden_layers", "-1", "num_hidden_layers is negative"},
    {hugging_face, "num_hidden_layers", "9223372036854775807", "num_hidden_layers is 9223"},
    {hugging_face, "num_hidden_layers", "4.0", "num_hidden_layers is no integer"},
    {hugging_face, "num_hidden_layers", "'4'", "num_hidden_layers is no integer"},
    {hugging_face, "num_hidden_layers", "null", "num_hidden_layers is missing"},
    {hugging_face, "num_hidden_layers", "5", "layer_types is no array of 5 strings"},
    {hugging_face, "hidden_size", "0", "hidden_size is 0"},
    {hugging_face, "hidden_size", "131073", "hidden_size is 131073"},
    {hugging_face, "hidden_size", "", "hidden_size is missing"},
    {hugging_face, "vocab_size", "0", "vocab_size is 0"},
    {hugging_face, "vocab_size", "16777217", "vocab_size is 16777217"},
    {hugging_face, "vocab_size", "[]", "vocab_size is no integer"},
    {hugging_face, "num_attention_heads", "0", "num_attention_heads is 0"},
    {hugging_face, "num_attention_heads", "63", "63 attention heads cannot share 8"},
    {hugging_face, "num_key_value_heads", "0", "num_key_value_heads is 0"},
    {hugging_face, "num_key_value_heads", "", "num_key_value_heads is missing"},
    {hugging_face, "head_dim", "63", "the head dimension is 63"},
    {hugging_face, "head_dim", "0", "head_dim is 0"},
    {hugging_face, "head_dim", "", "head_dim is missing"},
    {hugging_face, "intermediate_size", "0", "intermediate_size is 0"},
    {hugging_face, "intermediate_size", "1048577", "intermediate_size is 1048577"},
    {hugging_face, "num_local_experts", "0", "num_local_experts is 0"},
    {hugging_face, "num_local_experts", "3", "4 experts per token of 3"},
    {hugging_face, "num_local_experts", "", "num_local_experts is missing"},
    {hugging_face, "num_experts_per_tok", "0", "num_experts_per_tok and experts_per_token differ"},
    {hugging_face, "num_experts_per_tok", "", NULL},
    {hugging_face, "experts_per_token", "", NULL},
    {transformers_5, "num_experts_per_tok", "0", "num_experts_per_tok is 0"},
    {transformers_5, "num_experts_per_tok", "33", "33 experts per token of 32"},
    {hugging_face, "sliding_window", "0", "the sliding window is 0"},
    {hugging_face, "sliding_window", "null", "the sliding window is 0"},
    {hugging_face, "sliding_window", "-5", "sliding_window is negative"},
    {hugging_face, "sliding_window", "1073741825", "sliding_window is 1073741825"},
    {hugging_face, "layer_types", "", NULL},
    {hugging_face, "layer_types", "'sliding_attention'", "layer_types is no array of 4"},
    {hugging_face, "layer_types", "['full_attention']", "layer_types is no array of 4"},
    {hugging_face, "layer_types", "[1, 2, 3, 4]", "layer_types[0] is no string"},
    {hugging_face, "layer_types", "['full_attention', 'linear_attention', 'x', 'x']",
     "layer_types[1] is 'linear_attention'"},
    {hugging_face, "max_position_embeddings", "0", "max_position_embeddings is 0"},
    {hugging_face, "max_position_embeddings", "", "max_position_embeddings is missing"},
    {hugging_face, "rms_norm_eps", "0", "rms_norm_eps is 0"},
    {hugging_face, "rms_norm_eps", "-1e-5", "rms_norm_eps is -1e-05"},
    {hugging_face, "rms_norm_eps", "1e300", "rms_norm_eps is 1e+300"},
    {hugging_face, "rms_norm_eps", "'1e-5'", "rms_norm_eps is no number"},
    {hugging_face, "rms_norm_eps", "", NULL},
    {hugging_face, "rope_theta", "0", "rope_theta is 0"},
    {hugging_face, "rope_theta", "1", "rope_theta is 1"},
    {hugging_face, "rope_theta", "1e13", "rope_theta is 1e+13"},
    {hugging_face, "rope_theta", "", "rope_theta is missing"},
    {hugging_face, "rope_scaling", "", "rope_parameters (or rope_scaling) is missing"},
    {hugging_face, "rope_scaling", "'yarn'", "rope_scaling is no object"},
    {hugging_face, "rope_scaling", "{}", "rope_scaling has no rope_type"},
    {hugging_face, "rope_scaling", "{'rope_type': 'linear', 'factor': 2}", "is 'linear'"},
    {hugging_face, "rope_scaling", "{'rope_type': 'default'}", NULL},
    {hugging_face, "rope_scaling.factor", "", "the factor of rope_parameters or rope_scaling"},
    {hugging_face, "rope_scaling.factor", "0", "factor is 0"},
    {hugging_face, "rope_scaling.factor", "'32'", "factor is no number"},
    {hugging_face, "rope_scaling.beta_fast", "0", "beta_fast is 0"},
    {hugging_face, "rope_scaling.beta_fast", "", NULL},
    {hugging_face, "rope_scaling.beta_fast", "1", "must lie above its slow end (1)"},
    {hugging_face, "rope_scaling.beta_slow", "-1", "beta_slow is -1"},
    {hugging_face, "rope_scaling.original_max_position_embeddings", "0", "embeddings is 0"},
    {hugging_face, "rope_scaling.original_max_position_embeddings", "", NULL},
    {hugging_face, "rope_scaling.truncate", "1", "truncate is no boolean"},
    {hugging_face, "rope_scaling.truncate", "", NULL},
    {hugging_face, "rope_scaling.attention_factor", "0", "attention_factor is 0"},
    {hugging_face, "rope_scaling.attention_factor", "1.5", NULL},
    {hugging_face, "rope_scaling.mscale", "'1'", "mscale or mscale_all_dim is no number"},
    {transformers_5, "rope_parameters.rope_theta", "", "rope_theta is missing"},
    {transformers_5, "rope_parameters.partial_rotary_factor", "0.5", "supported at 1 only"},
    {transformers_5, "rope_parameters", "{'full_attention': {'rope_type': 'yarn'}}", "rope_theta"},
    {hugging_face, "swiglu_limit", "0", "swiglu_limit is 0"},
    {hugging_face, "swiglu_limit", "", NULL},
    {hugging_face, "swiglu_limit", "true", "swiglu_limit is no number"},
    {transformers_5, "swiglu_alpha", "-1", "swiglu_alpha is -1"},
    {transformers_5, "swiglu_alpha", "", NULL},
    {hugging_face, "tie_word_embeddings", "1", "tie_word_embeddings is no boolean"},
    {hugging_face, "tie_word_embeddings", "true", NULL},
    {hugging_face, "model_type", "'llama'", "model_type is 'llama'; dyno runs 'gpt_oss' only"},
    {hugging_face, "model_type", "3", "model_type is no string"},
    {hugging_face, "hidden_act", "'gelu'", "hidden_act is 'gelu'"},
    {hugging_face, "quantization_config", "{'quant_method': 'fp8'}", "quant_method is 'fp8'"},
    {hugging_face, "quantization_config", "", NULL},
    {openai, "num_experts", "", "num_local_experts is missing"},
    {openai, "num_experts", "0", "num_experts is 0"},
    {openai, "experts_per_token", "0", "experts_per_token is 0"},
    {openai, "rope_scaling_factor", "0", "rope_scaling_factor is 0"},
    {openai, "rope_ntk_alpha", "", "rope_ntk_alpha is missing"},
    {openai, "rope_ntk_alpha", "33", "must lie above its slow end (33)"},
    {openai, "rope_ntk_beta", "'32'", "rope_ntk_beta is no number"},
    {openai, "initial_context_length", "0", "initial_context_length is 0"},
    {openai, "initial_context_length", "1073741824", "initial_context_length times rope"},
};

static void apply(json_t *root, const change *wanted)
{
  char outer[64];
  const char *dot = strchr(wanted->key, '.'), *key = wanted->key;
  json_t *object = root;
  if (dot != NULL) {
    snprintf(outer, sizeof outer, "%.*s", (int)(dot - wanted->key), wanted->key);
    object = json_object_get(root, outer);
    key = dot + 1;
  }
  if (wanted->value[0] == '\0')
    json_object_del(object, key);
  else
    json_object_set_new(object, key, parse(wanted->value));
}

Test(hostile_config, one_key_at_a_time)
{
  size_t ran = 0, refused = 0, failed = 0;
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++, ran++) {
    json_t *root = parse(changes[i].text);
    dyno_model_config config;
    dyno_error error;
    apply(root, &changes[i]);
    dyno_status status = read_config(&config, root, &error);
    json_decref(root);
    bool good = changes[i].message == NULL ? status == DYNO_OK
                                           : status != DYNO_OK && hostile_is_clear(&error, path) &&
                                                 strstr(error.message, changes[i].message) != NULL;
    refused += status != DYNO_OK;
    failed += !good;
    if (!good)
      fprintf(stderr, "# %s = %s: %s\n", changes[i].key, changes[i].value, error.message);
  }
  fprintf(stderr, "# %zu changes of a config.json, %zu refused\n", ran, refused);
  cr_assert(failed == 0, "%zu changes have other errors than they should", failed);
  cr_assert(refused >= 75, "only %zu were refused", refused);
}

/* What a file leaves out, and what is then assumed. */
Test(hostile_config, defaults_are_those_of_transformers)
{
  json_t *root = parse(hugging_face), *rope = json_object_get(root, "rope_scaling");
  dyno_model_config config;
  dyno_error error;
  json_object_del(rope, "truncate");
  json_object_del(rope, "original_max_position_embeddings");
  json_object_set_new(rope, "mscale", json_real(2));
  json_object_set_new(rope, "mscale_all_dim", json_real(1));
  cr_assert(read_config(&config, root, &error) == DYNO_OK, "%s", error.message);
  cr_assert(config.rope_truncate, "truncate is true where it is left out");
  cr_assert(config.rope_original_context == 4096, "initial_context_length stands in");
  double wanted = (0.2 * 3.4657359027997265 + 1) / (0.1 * 3.4657359027997265 + 1);
  cr_assert(config.rope_attention_factor == (float)wanted, "%g, not %g",
            (double)config.rope_attention_factor, wanted);
  json_object_del(root, "initial_context_length");
  cr_assert(read_config(&config, root, &error) == DYNO_OK, "%s", error.message);
  cr_assert(config.rope_original_context == 131072, "then max_position_embeddings");
  json_object_set_new(root, "rope_scaling", json_pack("{s:s}", "rope_type", "default"));
  cr_assert(read_config(&config, root, &error) == DYNO_OK, "%s", error.message);
  cr_assert(config.rope_factor == 1 && config.rope_attention_factor == 1, "no stretching");
  json_decref(root);
}

Test(hostile_config, files_that_are_no_configuration)
{
  static const char *const texts[] = {
      "", "{", "[]", "3", "{} {}", "{\"a\":1,\"a\":2}", "{\"\xff\":1}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    dyno_model_config config;
    dyno_error error = {0};
    fixture_write(path, texts[i], strlen(texts[i]));
    cr_assert(dyno_config_read_json(&config, path, &error) == DYNO_ERROR_FORMAT &&
                  hostile_is_clear(&error, path),
              "%s: %s", texts[i], error.message);
  }
}
