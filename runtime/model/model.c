#include "runtime/model/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/elementwise/rope.h"
#include "runtime/memory/residence.h"

/* In place of a sink that is left out: e to it is 0 beside every score there can be, and it is
 * finite, so that no kernel's arithmetic meets an infinity. */
#define NO_SINK (-1e30f)

/* A load in progress. */
typedef struct loader {
  dyno_model *model;
  dyno_linear_source source;
  const dyno_model_options *options;
  uint64_t done, total; /* bytes of tensors */
  bool planning;        /* only add up what would be packed */
  uint64_t packed;
  dyno_error *error;
} loader;

static uint64_t tensor_bytes(const dyno_tensor *tensor)
{
  return (uint64_t)tensor->groups * tensor->n * tensor->row_bytes;
}

static dyno_status advance(loader *load, const dyno_tensor *tensor)
{
  load->done += tensor_bytes(tensor);
  if (load->options->progress != NULL &&
      !load->options->progress(load->options->progress_context, load->done, load->total))
    return dyno_fail(load->error, DYNO_ERROR_INTERRUPTED, "%s: loading was stopped",
                     dyno_checkpoint_path(load->source.checkpoint));
  return DYNO_OK;
}

/* The matrix of the model that a tensor became; NULL for none. */
typedef struct linear_search {
  const char *name;
  const dyno_linear *found;
} linear_search;

static void look_at(void *context, const dyno_linear *linear)
{
  linear_search *search = context;
  if (strcmp(linear->name, search->name) == 0)
    search->found = linear;
}

static const dyno_linear *find_linear(const dyno_model *model, const dyno_tensor *tensor)
{
  linear_search search = {.name = tensor->name};
  dyno_model_for_each_linear(model, look_at, &search);
  return search.found;
}

static dyno_status load_vector(loader *load, float **vector, dyno_tensor_role role, size_t layer)
{
  const dyno_tensor *tensor = dyno_checkpoint_tensor(load->source.checkpoint, role, layer);
  if (load->planning)
    return DYNO_OK;
  *vector = calloc(tensor->k, sizeof **vector);
  if (*vector == NULL)
    return dyno_fail(load->error, DYNO_ERROR_MEMORY, "%s: out of memory", tensor->name);
  dyno_status status =
      dyno_checkpoint_read_floats(load->source.checkpoint, *vector, tensor, load->error);
  return status == DYNO_OK ? advance(load, tensor) : status;
}

/* Where free memory does not hold what is still to be packed, the kernel makes room for it page by
 * page, in small ones. The file's pages, freed together behind the loader, are huge ones again. As
 * soon as free memory holds the rest, pages stay in the page cache, for the next load: it finds the
 * end of the file there, and what comes before it does not push that out. */
static bool must_reclaim(const loader *load)
{
  const uint64_t for_others = 512 << 20, left = load->total - load->done;
  dyno_huge_pages wanted = load->options->huge_pages;
  return (wanted == DYNO_HUGE_PAGES_LOAD || wanted == DYNO_HUGE_PAGES_BACKGROUND) &&
         dyno_free_memory() < left + left / 8 + for_others;
}

static dyno_status load_matrix(loader *load, dyno_linear *linear, dyno_tensor_role weight_role,
                               dyno_tensor_role bias_role, size_t layer, const dyno_tensor *next)
{
  const dyno_checkpoint *checkpoint = load->source.checkpoint;
  const dyno_tensor *weight = dyno_checkpoint_tensor(checkpoint, weight_role, layer);
  const dyno_tensor *bias = bias_role == DYNO_TENSOR_ROLE_COUNT
                                ? NULL
                                : dyno_checkpoint_tensor(checkpoint, bias_role, layer);
  dyno_linear_source source = load->source;
  source.next = next;
  source.reclaim = must_reclaim(load);
  source.groups_per_token = weight->groups > 1 ? load->model->config->experts_per_token : 1;
  if (load->options->share != NULL)
    source.twin = find_linear(load->options->share, weight);
  if (load->planning) {
    dyno_status status = dyno_linear_plan(linear, &source, weight, load->error);
    load->packed += status == DYNO_OK ? dyno_linear_own_bytes(linear, &source, weight) : 0;
    dyno_linear_free(linear);
    return status;
  }
  dyno_status status = dyno_linear_load(linear, &source, weight, bias, load->error);
  return status == DYNO_OK ? advance(load, weight) : status;
}

/* The matrix that is loaded first of a layer; behind the last one, the head. */
static const dyno_tensor *first_of_layer(const loader *load, size_t layer)
{
  bool behind = layer == load->model->config->layers;
  return dyno_checkpoint_tensor(load->source.checkpoint,
                                behind ? DYNO_TENSOR_HEAD : DYNO_TENSOR_QUERY_WEIGHT,
                                behind ? 0 : layer);
}

