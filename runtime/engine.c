#include "runtime/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/kv.h"
#include "runtime/forward/forward.h"
#include "runtime/forward/logits.h"
#include "runtime/memory/residence.h"
#include "runtime/model/migration.h"
#include "runtime/model/model.h"
#include "runtime/model/reference.h"
#include "runtime/text/model_tokenizer.h"
#include "runtime/threads/pool.h"
#include "runtime/threads/topology.h"

enum { MOST_BATCH = 4096 };

struct dyno_engine {
  dyno_registry *registry;
  dyno_topology topology;
  dyno_pool *pool;
  dyno_checkpoint *checkpoint;
  dyno_model model;
  dyno_huge_pages huge_pages;
  dyno_migration *migration; /* NULL unless weights move in the background */
  dyno_probe probe;          /* event is NULL when nobody measures */
};

struct dyno_sequence {
  dyno_engine *engine;
  dyno_kv kv;
  dyno_workspace workspace;
  float *logits; /* [vocab] */
  bool answered; /* there are logits that follow the last token: those, */
  bool waiting;  /* or, of two stages, what they are to be computed from: */
  size_t last;   /* the token's place in the last batch */
  bool two_stages, retaining;
  dyno_two_stage two_stage;
  dyno_retained retained;
  uint64_t full; /* passes over the whole head */
  size_t length;
};

static dyno_status open_checkpoint(dyno_engine *engine, const char *reference, dyno_error *error)
{
  char *path = NULL;
  dyno_status status = dyno_model_resolve(&path, reference, error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_open(&engine->checkpoint, path, error);
  free(path);
  return status;
}

static dyno_status open_pool(dyno_engine *engine, const dyno_engine_options *options,
                             unsigned threads, dyno_error *error)
{
  dyno_status status = dyno_topology_detect(&engine->topology, error);
  const dyno_pool_options pool = {
      .threads = threads,
      .kind = options->pool,
      .topology = &engine->topology,
  };
  return status == DYNO_OK ? dyno_pool_open_as(&engine->pool, &pool, error) : status;
}

static dyno_status open_parts(dyno_engine *engine, const dyno_engine_options *options,
                              dyno_error *error)
{
  dyno_registry_options registry = options->registry;
  engine->huge_pages = options->huge_pages;
  const dyno_model_options model = {
      .precision = options->precision,
      .batch = options->batch == 0 ? DYNO_DEFAULT_BATCH : options->batch,
      .huge_pages = options->huge_pages,
      .numa = options->numa,
      .rope_truncate = options->rope_ggml,
      .two_stage = options->logits == DYNO_LOGITS_TWO_STAGE,
      .ablate = options->ablate,
      .progress = options->progress,
      .progress_context = options->progress_context,
  };
  if (model.batch > MOST_BATCH)
    return dyno_fail(error, DYNO_ERROR_USAGE, "a batch of %zu tokens: at most %d are possible",
                     model.batch, MOST_BATCH);
  dyno_status status = dyno_choose_threads(&registry.threads, error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&engine->registry, &registry, error);
  if (status == DYNO_OK)
    status = open_pool(engine, options, registry.threads, error);
  if (status == DYNO_OK)
    status = open_checkpoint(engine, options->model, error);
  if (status == DYNO_OK)
    status = dyno_model_load(&engine->model, engine->checkpoint, engine->registry, engine->pool,
                             &model, error);
  if (status == DYNO_OK && options->huge_pages == DYNO_HUGE_PAGES_BACKGROUND)
    status = dyno_migration_start(&engine->migration, &engine->model, engine->pool, options->numa,
                                  error);
  return status;
}

dyno_status dyno_engine_open(dyno_engine **engine, const dyno_engine_options *options,
                             dyno_error *error)
{
  *engine = NULL;
  dyno_engine *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "engine: out of memory");
  dyno_status status = open_parts(made, options, error);
  if (status != DYNO_OK)
    dyno_engine_close(&made);
  *engine = made;
  return status;
}

