#include "runtime/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runtime/cache/defragment.h"
#include "runtime/cache/identity.h"
#include "runtime/cache/prefix_evict.h"
#include "runtime/engine_internal.h"
#include "runtime/engine_lower.h"
#include "runtime/model/reference.h"

enum {
  MOST_BATCH = 4096,
  SPARE_CHUNKS = 8, /* of so many chunks in use, one more is kept for what comes */
};

static dyno_status open_checkpoint(dyno_engine *engine, const char *reference, dyno_error *error)
{
  char *path = NULL;
  dyno_status status = dyno_model_resolve(&path, reference, error);
  if (status == DYNO_OK && engine->share != NULL) {
    engine->checkpoint = engine->share->checkpoint;
    if (strcmp(path, dyno_checkpoint_path(engine->checkpoint)) != 0)
      status = dyno_fail(error, DYNO_ERROR_USAGE, "%s: weights of %s cannot be shared with it",
                         path, dyno_checkpoint_path(engine->checkpoint));
  } else if (status == DYNO_OK)
    status = dyno_checkpoint_open(&engine->checkpoint, path, error);
  free(path);
  return status;
}

static dyno_status open_pool(dyno_engine *engine, const dyno_engine_options *options,
                             unsigned threads, dyno_error *error)
{
  const dyno_engine *share = engine->share;
  dyno_status status = dyno_topology_detect(&engine->topology, error);
  if (share != NULL && options->pool == dyno_pool_kind_of(share->pool) &&
      threads == dyno_pool_threads(share->pool)) {
    engine->pool = share->pool;
    return status;
  }
  const dyno_pool_options pool = {
      .threads = threads,
      .kind = options->pool,
      .topology = &engine->topology,
  };
  return status == DYNO_OK ? dyno_pool_open_as(&engine->pool, &pool, error) : status;
}

static dyno_status open_allocator(dyno_engine *engine, const dyno_engine_options *options,
                                  dyno_error *error)
{
  const dyno_allocator_options allocator = {
      .kind = options->alloc,
      .pages = options->huge_pages == DYNO_HUGE_PAGES_OFF ? DYNO_PAGES_SMALL : DYNO_PAGES_HUGE,
      .checks = options->alloc_checks,
      .timed = options->alloc_timed,
      .record = options->alloc_record,
      .forget = options->numa != DYNO_NUMA_OFF && dyno_pool_nodes(engine->pool) > 1,
  };
  return dyno_allocator_open(&engine->allocator, &allocator, error);
}

/* What tokens cost to compute, in multiply-adds: their weights, and attention to all positions
 * before in the layers that see all, to a window in the others. */
static dyno_prefix_cost prefix_cost(const dyno_model_config *config)
{
  double d = (double)config->d_model, heads = (double)config->heads * (double)config->head_dim,
         kv = (double)config->kv_heads * (double)config->head_dim;
  double layer = d * (2 * heads + 2 * kv) + d * (double)config->experts +
                 3 * d * (double)config->d_ff * (double)config->experts_per_token;
  dyno_prefix_cost cost = {0};
  for (size_t i = 0; i < config->layers; i++) {
    cost.base += layer + (config->slides[i] ? 2 * heads * (double)config->window : 0);
    cost.by_position += config->slides[i] ? 0 : 2 * heads;
  }
  return cost;
}

static dyno_status open_embedding_cache(dyno_engine *engine, dyno_error *error)
{
  const dyno_model *model = &engine->model;
  size_t vocab = model->config->vocab, k = model->config->d_model;
  uint64_t bytes = dyno_embedding_cache_part(engine->budget.limit, vocab, k, model->batch);
  dyno_status status =
      dyno_embedding_cache_open(&engine->embeddings, vocab, k, model->batch, bytes, error);
  if (status != DYNO_OK ||
      dyno_budget_take(&engine->budget, dyno_embedding_cache_count(engine->embeddings).bytes))
    return status;
  dyno_embedding_cache_close(&engine->embeddings);
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "cache-size: %" PRIu64 " bytes for all caches: rows of the embedding (l1) take "
                   "%" PRIu64 " at least",
                   engine->budget.limit, bytes);
}

