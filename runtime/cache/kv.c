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

dyno_status dyno_kv_open(dyno_kv *kv, const dyno_model_config *config, dyno_dtype dtype,
                         size_t capacity, size_t batch, dyno_error *error)
{
  const dyno_kv_shape shape = {dyno_row_bytes(dtype, 1), DYNO_KV_BLOCK_TOKENS, config->kv_heads,
                               config->head_dim};

  *kv = (dyno_kv){
      .layers = calloc(config->layers, sizeof *kv->layers),
      .layer_count = config->layers,
      .block_bytes = dyno_kv_block_bytes(&shape),
      .capacity = capacity,
  };
  for (size_t i = 0; kv->layers != NULL && i < config->layers; i++) {
    dyno_kv_layer *layer = &kv->layers[i];
    size_t all = blocks_for(capacity), ring = ring_blocks(config->window, batch);
    layer->block_count = config->slides[i] && ring < all ? ring : all;
    layer->blocks = calloc(layer->block_count, sizeof *layer->blocks);
    if (layer->blocks == NULL) {
      dyno_kv_close(kv);
      break;
    }
  }
  if (kv->layers == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "KV cache of %zu tokens: out of memory", capacity);
  return DYNO_OK;
}

dyno_status dyno_kv_reserve(dyno_kv *kv, size_t tokens, dyno_error *error)
{
  for (size_t i = 0; i < kv->layer_count; i++) {
    dyno_kv_layer *layer = &kv->layers[i];
    size_t needed = blocks_for(tokens);
    if (needed > layer->block_count)
      needed = layer->block_count;
    /* Blocks fill from the front, so the missing ones are at the back. */
    for (size_t b = needed; b > 0 && layer->blocks[b - 1] == NULL; b--) {
      void *block = aligned_alloc(64, (kv->block_bytes + 63) / 64 * 64);
      if (block == NULL)
        return dyno_fail(error, DYNO_ERROR_MEMORY, "KV cache: out of memory at %zu tokens", tokens);
      memset(block, 0, kv->block_bytes);
      layer->blocks[b - 1] = block;
    }
  }
  return DYNO_OK;
}

size_t dyno_kv_oldest(const dyno_kv *kv, size_t length)
{
  size_t oldest = 0;
  for (size_t i = 0; i < kv->layer_count; i++) {
    size_t held = kv->layers[i].block_count * DYNO_KV_BLOCK_TOKENS;
    if (length > held && length - held > oldest)
      oldest = length - held;
  }
  return oldest;
}

void dyno_kv_close(dyno_kv *kv)
{
  for (size_t i = 0; kv->layers != NULL && i < kv->layer_count; i++) {
    for (size_t b = 0; kv->layers[i].blocks != NULL && b < kv->layers[i].block_count; b++)
      free(kv->layers[i].blocks[b]);
    free(kv->layers[i].blocks);
  }
  free(kv->layers);
  *kv = (dyno_kv){0};
}

uint64_t dyno_kv_bytes(const dyno_kv *kv)
{
  uint64_t blocks = 0;
  for (size_t i = 0; i < kv->layer_count; i++)
    for (size_t b = 0; b < kv->layers[i].block_count; b++)
      blocks += kv->layers[i].blocks[b] != NULL;
  return blocks * kv->block_bytes;
}
