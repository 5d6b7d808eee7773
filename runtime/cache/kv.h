/* The keys and values of one sequence, in blocks.
 *
 * Full layers take blocks as the sequence grows. Sliding layers have a ring that holds the window
 * and one batch; older positions are overwritten. Blocks are laid out as kernels/base/kv_block.h
 * says. */
#ifndef DYNO_RUNTIME_CACHE_KV_H
#define DYNO_RUNTIME_CACHE_KV_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buffer.h"
#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "runtime/model/config.h"
#include "runtime/placement.h"

#define DYNO_KV_BLOCK_TOKENS 64

typedef struct dyno_kv_layer {
  void **blocks;      /* [block_count]; NULL where no token has been yet */
  size_t block_count; /* position p is in blocks[p / 64 % block_count] */
} dyno_kv_layer;

typedef struct dyno_kv {
  dyno_kv_layer *layers;
  size_t layer_count;
  size_t block_bytes;
  size_t capacity; /* tokens */
  /* Blocks are cut from slabs of a huge page or a block, because attention on small pages reads
   * a third slower. */
  dyno_buffer *slabs;
  size_t slab_count, blocks_per_slab;
  size_t block_total; /* used, of all slabs */
  dyno_huge_pages huge_pages;
} dyno_kv;

/* Makes room for the tables of a sequence of at most capacity tokens, fed in batches of at most
 * batch; the blocks come later. dtype is F32 or BF16. MEMORY, and *kv is zeroed. */
dyno_status dyno_kv_open(dyno_kv *kv, const dyno_model_config *config, dyno_dtype dtype,
                         size_t capacity, size_t batch, dyno_huge_pages huge_pages,
                         dyno_error *error);

/* Allocates the blocks that positions [0, tokens) need. tokens <= capacity. MEMORY. */
dyno_status dyno_kv_reserve(dyno_kv *kv, size_t tokens, dyno_error *error);

/* The oldest position that every layer still holds when `length` tokens have been stored. */
size_t dyno_kv_oldest(const dyno_kv *kv, size_t length);

/* Frees and zeroes; a zeroed cache is fine. */
void dyno_kv_close(dyno_kv *kv);

/* Bytes of the blocks allocated so far. */
uint64_t dyno_kv_bytes(const dyno_kv *kv);

#endif