static dyno_status open_level3(dyno_engine *engine, const dyno_cache_options *options,
                               dyno_error *error)
{
  char identity[DYNO_CACHE_IDENTITY_TEXT];
  const dyno_level3_options level3 = {
      .element_bytes = dyno_row_bytes(engine->model.kv_dtype, 1),
      .file = options->file,
      .identity = dyno_cache_identity(identity, &engine->model, engine->registry),
      .most_bytes = engine->budget.limit + engine->level3_budget.limit,
      .notice = options->notice,
      .notice_context = options->notice_context,
  };
  return dyno_level3_open(&engine->level3, &engine->prefixes, &engine->level3_budget, engine->pool,
                          &level3, error);
}

static dyno_status open_caches(dyno_engine *engine, const dyno_cache_options *options,
                               dyno_error *error)
{
  bool level3 = (engine->cache_levels & DYNO_CACHE_L3) != 0;
  engine->scattered = options->scattered;
  if (options->file != NULL && !level3)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: a cache file is of use with cache level l3 only: add --cache=on",
                     options->file);
  if (level3 && (engine->cache_levels & DYNO_CACHE_L2) == 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "cache level l3 wants l2");
  if (level3)
    dyno_budget_split(&engine->level3_budget, &engine->budget, DYNO_BUDGET_LEVEL3_SHARE);
  dyno_status status = DYNO_OK;
  if ((engine->cache_levels & DYNO_CACHE_L1) != 0)
    status = open_embedding_cache(engine, error);
  if (status != DYNO_OK || (engine->cache_levels & DYNO_CACHE_L2) == 0)
    return status;
  status = dyno_prefix_open(&engine->prefixes, &engine->blocks, &engine->budget,
                            engine->model.config->layers, prefix_cost(engine->model.config), error);
  return status == DYNO_OK && level3 ? open_level3(engine, options, error) : status;
}

static dyno_status open_parts(dyno_engine *engine, const dyno_engine_options *options,
                              dyno_error *error)
{
  dyno_registry_options registry = options->registry;
  engine->huge_pages = options->huge_pages;
  engine->share = options->share;
  const dyno_model_options model = {
      .precision = options->precision,
      .kv = options->kv,
      .batch = options->batch == 0 ? DYNO_DEFAULT_BATCH : options->batch,
      .huge_pages = options->huge_pages,
      .numa = options->numa,
      .rope_truncate = options->rope_ggml,
      .two_stage = options->logits == DYNO_LOGITS_TWO_STAGE,
      .ablate = options->ablate,
      .quantization = &engine->quantization,
      .share = options->share != NULL ? &options->share->model : NULL,
      .memory_limit = options->memory_limit,
      .progress = options->progress,
      .progress_context = options->progress_context,
  };
  if (model.batch > MOST_BATCH)
    return dyno_fail(error, DYNO_ERROR_USAGE, "a batch of %zu tokens: at most %d are possible",
                     model.batch, MOST_BATCH);
  if (options->share != NULL &&
      (options->share->migration != NULL || options->huge_pages == DYNO_HUGE_PAGES_BACKGROUND ||
       options->share->huge_pages != options->huge_pages || options->share->numa != options->numa))
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "engines with weights on other pages or nodes cannot share them");
  engine->numa = options->numa;
  engine->cache_levels = options->cache.levels;
  dyno_status status = DYNO_OK;
  if (engine->cache_levels != 0)
    status = dyno_budget_open(&engine->budget, &options->cache, error);
  if (status == DYNO_OK)
    status = dyno_choose_threads(&registry.threads, error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&engine->registry, &registry, error);
  if (status == DYNO_OK)
    status = open_pool(engine, options, registry.threads, error);
  if (status == DYNO_OK)
    status = open_allocator(engine, options, error);
  if (status == DYNO_OK)
    status = open_checkpoint(engine, options->model, error);
  if (status == DYNO_OK)
    status =
        dyno_quantization_open(&engine->quantization, options->quant, engine->checkpoint, error);
  if (status == DYNO_OK)
    status = dyno_model_load(&engine->model, engine->checkpoint, engine->registry, engine->pool,
                             &model, error);
  if (status == DYNO_OK)
    dyno_kv_pool_open(&engine->blocks,
                      dyno_kv_layer_block_bytes(engine->model.config, engine->model.kv_dtype),
                      engine->allocator);
  if (status == DYNO_OK)
    status = open_caches(engine, &options->cache, error);
  engine->prefetch = options->prefetch;
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
  dyno_level3_save(closing->level3);
  dyno_level3_close(&closing->level3);
  dyno_prefix_close(&closing->prefixes);
  dyno_kv_pool_close(&closing->blocks);
  dyno_embedding_cache_close(&closing->embeddings);
  dyno_model_free(&closing->model);
  if (closing->share == NULL)
    dyno_checkpoint_close(&closing->checkpoint);
  if (closing->share == NULL || closing->pool != closing->share->pool)
    dyno_pool_close(&closing->pool);
  dyno_allocator_close(&closing->allocator);
  dyno_registry_close(&closing->registry);
  dyno_quantization_close(&closing->quantization);
  free(closing);
  *engine = NULL;
}