static dyno_status load_layer(loader *load, size_t index)
{
  dyno_layer *layer = &load->model->layers[index];
  const struct {
    float **vector;
    dyno_tensor_role role;
  } vectors[] = {
      {&layer->attention_norm, DYNO_TENSOR_ATTENTION_NORM},
      {&layer->ffn_norm, DYNO_TENSOR_FFN_NORM},
      {&layer->sinks, DYNO_TENSOR_SINKS},
  };
  const struct {
    dyno_linear *linear;
    dyno_tensor_role weight, bias;
  } matrices[] = {
      {&layer->query, DYNO_TENSOR_QUERY_WEIGHT, DYNO_TENSOR_QUERY_BIAS},
      {&layer->key, DYNO_TENSOR_KEY_WEIGHT, DYNO_TENSOR_KEY_BIAS},
      {&layer->value, DYNO_TENSOR_VALUE_WEIGHT, DYNO_TENSOR_VALUE_BIAS},
      {&layer->attention_output, DYNO_TENSOR_ATTENTION_WEIGHT, DYNO_TENSOR_ATTENTION_BIAS},
      {&layer->router, DYNO_TENSOR_ROUTER_WEIGHT, DYNO_TENSOR_ROUTER_BIAS},
      {&layer->gate, DYNO_TENSOR_GATE_WEIGHT, DYNO_TENSOR_GATE_BIAS},
      {&layer->up, DYNO_TENSOR_UP_WEIGHT, DYNO_TENSOR_UP_BIAS},
      {&layer->down, DYNO_TENSOR_DOWN_WEIGHT, DYNO_TENSOR_DOWN_BIAS},
  };
  const size_t count = sizeof matrices / sizeof *matrices;
  bool no_sinks = (load->options->ablate & 1U << DYNO_PART_SINKS) != 0;
  layer->window = load->model->config->slides[index] ? load->model->config->window : 0;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < sizeof vectors / sizeof *vectors && status == DYNO_OK; i++)
    status = load_vector(load, vectors[i].vector, vectors[i].role, index);
  for (size_t i = 0; i < count && status == DYNO_OK; i++)
    status = load_matrix(load, matrices[i].linear, matrices[i].weight, matrices[i].bias, index,
                         i + 1 < count ? dyno_checkpoint_tensor(load->source.checkpoint,
                                                                matrices[i + 1].weight, index)
                                       : first_of_layer(load, index + 1));
  for (size_t i = 0; no_sinks && layer->sinks != NULL && i < load->model->config->heads; i++)
    layer->sinks[i] = NO_SINK;
  return status;
}

static dyno_status choose_kernels(dyno_model *model, const dyno_registry *registry,
                                  dyno_error *error)
{
  const dyno_model_config *config = model->config;
  size_t m = model->batch;
  const struct {
    dyno_choice *choice;
    dyno_problem problem;
  } wanted[] = {
      {&model->kernels.quantize_activation,
       {.op = DYNO_OP_QUANTIZE_ACTIVATION, .activation = DYNO_A8, .m = m, .k = config->d_model}},
      {&model->kernels.rmsnorm, {.op = DYNO_OP_RMSNORM, .m = m, .k = config->d_model}},
      {&model->kernels.rope,
       {.op = DYNO_OP_ROPE, .m = m, .k = config->head_dim, .heads = config->heads}},
      {&model->kernels.swiglu,
       {.op = DYNO_OP_SWIGLU, .m = m * config->experts_per_token, .k = config->d_ff}},
      {&model->kernels.router,
       {.op = DYNO_OP_ROUTER, .m = m, .n = config->experts, .k = config->experts_per_token}},
      {&model->kernels.attention,
       {.op = DYNO_OP_ATTENTION,
        .activation = model->kv_dtype,
        .m = m,
        .n = m,
        .k = config->head_dim,
        .heads = config->heads,
        .kv_heads = config->kv_heads}},
      {&model->kernels.store_kv,
       {.op = DYNO_OP_STORE_KV,
        .activation = model->kv_dtype,
        .m = m,
        .k = config->head_dim,
        .kv_heads = config->kv_heads}},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    dyno_status status =
        dyno_select(wanted[i].choice, registry, &wanted[i].problem, NULL, NULL, error);
    if (status != DYNO_OK)
      return status;
  }
  return DYNO_OK;
}

