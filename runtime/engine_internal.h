/* What an engine and its sequences are made of, for the files that implement runtime/engine.h. */
#ifndef DYNO_RUNTIME_ENGINE_INTERNAL_H
#define DYNO_RUNTIME_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "runtime/cache/budget.h"
#include "runtime/cache/kv.h"
#include "runtime/cache/level3.h"
#include "runtime/cache/prefix.h"
#include "runtime/cache/reuse.h"
#include "runtime/engine.h"
#include "runtime/forward/two_stage.h"
#include "runtime/forward/workspace.h"
#include "runtime/memory/allocator.h"
#include "runtime/model/migration.h"
#include "runtime/model/model.h"
#include "runtime/model/quantization.h"
#include "runtime/threads/pool.h"
#include "runtime/threads/topology.h"

struct dyno_engine {
  dyno_registry *registry;
  dyno_topology topology;
  dyno_pool *pool;
  dyno_allocator *allocator; /* of what its sequences hold */
  dyno_checkpoint *checkpoint;
  dyno_quantization quantization; /* of the weights as loaded */
  dyno_model model;
  dyno_embedding_cache *embeddings; /* NULL: rows are not kept */
  dyno_prefetch prefetch;
  dyno_huge_pages huge_pages;
  dyno_numa numa;
  const dyno_engine *share;  /* whose pool and checkpoint these may be; or NULL */
  dyno_migration *migration; /* NULL unless weights move in the background */
  unsigned cache_levels;
  dyno_budget budget;          /* of the caches, where there are any */
  dyno_kv_pool blocks;         /* of keys and values */
  dyno_prefix prefixes;        /* L2; its pool is NULL when there is none */
  dyno_budget level3_budget;   /* a part of budget */
  dyno_level3 *level3;         /* NULL when there is none */
  bool scattered;              /* blocks are not moved */
  uint64_t returned;           /* chunks of blocks, to the system */
  struct dyno_sequence *first; /* of all */
  dyno_probe probe;            /* event is NULL when nobody measures */
  atomic_uint_fast64_t kv_bytes, cache_bytes;
};

struct dyno_sequence {
  dyno_engine *engine;
  struct dyno_sequence *previous, *next; /* of the same engine */
  dyno_reuse reuse;
  dyno_kv kv;
  dyno_workspace workspace;
  float *logits; /* [vocab] */
  bool answered; /* there are logits that follow the last token: those, */
  bool waiting;  /* or, of two stages, what they are to be computed from: */
  size_t last;   /* the token's place in the last batch */
  bool two_stages, retaining;
  dyno_two_stage two_stage;
  dyno_retained retained;
  uint64_t full;                 /* passes over the whole head */
  dyno_prefetch_counts expected; /* rows of the embedding */
  size_t length;
};

/* NULL: nobody measures. */
static inline const dyno_probe *dyno_engine_probe(const dyno_engine *engine)
{
  return engine->probe.event == NULL && engine->probe.rows == NULL ? NULL : &engine->probe;
}

/* Brings the sums of what is held up to date. */
void dyno_engine_count_kv(dyno_engine *engine);

#endif
