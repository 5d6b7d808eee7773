/* `dyno inspect`: what a model file holds, without running it. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/cli/model_path.h"
#include "harness/report/progress.h"
#include "harness/report/table.h"
#include "harness/report/units.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/json_file.h"

static const char hash_meaning[] =
    "XXH3-128 of metadata, tensor table, file sizes and the first 4096 bytes of every tensor";

typedef struct inspect_options {
  const char *model;
  bool json, tensors, check_weights;
} inspect_options;

enum { OPTION_JSON = 256, OPTION_TENSORS, OPTION_CHECK_WEIGHTS };

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0,
     "A GGUF, safetensors or packed file, a folder of safetensors, ollama:MODEL, hf:OWNER/NAME or "
     "synth:NAME",
     0},
    {"tensors", OPTION_TENSORS, NULL, 0, "List every tensor (--json always does)", 0},
    {"check-weights", OPTION_CHECK_WEIGHTS, NULL, 0,
     "Read every weight and fail on the first that is infinite or not a number; compare a packed "
     "file's checksums first",
     0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  inspect_options *options = state->input;
  switch (key) {
  case 'm':
    options->model = argument;
    return 0;
  case OPTION_JSON:
    options->json = true;
    return 0;
  case OPTION_TENSORS:
    options->tensors = true;
    return 0;
  case OPTION_CHECK_WEIGHTS:
    options->check_weights = true;
    return 0;
  case ARGP_KEY_END:
    if (options->model == NULL)
      argp_error(state, "--model is missing");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Shows a model's hyper-parameters, tensors, formats, sizes, dialect and hash.",
};

static uint64_t tensor_bytes(const dyno_tensor *tensor)
{
  return (uint64_t)tensor->groups * tensor->n * tensor->row_bytes;
}

static uint64_t tensor_parameters(const dyno_tensor *tensor)
{
  return (uint64_t)tensor->groups * tensor->n * tensor->k;
}

/* Whether a tensor is another's under a second name. */
static bool is_alias(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor)
{
  return tensor->role == DYNO_TENSOR_HEAD && dyno_checkpoint_config(checkpoint)->tied_head &&
         strcmp(dyno_checkpoint_source_name(checkpoint, tensor),
                dyno_checkpoint_source_name(
                    checkpoint, dyno_checkpoint_tensor(checkpoint, DYNO_TENSOR_EMBEDDING, 0))) == 0;
}

typedef struct total {
  uint64_t tensors, parameters, bytes;
} total;

static void add(total *sum, const dyno_tensor *tensor)
{
  sum->tensors++;
  sum->parameters += tensor_parameters(tensor);
  sum->bytes += tensor_bytes(tensor);
}

/* Sums by format, and over all in *all. */
static void sum_formats(total formats[DYNO_DTYPE_COUNT], total *all,
                        const dyno_checkpoint *checkpoint)
{
  memset(formats, 0, DYNO_DTYPE_COUNT * sizeof *formats);
  *all = (total){0};
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    if (is_alias(checkpoint, tensor))
      continue;
    add(&formats[tensor->dtype], tensor);
    add(all, tensor);
  }
}

/* "0 2 4 6" as "0, 2, ..., 22" would be guesswork; the layers that slide are said in full. */
static json_t *sliding_layers(const dyno_model_config *config)
{
  json_t *layers = json_array();
  for (size_t i = 0; i < config->layers; i++)
    if (config->slides[i])
      json_array_append_new(layers, json_integer((json_int_t)i));
  return layers;
}

