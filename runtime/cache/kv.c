#include "runtime/cache/kv.h"

#include <stdlib.h>

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

/* A huge page of blocks; one block if it is larger; all of them if they are fewer. */
static size_t blocks_of_slab(size_t block_bytes, size_t total)
{
  size_t fit = DYNO_HUGE_PAGE / block_bytes;
  if (fit > total)
    fit = total;
  return fit == 0 ? 1 : fit;
}

dyno_status dyno_kv_open(dyno_kv *kv, const dyno_model_config *config, dyno_dtype dtype,
                         size_t capacity, size_t batch, dyno_huge_pages huge_pages,
                         dyno_error *error)
{
  const dyno_kv_shape shape = {dyno_row_bytes(dtype, 1), DYNO_KV_BLOCK_TOKENS, config->kv_heads,
                               config->head_dim};

  *kv = (dyno_kv){
      .layers = calloc(config->layers, sizeof *kv->layers),
      .layer_count = config->layers,
      .block_bytes = dyno_kv_block_bytes(&shape),
      .capacity = capacity,
      .huge_pages = huge_pages,
  };
  size_t total = 0;
  for (size_t i = 0; kv->layers != NULL && i < config->layers; i++) {
    dyno_kv_layer *layer = &kv->layers[i];
    size_t all = blocks_for(capacity), ring = ring_blocks(config->window, batch);
    layer->block_count = config->slides[i] && ring < all ? ring : all;
    layer->blocks = calloc(layer->block_count, sizeof *layer->blocks);
    if (layer->blocks == NULL) {
      dyno_kv_close(kv);
      break;
    }
    total += layer->block_count;
  }
  if (kv->layers == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "KV cache of %zu tokens: out of memory", capacity);
  kv->blocks_per_slab = blocks_of_slab(kv->block_bytes, total);
  return DYNO_OK;
}

/* Cuts the next block from the slabs. */
static dyno_status take_block(void **block, dyno_kv *kv, dyno_error *error)
{
  dyno_pages pages = kv->huge_pages == DYNO_HUGE_PAGES_OFF ? DYNO_PAGES_SMALL : DYNO_PAGES_HUGE;
  size_t slab = kv->block_total / kv->blocks_per_slab, slot = kv->block_total % kv->blocks_per_slab;
  if (slab == kv->slab_count) {
    dyno_buffer *longer = realloc(kv->slabs, (slab + 1) * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "KV cache: out of memory");
    kv->slabs = longer;
    dyno_status status =
        dyno_buffer_open_on(&kv->slabs[slab], kv->blocks_per_slab * kv->block_bytes, pages, error);
    if (status != DYNO_OK)
      return status;
    kv->slab_count++;
  }
  *block = (char *)kv->slabs[slab].data + slot * kv->block_bytes;
  kv->block_total++;
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
    size_t first = needed;
    while (first > 0 && layer->blocks[first - 1] == NULL)
      first--;
    for (size_t b = first; b < needed; b++) {
      dyno_status status = take_block(&layer->blocks[b], kv, error);
      if (status != DYNO_OK)
        return status;
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
  for (size_t i = 0; kv->layers != NULL && i < kv->layer_count; i++)
    free(kv->layers[i].blocks);
  free(kv->layers);
  for (size_t i = 0; i < kv->slab_count; i++)
    dyno_buffer_close(&kv->slabs[i]);
  free(kv->slabs);
  *kv = (dyno_kv){0};
}

uint64_t dyno_kv_bytes(const dyno_kv *kv)
{
  return (uint64_t)kv->block_total * kv->block_bytes;
}