void dyno_engine_close(dyno_engine **engine)
{
  dyno_engine *closing = *engine;
  if (closing == NULL)
    return;
  dyno_migration_stop(&closing->migration);
  dyno_model_free(&closing->model);
  dyno_checkpoint_close(&closing->checkpoint);
  dyno_pool_close(&closing->pool);
  dyno_registry_close(&closing->registry);
  free(closing);
  *engine = NULL;
}

const dyno_model_config *dyno_engine_config(const dyno_engine *engine)
{
  return engine->model.config;
}

const dyno_registry *dyno_engine_registry(const dyno_engine *engine)
{
  return engine->registry;
}

unsigned dyno_engine_threads(const dyno_engine *engine)
{
  return dyno_pool_threads(engine->pool);
}

const char *dyno_engine_model_path(const dyno_engine *engine)
{
  return dyno_checkpoint_path(engine->checkpoint);
}

const char *dyno_engine_dialect(const dyno_engine *engine)
{
  return dyno_checkpoint_dialect(engine->checkpoint);
}

dyno_status dyno_engine_tokenizer(dyno_tokenizer **tokenizer, const dyno_engine *engine,
                                  dyno_error *error)
{
  return dyno_tokenizer_open_checkpoint(tokenizer, engine->checkpoint, error);
}

uint64_t dyno_engine_packed_bytes(const dyno_engine *engine)
{
  dyno_migration_enter(engine->migration);
  uint64_t bytes = dyno_model_packed_bytes(&engine->model);
  dyno_migration_leave(engine->migration);
  return bytes;
}

uint64_t dyno_engine_file_bytes(const dyno_engine *engine)
{
  return dyno_checkpoint_file_bytes(engine->checkpoint);
}

typedef struct choice_visitor {
  dyno_choice_visit *visit;
  void *context;
} choice_visitor;

static void visit_linear(void *context, const dyno_linear *linear)
{
  const choice_visitor *visitor = context;
  char purpose[128];
  snprintf(purpose, sizeof purpose, "%s decode", linear->name);
  visitor->visit(visitor->context, purpose, &linear->decode);
  snprintf(purpose, sizeof purpose, "%s prefill", linear->name);
  visitor->visit(visitor->context, purpose, &linear->prefill);
}

void dyno_engine_for_each_choice(const dyno_engine *engine, dyno_choice_visit *visit, void *context)
{
  choice_visitor visitor = {visit, context};
  dyno_model_for_each_linear(&engine->model, visit_linear, &visitor);
  const dyno_model_kernels *kernels = &engine->model.kernels;
  const struct {
    const char *purpose;
    const dyno_choice *choice;
  } others[] = {
      {"quantize_activation", &kernels->quantize_activation},
      {"rmsnorm", &kernels->rmsnorm},
      {"rope", &kernels->rope},
      {"swiglu", &kernels->swiglu},
      {"router", &kernels->router},
      {"attention", &kernels->attention},
      {"store_kv", &kernels->store_kv},
      {"screen", &engine->model.screen.kernel},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i].choice->kernel != NULL)
      visit(context, others[i].purpose, others[i].choice);
}

typedef struct weight_visitor {
  dyno_weight_visit *visit;
  void *context;
} weight_visitor;

static void visit_weight(void *context, const dyno_linear *linear)
{
  const weight_visitor *visitor = context;
  uint64_t bytes = linear->groups * linear->layout->bytes(linear->layout, linear->n, linear->k);
  visitor->visit(visitor->context, linear->name, linear->group_weight[0], bytes, linear->groups);
}

void dyno_engine_for_each_weight(const dyno_engine *engine, dyno_weight_visit *visit, void *context)
{
  weight_visitor visitor = {visit, context};
  dyno_migration_enter(engine->migration);
  dyno_model_for_each_linear(&engine->model, visit_weight, &visitor);
  dyno_migration_leave(engine->migration);
}