static json_t *config_json(const dyno_model_config *config)
{
  return json_pack(
      "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:b,"
      " s:{s:o, s:o, s:o, s:o, s:I, s:b, s:o}, s:{s:o, s:o}}",
      "layers", (json_int_t)config->layers, "d_model", (json_int_t)config->d_model, "vocab",
      (json_int_t)config->vocab, "heads", (json_int_t)config->heads, "kv_heads",
      (json_int_t)config->kv_heads, "head_dim", (json_int_t)config->head_dim, "experts",
      (json_int_t)config->experts, "experts_per_token", (json_int_t)config->experts_per_token,
      "d_ff", (json_int_t)config->d_ff, "window", (json_int_t)config->window, "sliding_layers",
      sliding_layers(config), "context_length", (json_int_t)config->context_length, "rms_epsilon",
      dyno_json_float(config->rms_epsilon), "tied_head", (int)config->tied_head, "rope", "theta",
      dyno_json_float(config->rope_theta), "factor", dyno_json_float(config->rope_factor),
      "beta_fast", dyno_json_float(config->rope_beta_fast), "beta_slow",
      dyno_json_float(config->rope_beta_slow), "original_context",
      (json_int_t)config->rope_original_context, "truncate", (int)config->rope_truncate,
      "attention_factor", dyno_json_float(config->rope_attention_factor), "swiglu", "alpha",
      dyno_json_float(config->swiglu_alpha), "limit", dyno_json_float(config->swiglu_limit));
}

/* Whether its bytes are used where they lie in the file: as rows, or as kernels read them. */
static bool is_mapped(const dyno_tensor *tensor)
{
  return tensor->data != NULL || tensor->layout != NULL;
}

static json_t *tensors_json(const dyno_checkpoint *checkpoint)
{
  json_t *tensors = json_array();
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    json_array_append_new(
        tensors,
        json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:b, s:s?}", "name", tensor->name,
                  "source", dyno_checkpoint_source_name(checkpoint, tensor), "role",
                  dyno_tensor_role_name(tensor->role), "layer", (json_int_t)tensor->layer, "type",
                  dyno_dtype_name(tensor->dtype), "groups", (json_int_t)tensor->groups, "rows",
                  (json_int_t)tensor->n, "columns", (json_int_t)tensor->k, "bytes",
                  (json_int_t)tensor_bytes(tensor), "in_place", is_mapped(tensor), "layout",
                  tensor->layout != NULL ? tensor->layout->name : NULL));
  }
  return tensors;
}

static json_t *formats_json(const total formats[DYNO_DTYPE_COUNT])
{
  json_t *object = json_object();
  for (dyno_dtype i = 0; i < DYNO_DTYPE_COUNT; i++)
    if (formats[i].tensors > 0)
      json_object_set_new(object, dyno_dtype_name(i),
                          json_pack("{s:I, s:I, s:I}", "tensors", (json_int_t)formats[i].tensors,
                                    "parameters", (json_int_t)formats[i].parameters, "bytes",
                                    (json_int_t)formats[i].bytes));
  return object;
}

static dyno_status print_json(const dyno_checkpoint *checkpoint, bool checked, dyno_error *error)
{
  total formats[DYNO_DTYPE_COUNT], all;
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  sum_formats(formats, &all, checkpoint);
  dyno_checkpoint_hash(checkpoint, hash);
  json_t *root =
      json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "path",
                dyno_checkpoint_path(checkpoint), "dialect", dyno_checkpoint_dialect(checkpoint),
                "file_bytes", (json_int_t)dyno_checkpoint_file_bytes(checkpoint), "hash", hash,
                "hash_of", hash_meaning, "parameters", (json_int_t)all.parameters, "tensor_bytes",
                (json_int_t)all.bytes, "weights_checked", json_boolean(checked), "config",
                config_json(dyno_checkpoint_config(checkpoint)), "types", formats_json(formats),
                "tensors", tensors_json(checkpoint));
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY,
                     "%s: cannot be put into JSON: out of memory, or the path is no UTF-8",
                     dyno_checkpoint_path(checkpoint));
  int failed =
      json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(DYNO_JSON_FLOAT_DIGITS));
  putchar('\n');
  json_decref(root);
  return failed == 0 && fflush(stdout) == 0
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_IO, "cannot write the output");
}