static dyno_status prepare_rope(dyno_model *model, bool truncate, dyno_error *error)
{
  const dyno_model_config *config = model->config;
  model->inverse_frequency = calloc(config->head_dim / 2, sizeof *model->inverse_frequency);
  if (model->inverse_frequency == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "rotary embedding: out of memory");
  const dyno_yarn yarn = {
      .theta = (double)config->rope_theta,
      .factor = (double)config->rope_factor,
      .beta_fast = (double)config->rope_beta_fast,
      .beta_slow = (double)config->rope_beta_slow,
      .original_context = (double)config->rope_original_context,
      .head_size = config->head_dim,
      .truncate = config->rope_truncate || truncate,
  };
  float from_formula;
  dyno_yarn_frequencies(model->inverse_frequency, &from_formula, &yarn);
  model->rope_scale = config->rope_attention_factor;
  return DYNO_OK;
}

static dyno_status ablate(dyno_model *model, dyno_parts parts, dyno_error *error)
{
  if (parts == 0)
    return DYNO_OK;
  model->ablated = malloc(sizeof *model->ablated);
  if (model->ablated == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "model: out of memory");
  *model->ablated = *model->config;
  dyno_config_ablate(model->ablated, parts);
  model->config = model->ablated;
  return DYNO_OK;
}

static dyno_status load_layers(loader *load)
{
  dyno_model *model = load->model;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < model->config->layers && status == DYNO_OK; i++)
    status = load_layer(load, i);
  if (status == DYNO_OK)
    status = load_vector(load, &model->output_norm, DYNO_TENSOR_OUTPUT_NORM, 0);
  if (status == DYNO_OK)
    status = load_matrix(load, &model->head, DYNO_TENSOR_HEAD, DYNO_TENSOR_ROLE_COUNT, 0, NULL);
  return status;
}

static dyno_status check_limit(loader *load)
{
  uint64_t limit = load->options->memory_limit;
  if (limit == 0)
    return DYNO_OK;
  load->planning = true;
  dyno_status status = load_layers(load);
  load->planning = false;
  if (status == DYNO_OK && load->packed > limit)
    status =
        dyno_fail(load->error, DYNO_ERROR_UNAVAILABLE,
                  "%s: its weights, packed for these kernels, take %" PRIu64
                  " MiB of memory; %" PRIu64 " MiB are left",
                  dyno_checkpoint_path(load->source.checkpoint), load->packed >> 20, limit >> 20);
  return status;
}

static dyno_status load_all(loader *load)
{
  dyno_model *model = load->model;
  dyno_status status = ablate(model, load->options->ablate, load->error);
  if (status == DYNO_OK)
    status = choose_kernels(model, load->source.registry, load->error);
  if (status == DYNO_OK)
    status = prepare_rope(model, load->options->rope_truncate, load->error);
  model->layers = calloc(model->config->layers, sizeof *model->layers);
  if (status == DYNO_OK && model->layers == NULL)
    status = dyno_fail(load->error, DYNO_ERROR_MEMORY, "model: out of memory");
  if (status == DYNO_OK)
    status = dyno_embedding_load(&model->embedding, &load->source, load->error);
  if (status == DYNO_OK)
    status = check_limit(load);
  if (status == DYNO_OK)
    status = load_layers(load);
  if (status == DYNO_OK && load->options->two_stage)
    status = dyno_head_screen_make(&model->screen, &model->head, &load->source, load->error);
  return status;
}

static dyno_dtype kv_dtype(const dyno_model_options *options)
{
  bool reference = options->precision == DYNO_PRECISION_REFERENCE;
  const dyno_dtype formats[] = {
      [DYNO_KV_OF_PRECISION] = reference ? DYNO_F32 : DYNO_BF16,
      [DYNO_KV_F32] = DYNO_F32,
      [DYNO_KV_BF16] = DYNO_BF16,
      [DYNO_KV_INT8] = DYNO_I8,
  };
  return formats[options->kv];
}

dyno_status dyno_model_load(dyno_model *model, const dyno_checkpoint *checkpoint,
                            const dyno_registry *registry, dyno_pool *pool,
                            const dyno_model_options *options, dyno_error *error)
{
  *model = (dyno_model){
      .checkpoint = checkpoint,
      .config = dyno_checkpoint_config(checkpoint),
      .precision = options->precision,
      .kv_dtype = kv_dtype(options),
      .batch = options->batch,
  };
  loader load = {
      .model = model,
      .source = {.checkpoint = checkpoint,
                 .registry = registry,
                 .pool = pool,
                 .precision = options->precision,
                 .prefill_tokens = options->batch,
                 .quantization = options->quantization,
                 .huge_pages = options->huge_pages,
                 .numa = options->numa},
      .options = options,
      .error = error,
  };
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++)
    load.total += tensor_bytes(dyno_checkpoint_tensor_at(checkpoint, i));
  /* What is only read to be packed comes and goes with small pages as well. */
  if (options->huge_pages == DYNO_HUGE_PAGES_OFF)
    dyno_checkpoint_advise_files(checkpoint, DYNO_FILE_SMALL);
  else if (dyno_checkpoint_packed(checkpoint) != NULL)
    dyno_checkpoint_advise_files(checkpoint, DYNO_FILE_HUGE);
  dyno_status status = load_all(&load);
  model->source = load.source;
  model->source.next = NULL;
  model->source.reclaim = false;
  if (status != DYNO_OK)
    dyno_model_free(model);
  return status;
}

