#include "runtime/cache/kv.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/base/kv_block.h"

static size_t blocks_for(size_t tokens)
{
  return (tokens + DYNO_KV_BLOCK_TOKENS - 1) / DYNO_KV_BLOCK_TOKENS;
}

/* The first query of a batch sees window - 1 positions before it and the last stands batch - 1
 * after it; that span may begin anywhere in a block. */
static size_t ring_blocks(size_t window, size_t batch)
{
  return blocks_for(window - 1 + batch) + 1;
}

size_t dyno_kv_layer_block_bytes(const dyno_model_config *config, dyno_dtype dtype)
{
  const dyno_kv_shape shape = {dyno_row_bytes(dtype, 1), DYNO_KV_BLOCK_TOKENS, config->kv_heads,
                               config->head_dim};
  return dyno_kv_block_bytes(&shape);
}

static bool open_layer(dyno_kv_layer *layer, size_t block_count)
{
  layer->block_count = block_count;
  layer->blocks = calloc(block_count, sizeof *layer->blocks);
  layer->number = calloc(block_count, sizeof *layer->number);
  for (size_t b = 0; layer->number != NULL && b < block_count; b++)
    layer->number[b] = DYNO_KV_NO_BLOCK;
  return layer->blocks != NULL && layer->number != NULL;
}

dyno_status dyno_kv_open(dyno_kv *kv, dyno_kv_pool *pool, const dyno_model_config *config,
                         size_t capacity, size_t batch, dyno_error *error)
{
  size_t all = blocks_for(capacity), ring = ring_blocks(config->window, batch), total = 0;
  *kv = (dyno_kv){
      .pool = pool,
      .layers = calloc(config->layers, sizeof *kv->layers),
      .layer_count = config->layers,
      .capacity = capacity,
  };
  bool made = kv->layers != NULL;
  for (size_t i = 0; made && i < config->layers; i++) {
    made = open_layer(&kv->layers[i], config->slides[i] && ring < all ? ring : all);
    total += kv->layers[i].block_count;
  }
  dyno_status status = made ? dyno_kv_pool_promise(pool, total, error)
                            : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK) {
    kv->promised = total;
    return DYNO_OK;
  }
  dyno_error_prepend(error, "KV cache of %zu tokens", capacity);
  dyno_kv_close(kv);
  return status;
}

static void put(dyno_kv *kv, dyno_kv_layer *layer, size_t slot, dyno_kv_block block)
{
  kv->held += block != DYNO_KV_NO_BLOCK;
  kv->held -= layer->number[slot] != DYNO_KV_NO_BLOCK;
  layer->number[slot] = block;
  layer->blocks[slot] = block != DYNO_KV_NO_BLOCK ? dyno_kv_pool_data(kv->pool, block) : NULL;
}

/* Gives the slot a block of its own; with keep, one that holds the same. A shared block's others
 * keep it alive, so that releasing first is safe, and there are never more blocks than promised. */
static void own(dyno_kv *kv, dyno_kv_layer *layer, size_t slot, bool keep)
{
  dyno_kv_block before = layer->number[slot];
  if (before != DYNO_KV_NO_BLOCK && !dyno_kv_pool_shared(kv->pool, before))
    return;
  if (before != DYNO_KV_NO_BLOCK)
    dyno_kv_pool_release(kv->pool, before);
  dyno_kv_block after = dyno_kv_pool_take(kv->pool);
  if (keep && before != DYNO_KV_NO_BLOCK)
    memcpy(dyno_kv_pool_data(kv->pool, after), dyno_kv_pool_data(kv->pool, before),
           kv->pool->block_bytes);
  put(kv, layer, slot, after);
}

void dyno_kv_reserve(dyno_kv *kv, size_t from, size_t to)
{
  size_t first = from / DYNO_KV_BLOCK_TOKENS, end = blocks_for(to);
  for (size_t i = 0; i < kv->layer_count; i++) {
    dyno_kv_layer *layer = &kv->layers[i];
    for (size_t b = first; b < end; b++)
      own(kv, layer, b % layer->block_count, b == first && from % DYNO_KV_BLOCK_TOKENS != 0);
  }
  if (to > kv->reached)
    kv->reached = to;
}