static void print_head(const dyno_checkpoint *checkpoint, const total *all)
{
  char bytes[DYNO_UNIT_TEXT], parameters[DYNO_UNIT_TEXT], hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_format_bytes(bytes, (double)dyno_checkpoint_file_bytes(checkpoint));
  dyno_format_rate(parameters, (double)all->parameters, "");
  dyno_checkpoint_hash(checkpoint, hash);
  printf("model       %s\n", dyno_checkpoint_path(checkpoint));
  printf("dialect     %s\n", dyno_checkpoint_dialect(checkpoint));
  printf("size        %s on disk, %s parameters in %llu tensors\n", bytes, parameters,
         (unsigned long long)all->tensors);
  printf("hash        %s\n            (%s)\n", hash, hash_meaning);
}

static void print_slides(const dyno_model_config *config)
{
  bool even = true;
  for (size_t i = 0; i < config->layers; i++)
    even = even && config->slides[i] == (i % 2 == 0);
  printf("  sliding window     %zu tokens, in ", config->window);
  if (even) {
    puts("the even layers");
    return;
  }
  fputs("layers", stdout);
  for (size_t i = 0; i < config->layers; i++)
    if (config->slides[i])
      printf(" %zu", i);
  putchar('\n');
}

static void print_config(const dyno_model_config *config)
{
  puts("\nhyper-parameters");
  printf("  layers             %zu\n", config->layers);
  printf("  model width        %zu\n", config->d_model);
  printf("  vocabulary         %zu%s\n", config->vocab,
         config->tied_head ? ", the head is the embedding" : "");
  printf("  attention          %zu query heads, %zu key-value heads, of %zu\n", config->heads,
         config->kv_heads, config->head_dim);
  print_slides(config);
  printf("  experts            %zu, %zu per token, of width %zu\n", config->experts,
         config->experts_per_token, config->d_ff);
  printf("  context            %zu tokens\n", config->context_length);
  printf("  RoPE               theta %g, YaRN factor %g from %zu tokens, ends %g and %g%s, cosine "
         "and sine times %.6g\n",
         (double)config->rope_theta, (double)config->rope_factor, config->rope_original_context,
         (double)config->rope_beta_fast, (double)config->rope_beta_slow,
         config->rope_truncate ? ", rounded" : "", (double)config->rope_attention_factor);
  printf("  RMSNorm epsilon    %g\n", (double)config->rms_epsilon);
  printf("  SwiGLU             alpha %g, limit %g\n", (double)config->swiglu_alpha,
         (double)config->swiglu_limit);
}

static dyno_status print_formats(const total formats[DYNO_DTYPE_COUNT], dyno_error *error)
{
  static const dyno_column columns[] = {
      {"type", "", false}, {"tensors", "", true}, {"parameters", "", true}, {"size", "", true}};
  dyno_table *table = dyno_table_new(columns, 4);
  for (dyno_dtype i = 0; i < DYNO_DTYPE_COUNT; i++) {
    char bytes[DYNO_UNIT_TEXT], parameters[DYNO_UNIT_TEXT];
    if (formats[i].tensors == 0)
      continue;
    dyno_format_bytes(bytes, (double)formats[i].bytes);
    dyno_format_rate(parameters, (double)formats[i].parameters, "");
    dyno_table_cell(table, "%s", dyno_dtype_name(i));
    dyno_table_cell(table, "%llu", (unsigned long long)formats[i].tensors);
    dyno_table_cell(table, "%s", parameters);
    dyno_table_cell(table, "%s", bytes);
  }
  puts("\ntypes");
  dyno_status status = dyno_table_print(table, stdout, 2, error);
  dyno_table_free(&table);
  return status;
}