void dyno_engine_set_probe(dyno_engine *engine, const dyno_probe *probe)
{
  engine->probe = probe == NULL ? (dyno_probe){0} : *probe;
}

void dyno_engine_set_cache_observer(dyno_engine *engine, dyno_cache_observe *observe, void *context)
{
  engine->prefixes.observe = observe;
  engine->prefixes.observe_context = context;
}

void dyno_engine_count_kv(dyno_engine *engine)
{
  const dyno_kv_pool *pool = &engine->blocks;
  uint64_t bytes = (uint64_t)(pool->used - pool->cached_only) * pool->block_bytes;
  uint64_t shared = (uint64_t)(pool->cached - pool->cached_only) * pool->block_bytes;
  atomic_store_explicit(&engine->kv_bytes, bytes, memory_order_relaxed);
  uint64_t used = dyno_budget_used(&engine->budget) + dyno_budget_used(&engine->level3_budget);
  atomic_store_explicit(&engine->cache_bytes, used - shared, memory_order_relaxed);
}

dyno_status dyno_engine_lower(dyno_engine *engine, dyno_tensor_role role, size_t layer,
                              dyno_quant_method method, const dyno_importance *importance,
                              dyno_error *error)
{
  size_t count = dyno_checkpoint_tensor_count(engine->checkpoint);
  dyno_quant_method *methods = engine->quantization.methods;
  if (methods == NULL) {
    methods = calloc(count, sizeof *methods);
    if (methods == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "engine: out of memory");
    for (size_t i = 0; i < count; i++)
      methods[i] = engine->quantization.uniform;
    engine->quantization.methods = methods;
  }
  dyno_level3_close(&engine->level3); /* keys and values of other weights */
  if (engine->prefixes.pool != NULL)
    dyno_prefix_clear(&engine->prefixes);
  size_t index = dyno_tensor_index(role, layer);
  dyno_quant_method before = methods[index];
  methods[index] = method;
  engine->quantization.importance = importance;
  dyno_status status = dyno_model_reload(&engine->model, &engine->quantization, role, layer, error);
  if (status != DYNO_OK)
    methods[index] = before;
  else if (role == DYNO_TENSOR_EMBEDDING && engine->embeddings != NULL)
    dyno_embedding_cache_clear(engine->embeddings);
  return status;
}

/* One thing that is worth doing, small enough not to keep a token waiting; false when there is
 * nothing. */
static bool tidy(dyno_engine *engine, bool *moved)
{
  dyno_kv_pool *pool = &engine->blocks;
  if (engine->prefixes.pool != NULL && dyno_budget_excess(&engine->budget) > 0 &&
      !dyno_level3_is_full(engine->level3) && dyno_prefix_evict(&engine->prefixes, false))
    return true;
  if (!engine->scattered && dyno_kv_defragment(pool, 1) > 0) {
    *moved = true;
    return true;
  }
  dyno_kv_occupancy now = dyno_kv_pool_occupancy(pool);
  size_t full = (now.blocks + pool->chunk_blocks - 1) / pool->chunk_blocks;
  size_t returned = now.chunks > full + full / SPARE_CHUNKS + 1 ? dyno_kv_pool_trim(pool, 1) : 0;
  engine->returned += returned;
  return returned > 0;
}

bool dyno_engine_idle(dyno_engine *engine, uint64_t budget_ns)
{
  uint64_t end = dyno_clock_ns() + budget_ns;
  bool moved = false, more = true;
  do
    more = tidy(engine, &moved);
  while (more && dyno_clock_ns() < end);
  for (dyno_sequence *one = engine->first; moved && one != NULL; one = one->next)
    dyno_kv_refresh(&one->kv);
  dyno_engine_count_kv(engine);
  return more;
}