void dyno_kv_adopt(dyno_kv *kv, size_t layer, size_t index, dyno_kv_block block, size_t reached)
{
  dyno_kv_layer *into = &kv->layers[layer];
  size_t slot = index % into->block_count;
  if (reached > kv->reached)
    kv->reached = reached;
  if (index + into->block_count < blocks_for(reached))
    return;
  if (into->number[slot] != DYNO_KV_NO_BLOCK)
    dyno_kv_pool_release(kv->pool, into->number[slot]);
  dyno_kv_pool_retain(kv->pool, block);
  put(kv, into, slot, block);
}

dyno_kv_block dyno_kv_block_of(const dyno_kv *kv, size_t layer, size_t index)
{
  return kv->layers[layer].number[index % kv->layers[layer].block_count];
}

void dyno_kv_repeat(dyno_kv *kv, size_t from, size_t to)
{
  size_t whole = from / DYNO_KV_BLOCK_TOKENS;
  for (size_t i = 0; i < kv->layer_count; i++) {
    dyno_kv_layer *layer = &kv->layers[i];
    for (size_t b = whole; b < blocks_for(to) && b < layer->block_count; b++) {
      own(kv, layer, b, false);
      memcpy(layer->blocks[b], layer->blocks[b % whole], kv->pool->block_bytes);
    }
  }
  if (to > kv->reached)
    kv->reached = to;
}

size_t dyno_kv_oldest(const dyno_kv *kv)
{
  size_t oldest = 0, blocks = blocks_for(kv->reached);
  for (size_t i = 0; i < kv->layer_count; i++) {
    size_t held = kv->layers[i].block_count;
    if (blocks > held && blocks - held > oldest)
      oldest = blocks - held;
  }
  return oldest * DYNO_KV_BLOCK_TOKENS;
}

/* Calls on every block that is held. */
static void for_each_block(dyno_kv *kv, void (*visit)(dyno_kv *kv, dyno_kv_layer *layer, size_t b))
{
  for (size_t i = 0; kv->layers != NULL && i < kv->layer_count; i++)
    for (size_t b = 0; kv->layers[i].number != NULL && b < kv->layers[i].block_count; b++)
      if (kv->layers[i].number[b] != DYNO_KV_NO_BLOCK)
        visit(kv, &kv->layers[i], b);
}

static void drop(dyno_kv *kv, dyno_kv_layer *layer, size_t b)
{
  dyno_kv_pool_release(kv->pool, layer->number[b]);
  put(kv, layer, b, DYNO_KV_NO_BLOCK);
}

static void drop_shared(dyno_kv *kv, dyno_kv_layer *layer, size_t b)
{
  if (dyno_kv_pool_shared(kv->pool, layer->number[b]))
    drop(kv, layer, b);
}

static void refresh(dyno_kv *kv, dyno_kv_layer *layer, size_t b)
{
  layer->blocks[b] = dyno_kv_pool_data(kv->pool, layer->number[b]);
}

void dyno_kv_clear(dyno_kv *kv)
{
  for_each_block(kv, drop_shared);
  kv->reached = 0;
}

void dyno_kv_refresh(dyno_kv *kv)
{
  for_each_block(kv, refresh);
}

void dyno_kv_close(dyno_kv *kv)
{
  for_each_block(kv, drop);
  for (size_t i = 0; kv->layers != NULL && i < kv->layer_count; i++) {
    free(kv->layers[i].blocks);
    free(kv->layers[i].number);
  }
  free(kv->layers);
  if (kv->pool != NULL)
    dyno_kv_pool_withdraw(kv->pool, kv->promised);
  *kv = (dyno_kv){0};
}

uint64_t dyno_kv_bytes(const dyno_kv *kv)
{
  return (uint64_t)kv->held * kv->pool->block_bytes;
}