/* One row a tensor, or, in short, one row a role: the first layer's, with the types of all. */
static dyno_status print_tensors(const dyno_checkpoint *checkpoint, bool all, dyno_error *error)
{
  static const dyno_column columns[] = {{"tensor", "", false},  {"in the file", "", false},
                                        {"type", "", false},    {"shape", "", true},
                                        {"size", "each", true}, {"read", "", false}};
  size_t layers = dyno_checkpoint_config(checkpoint)->layers;
  dyno_table *table = dyno_table_new(columns, 6);
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    char bytes[DYNO_UNIT_TEXT];
    bool mixed = false;
    if (!all && tensor->layer > 0)
      break;
    for (size_t layer = 0; layer < layers; layer++)
      mixed =
          mixed || dyno_checkpoint_tensor(checkpoint, tensor->role, layer)->dtype != tensor->dtype;
    dyno_format_bytes(bytes, (double)tensor_bytes(tensor));
    dyno_table_cell(table, "%s", tensor->name);
    dyno_table_cell(table, "%s", dyno_checkpoint_source_name(checkpoint, tensor));
    dyno_table_cell(table, "%s%s", dyno_dtype_name(tensor->dtype),
                    mixed && !all ? " and others" : "");
    if (tensor->groups > 1)
      dyno_table_cell(table, "%zu x %zu x %zu", tensor->groups, tensor->n, tensor->k);
    else
      dyno_table_cell(table, "%zu x %zu", tensor->n, tensor->k);
    dyno_table_cell(table, "%s", bytes);
    if (tensor->layout != NULL)
      dyno_table_cell(table, "in place, %s", tensor->layout->name);
    else
      dyno_table_cell(table, "%s", is_mapped(tensor) ? "in place" : "converted");
  }
  printf("\ntensors%s\n", all ? "" : " (of layer 0; --tensors lists all layers)");
  dyno_status status = dyno_table_print(table, stdout, 2, error);
  dyno_table_free(&table);
  return status;
}

static dyno_status print_text(const dyno_checkpoint *checkpoint, const inspect_options *options,
                              dyno_error *error)
{
  total formats[DYNO_DTYPE_COUNT], all;
  sum_formats(formats, &all, checkpoint);
  print_head(checkpoint, &all);
  print_config(dyno_checkpoint_config(checkpoint));
  dyno_status status = print_formats(formats, error);
  if (status == DYNO_OK)
    status = print_tensors(checkpoint, options->tensors, error);
  if (status == DYNO_OK && options->check_weights)
    puts("\nevery weight is finite");
  return status;
}

typedef struct check_progress {
  dyno_progress bar;
  bool started;
} check_progress;

static bool show_progress(void *context, uint64_t done, uint64_t total_bytes)
{
  check_progress *progress = context;
  if (!progress->started)
    dyno_progress_start(&progress->bar, stderr, (double)total_bytes);
  progress->started = true;
  dyno_progress_update(&progress->bar, (double)done, "checking weights");
  return true;
}

static dyno_status check_weights(const dyno_checkpoint *checkpoint, dyno_error *error)
{
  check_progress progress = {0};
  dyno_status status = dyno_checkpoint_check_weights(checkpoint, show_progress, &progress, error);
  if (progress.started)
    dyno_progress_clear(&progress.bar);
  return status;
}

int dyno_verb_inspect(int argc, char **argv)
{
  inspect_options options = {0};
  if (dyno_parse_arguments(&parser, argc, argv, &options) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  char *path = NULL;
  dyno_checkpoint *checkpoint = NULL;
  dyno_error error = {0};
  dyno_status status = dyno_find_model(&path, options.model, &error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_open(&checkpoint, path, &error);
  if (status == DYNO_OK && options.check_weights)
    status = check_weights(checkpoint, &error);
  if (status == DYNO_OK)
    status = options.json ? print_json(checkpoint, options.check_weights, &error)
                          : print_text(checkpoint, &options, &error);
  dyno_checkpoint_close(&checkpoint);
  free(path);
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