static void add_residence(void *context, const char *name, const void *data, uint64_t bytes,
                          size_t groups)
{
  (void)name;
  (void)groups;
  dyno_residence_add(context, data, (size_t)bytes);
}

dyno_engine_placement dyno_engine_get_placement(const dyno_engine *engine)
{
  dyno_residence weights = {0};
  dyno_engine_for_each_weight(engine, add_residence, &weights);
  return (dyno_engine_placement){
      .pool = dyno_pool_kind_of(engine->pool),
      .threads = dyno_pool_threads(engine->pool),
      .pinned =
          dyno_pool_threads(engine->pool) > 1 && dyno_pool_cpu(engine->pool, 0) != DYNO_MOST_CPUS,
      .cpus = engine->topology.cpu_count,
      .cores = engine->topology.core_count,
      .nodes = engine->topology.node_count,
      .nodes_used = dyno_pool_nodes(engine->pool),
      .quota = engine->topology.quota,
      .weights = weights.bytes,
      .resident = weights.resident,
      .huge = weights.huge,
  };
}

void dyno_engine_set_probe(dyno_engine *engine, const dyno_probe *probe)
{
  engine->probe = probe == NULL ? (dyno_probe){0} : *probe;
}

static const dyno_probe *probe_of(const dyno_engine *engine)
{
  return engine->probe.event == NULL ? NULL : &engine->probe;
}

dyno_pool *dyno_engine_pool(const dyno_engine *engine)
{
  return engine->pool;
}

dyno_status dyno_sequence_open(dyno_sequence **sequence, dyno_engine *engine, size_t capacity,
                               dyno_error *error)
{
  const dyno_model *model = &engine->model;
  *sequence = NULL;
  if (capacity < 1 || capacity > model->config->context_length)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "a sequence of %zu tokens: the model's context is 1 to %zu", capacity,
                     model->config->context_length);
  dyno_sequence *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "sequence: out of memory");
  made->engine = engine;
  made->logits = calloc(model->config->vocab, sizeof *made->logits);
  dyno_status status = made->logits != NULL
                           ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "sequence: out of memory");
  if (status == DYNO_OK)
    status = dyno_kv_open(&made->kv, model->config, model->kv_dtype, capacity, model->batch,
                          engine->huge_pages, error);
  if (status == DYNO_OK)
    status = dyno_workspace_open(&made->workspace, model, capacity, engine->pool, error);
  made->two_stages = model->screen.kernel.kernel != NULL;
  if (status == DYNO_OK && made->two_stages)
    status = dyno_two_stage_open(&made->two_stage, &model->head, &model->screen,
                                 dyno_pool_threads(engine->pool), error);
  if (status != DYNO_OK)
    dyno_sequence_close(&made);
  *sequence = made;
  return status;
}

void dyno_sequence_close(dyno_sequence **sequence)
{
  dyno_sequence *closing = *sequence;
  if (closing == NULL)
    return;
  dyno_two_stage_close(&closing->two_stage);
  dyno_workspace_close(&closing->workspace);
  dyno_kv_close(&closing->kv);
  free(closing->logits);
  free(closing);
  *sequence = NULL;
}

void dyno_sequence_clear(dyno_sequence *sequence)
{
  sequence->length = 0;
  sequence->answered = false;
}

bool dyno_sequence_truncate(dyno_sequence *sequence, size_t length)
{
  size_t window = sequence->engine->model.config->window;
  size_t oldest = length >= window ? length - window + 1 : 0;
  if (length > sequence->length || oldest < dyno_kv_oldest(&sequence->kv, sequence->length))
    return false;
  sequence->answered = sequence->answered && length == sequence->length;
  sequence->length = length;
  return true;
}

static dyno_status check_tokens(const dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                dyno_error *error)
{
  size_t vocab = sequence->engine->model.config->vocab;
  for (size_t i = 0; i < count; i++)
    if (tokens[i] < 0 || (size_t)tokens[i] >= vocab)
      return dyno_fail(error, DYNO_ERROR_USAGE, "token %zu is %d: the vocabulary has 0 to %zu", i,
                       tokens[i], vocab - 1);
  if (count > sequence->kv.capacity - sequence->length)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%zu more tokens after %zu: the sequence was opened for %zu", count,
                     sequence->length, sequence->kv.capacity);
  return DYNO_OK;
}

