/* What an engine tells of itself. */
#include <stdio.h>

#include "runtime/engine_internal.h"
#include "runtime/engine_lower.h"
#include "runtime/memory/residence.h"
#include "runtime/text/model_tokenizer.h"

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

uint64_t dyno_engine_shared_bytes(const dyno_engine *engine)
{
  return dyno_model_shared_bytes(&engine->model);
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

dyno_engine_memory dyno_engine_get_memory(const dyno_engine *engine)
{
  return (dyno_engine_memory){
      .kv = atomic_load_explicit(&engine->kv_bytes, memory_order_relaxed),
      .workspace = dyno_allocator_live(engine->allocator, DYNO_PURPOSE_WORKSPACE),
      .caches = atomic_load_explicit(&engine->cache_bytes, memory_order_relaxed),
      .has_caches = engine->cache_levels != 0,
  };
}

dyno_cache_statistics dyno_engine_get_cache(const dyno_engine *engine)
{
  const dyno_kv_pool *pool = &engine->blocks;
  const dyno_budget *budget = &engine->budget, *below = &engine->level3_budget;
  dyno_kv_occupancy occupancy = dyno_kv_pool_occupancy(pool);
  dyno_cache_statistics found = {
      .account = {budget->limit + below->limit, budget->threshold + below->threshold,
                  dyno_budget_used(budget) + dyno_budget_used(below), budget->peak + below->peak,
                  budget->refused},
      .blocks = {pool->block_bytes, occupancy.blocks, occupancy.chunks, occupancy.slots,
                 pool->moved, engine->returned},
  };
  if (engine->embeddings != NULL)
    found.rows = dyno_embedding_cache_count(engine->embeddings);
  if (engine->prefixes.pool != NULL)
    found.prefixes = dyno_prefix_statistics(&engine->prefixes);
  if (engine->level3 != NULL)
    found.compressed = dyno_level3_statistics(engine->level3);
  return found;
}

const dyno_checkpoint *dyno_engine_checkpoint(const dyno_engine *engine)
{
  return engine->checkpoint;
}

dyno_allocator *dyno_engine_allocator(const dyno_engine *engine)
{
  return engine->allocator;
}

dyno_pool *dyno_engine_pool(const dyno_engine *engine)
{
  return engine->pool;
}