/* The matrix of a role; NULL for the others. */
static dyno_linear *linear_of(dyno_model *model, dyno_tensor_role role, size_t layer)
{
  dyno_layer *in = &model->layers[layer];
  switch (role) {
  case DYNO_TENSOR_HEAD:
    return &model->head;
  case DYNO_TENSOR_QUERY_WEIGHT:
    return &in->query;
  case DYNO_TENSOR_KEY_WEIGHT:
    return &in->key;
  case DYNO_TENSOR_VALUE_WEIGHT:
    return &in->value;
  case DYNO_TENSOR_ATTENTION_WEIGHT:
    return &in->attention_output;
  case DYNO_TENSOR_GATE_WEIGHT:
    return &in->gate;
  case DYNO_TENSOR_UP_WEIGHT:
    return &in->up;
  case DYNO_TENSOR_DOWN_WEIGHT:
    return &in->down;
  default:
    return NULL;
  }
}

static dyno_status reload_embedding(dyno_model *model, const dyno_linear_source *source,
                                    dyno_error *error)
{
  dyno_embedding embedding;
  dyno_status status = dyno_embedding_load(&embedding, source, error);
  if (status != DYNO_OK)
    return status;
  dyno_embedding_free(&model->embedding);
  model->embedding = embedding;
  return DYNO_OK;
}

dyno_status dyno_model_reload(dyno_model *model, const dyno_quantization *quantization,
                              dyno_tensor_role role, size_t layer, dyno_error *error)
{
  dyno_linear_source source = model->source;
  source.quantization = quantization;
  if (role == DYNO_TENSOR_EMBEDDING)
    return reload_embedding(model, &source, error);
  dyno_linear *linear = linear_of(model, role, layer), fresh;
  const dyno_tensor *weight = dyno_checkpoint_tensor(source.checkpoint, role, layer);
  if (linear == NULL)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: this tensor is not lowered", weight->name);
  source.groups_per_token = weight->groups > 1 ? model->config->experts_per_token : 1;
  dyno_status status = dyno_linear_load(&fresh, &source, weight, NULL, error);
  if (status != DYNO_OK)
    return status;
  fresh.bias = linear->bias;
  fresh.group_bias = linear->group_bias;
  linear->bias = NULL;
  linear->group_bias = NULL;
  dyno_linear_free(linear);
  *linear = fresh;
  return DYNO_OK;
}

static void free_layer(dyno_layer *layer)
{
  free(layer->attention_norm);
  free(layer->ffn_norm);
  free(layer->sinks);
  dyno_linear *linears[] = {&layer->query,  &layer->key,  &layer->value, &layer->attention_output,
                            &layer->router, &layer->gate, &layer->up,    &layer->down};
  for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
    dyno_linear_free(linears[i]);
}

void dyno_model_free(dyno_model *model)
{
  for (size_t i = 0; model->layers != NULL && i < model->config->layers; i++)
    free_layer(&model->layers[i]);
  free(model->layers);
  free(model->output_norm);
  free(model->inverse_frequency);
  dyno_embedding_free(&model->embedding);
  dyno_head_screen_free(&model->screen);
  dyno_linear_free(&model->head);
  free(model->ablated);
  *model = (dyno_model){0};
}

void dyno_model_for_each_linear(const dyno_model *model,
                                void (*visit)(void *context, const dyno_linear *linear),
                                void *context)
{
  for (size_t i = 0; i < model->config->layers; i++) {
    const dyno_layer *layer = &model->layers[i];
    const dyno_linear *linears[] = {
        &layer->query,  &layer->key,  &layer->value, &layer->attention_output,
        &layer->router, &layer->gate, &layer->up,    &layer->down};
    for (size_t j = 0; j < sizeof linears / sizeof *linears; j++)
      visit(context, linears[j]);
  }
  visit(context, &model->head);
}

static void add_shared(void *context, const dyno_linear *linear)
{
  *(uint64_t *)context += linear->shared_bytes;
}

uint64_t dyno_model_shared_bytes(const dyno_model *model)
{
  uint64_t bytes = 0;
  dyno_model_for_each_linear(model, add_shared, &bytes);
  return bytes;
}

static void add_packed(void *context, const dyno_linear *linear)
{
  *(uint64_t *)context += linear->packed.size;
}

uint64_t dyno_model_packed_bytes(const dyno_model *model)
{
  uint64_t bytes = model->screen.buffer.size + model->embedding.lowered.size;
  dyno_model_for_each_linear(model, add_packed, &bytes);
  return bytes;
}