static void compute_logits(dyno_sequence *sequence, size_t token)
{
  dyno_engine *engine = sequence->engine;
  dyno_forward_logits(sequence->logits, &sequence->workspace, &engine->model, engine->pool,
                      probe_of(engine), token, 1);
  sequence->full++;
}

/* Shows the logits of every token of the batch, one by one: a table of all of them would be
 * larger than the model is wide. */
static void show_logits(dyno_sequence *sequence, size_t m, dyno_logits_visit *visit, void *context)
{
  for (size_t t = 0; t < m; t++) {
    compute_logits(sequence, t);
    visit(context, sequence->length + t, sequence->logits);
  }
}

dyno_status dyno_sequence_append(dyno_sequence *sequence, const int32_t *tokens, size_t count,
                                 dyno_logits_visit *visit, void *context, dyno_error *error)
{
  dyno_engine *engine = sequence->engine;
  dyno_status status = check_tokens(sequence, tokens, count, error);
  if (status == DYNO_OK)
    status = dyno_kv_reserve(&sequence->kv, sequence->length + count, error);
  if (status != DYNO_OK)
    return status;
  dyno_migration_enter(engine->migration);
  for (size_t done = 0; done < count;) {
    size_t m = count - done < engine->model.batch ? count - done : engine->model.batch;
    dyno_forward(&sequence->workspace, &sequence->kv, &engine->model, engine->pool,
                 probe_of(engine), tokens + done, m, sequence->length);
    done += m;
    if (visit != NULL)
      show_logits(sequence, m, visit, context);
    else if (done == count && !sequence->two_stages)
      compute_logits(sequence, m - 1);
    sequence->last = m - 1;
    sequence->length += m;
  }
  dyno_migration_leave(engine->migration);
  if (count > 0) {
    sequence->answered = true;
    sequence->waiting = sequence->two_stages && visit == NULL;
    sequence->retaining = false;
  }
  return DYNO_OK;
}

size_t dyno_sequence_length(const dyno_sequence *sequence)
{
  return sequence->length;
}

size_t dyno_sequence_capacity(const dyno_sequence *sequence)
{
  return sequence->kv.capacity;
}

const float *dyno_sequence_logits(dyno_sequence *sequence)
{
  if (!sequence->answered)
    return NULL;
  if (sequence->waiting) {
    if (sequence->retaining)
      dyno_two_stage_undecided(&sequence->two_stage);
    dyno_migration_enter(sequence->engine->migration);
    compute_logits(sequence, sequence->last);
    dyno_migration_leave(sequence->engine->migration);
    sequence->waiting = false;
  }
  return sequence->logits;
}

const dyno_retained *dyno_sequence_retain(dyno_sequence *sequence,
                                          const dyno_retain_request *request)
{
  dyno_engine *engine = sequence->engine;
  sequence->retaining = false;
  if (!sequence->answered || !sequence->waiting || request->all)
    return NULL;
  const dyno_two_stage_crew crew = {engine->pool, probe_of(engine)};
  dyno_migration_enter(engine->migration);
  sequence->retaining =
      dyno_forward_retain(&sequence->two_stage, &sequence->retained, sequence->logits,
                          &sequence->workspace, &engine->model, &crew, sequence->last, request);
  dyno_migration_leave(engine->migration);
  return sequence->retaining ? &sequence->retained : NULL;
}

dyno_logits_counts dyno_sequence_logits_counts(const dyno_sequence *sequence)
{
  dyno_logits_counts counts = sequence->two_stage.counts;
  counts.full = sequence->full;
  return counts;
}

uint64_t dyno_sequence_kv_bytes(const dyno_sequence *sequence)
{
  return dyno_kv_bytes(&sequence->kv);
}
