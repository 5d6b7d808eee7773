/* The keys and values of one sequence, in blocks of a pool.
 *
 * Full layers take blocks as the sequence grows. Sliding layers have a ring that holds the window
 * and one batch; older positions make room. A block that others refer to as well is never written
 * to: another one takes its place. Blocks are laid out as kernels/base/kv_block.h says.
 *
 * Not thread-safe, as the pool is not. */
#ifndef DYNO_RUNTIME_CACHE_KV_H
#define DYNO_RUNTIME_CACHE_KV_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "runtime/cache/kv_pool.h"
#include "runtime/model/config.h"

#define DYNO_KV_BLOCK_TOKENS 64

typedef struct dyno_kv_layer {
  void **blocks;         /* [block_count], for the kernels; NULL where no token has been yet */
  dyno_kv_block *number; /* [block_count]: of the same blocks; DYNO_KV_NO_BLOCK */
  size_t block_count;    /* position p is in blocks[p / 64 % block_count] */
} dyno_kv_layer;

typedef struct dyno_kv {
  dyno_kv_pool *pool; /* not owned */
  dyno_kv_layer *layers;
  size_t layer_count;
  size_t capacity; /* tokens */
  size_t promised; /* blocks */
  size_t held;     /* blocks */
  size_t reached;  /* tokens: the most that there was room for since it was last cleared */
} dyno_kv;

/* Bytes of a block of one layer; a multiple of 64. dtype is F32, BF16 or I8. */
size_t dyno_kv_layer_block_bytes(const dyno_model_config *config, dyno_dtype dtype);

/* Has blocks promised for a sequence of at most capacity tokens, fed in batches of at most batch;
 * the pool, of such blocks, must outlive it. MEMORY, and *kv is zeroed. */
dyno_status dyno_kv_open(dyno_kv *kv, dyno_kv_pool *pool, const dyno_model_config *config,
                         size_t capacity, size_t batch, dyno_error *error);

/* Makes room for positions [from, to) after from others; to <= capacity, and to - from at most a
 * batch. They lie in blocks that nobody else refers to; what stands in them before `from` is kept.
 * Allocates nothing. */
void dyno_kv_reserve(dyno_kv *kv, size_t from, size_t to);

/* Refers to a block of somebody else's for the positions that it holds, number `index` of a layer
 * (position / 64), in place of what was there; reached is the number of tokens that there will be,
 * after which a ring may do without it. */
void dyno_kv_adopt(dyno_kv *kv, size_t layer, size_t index, dyno_kv_block block, size_t reached);

/* The block that holds position 64 * index of a layer; index must not lie before
 * dyno_kv_oldest. */
dyno_kv_block dyno_kv_block_of(const dyno_kv *kv, size_t layer, size_t index);

/* Fills positions [from, to) with the keys and values of those before, block by block: the block
 * that holds `from` is overwritten whole, so that a sequence is not to be cut back behind it. from
 * >= DYNO_KV_BLOCK_TOKENS; to <= capacity. */
void dyno_kv_repeat(dyno_kv *kv, size_t from, size_t to);

/* The oldest position that every layer still holds; a multiple of 64. */
size_t dyno_kv_oldest(const dyno_kv *kv);

/* Forgets what is there. Blocks that nobody else refers to are kept for what comes. */
void dyno_kv_clear(dyno_kv *kv);

/* Asks for the addresses of all blocks anew, after some were moved. */
void dyno_kv_refresh(dyno_kv *kv);

/* Frees and zeroes; a zeroed cache is fine. */
void dyno_kv_close(dyno_kv *kv);

/* Bytes of the blocks held. */
uint64_t dyno_kv_bytes(const dyno_kv *kv);

#endif
