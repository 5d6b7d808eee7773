/* Blocks for keys and values, all of one size, that sequences and caches share.
 *
 * A block is known by a number and counts its references. Where it lies can change
 * (runtime/cache/defragment.h), its number does not; so its address is to be asked for anew after
 * anything was moved. Blocks are cut from chunks of whole huge pages; those taken one after the
 * other lie side by side where a chunk has room, because attention on small pages reads a third
 * slower.
 *
 * Who wants blocks has them promised first. That takes addresses, not memory: the system gives
 * memory when a block is written to. Taking a promised block cannot fail, allocates nothing and
 * calls no system.
 *
 * Not thread-safe. */
#ifndef DYNO_RUNTIME_CACHE_KV_POOL_H
#define DYNO_RUNTIME_CACHE_KV_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/memory/allocator.h"

typedef uint32_t dyno_kv_block;
#define DYNO_KV_NO_BLOCK UINT32_MAX

typedef struct dyno_kv_descriptor {
  void *data;
  uint32_t slot;
  uint32_t references; /* 0: free */
  uint32_t holds;      /* while there are any, it is not moved */
  bool cached;         /* one of the references is a cache's */
} dyno_kv_descriptor;

typedef struct dyno_kv_chunk {
  char *data;   /* NULL where there is none */
  size_t used;  /* blocks */
  size_t first; /* no slot before this one is free */
  bool touched; /* blocks were taken since it was last given to the system */
} dyno_kv_chunk;

typedef struct dyno_kv_pool {
  size_t block_bytes;               /* of a block, and of a slot */
  size_t chunk_bytes, chunk_blocks; /* whole huge pages, and the slots in them */
  dyno_allocator *allocator;        /* not owned */
  dyno_kv_chunk *chunks;
  size_t chunk_count, open_chunks; /* with a place in the table, with memory */
  dyno_kv_block *block_at;         /* [chunk_count * chunk_blocks]: what is in each slot */
  dyno_kv_descriptor *blocks;      /* as many */
  dyno_kv_block *free;             /* a stack of numbers, [chunk_count * chunk_blocks - used] */
  size_t current;                  /* the chunk that blocks are taken from */
  size_t promised, used;
  size_t cached, cached_only; /* of those used: that caches hold, and that they alone hold */
  uint64_t moved;             /* blocks, since it was opened */
} dyno_kv_pool;

/* A pool of blocks of block_bytes (a multiple of 64), without any; its chunks come from an
 * allocator that outlives it. */
void dyno_kv_pool_open(dyno_kv_pool *pool, size_t block_bytes, dyno_allocator *allocator);

/* Frees and zeroes; no block may be in use. A zeroed pool is fine. */
void dyno_kv_pool_close(dyno_kv_pool *pool);

/* Promises so many blocks more; to be taken back when they are no longer wanted and released. A
 * block with several references counts for each of those that it was promised to. MEMORY, and
 * nothing is promised. */
dyno_status dyno_kv_pool_promise(dyno_kv_pool *pool, size_t blocks, dyno_error *error);
void dyno_kv_pool_withdraw(dyno_kv_pool *pool, size_t blocks);

/* Takes a block, with one reference; what it holds is undefined. */
dyno_kv_block dyno_kv_pool_take(dyno_kv_pool *pool);

/* One reference more, one less. */
void dyno_kv_pool_retain(dyno_kv_pool *pool, dyno_kv_block block);
void dyno_kv_pool_release(dyno_kv_pool *pool, dyno_kv_block block);

/* The same for a cache, which has at most one reference to a block. */
void dyno_kv_pool_cache(dyno_kv_pool *pool, dyno_kv_block block);
void dyno_kv_pool_uncache(dyno_kv_pool *pool, dyno_kv_block block);

/* Where it lies, 64-byte aligned, until something is moved. */
static inline void *dyno_kv_pool_data(const dyno_kv_pool *pool, dyno_kv_block block)
{
  return pool->blocks[block].data;
}

static inline bool dyno_kv_pool_shared(const dyno_kv_pool *pool, dyno_kv_block block)
{
  return pool->blocks[block].references > 1;
}

/* Keeps a block from being moved while another thread reads it. */
void dyno_kv_pool_hold(dyno_kv_pool *pool, dyno_kv_block block);
void dyno_kv_pool_unhold(dyno_kv_pool *pool, dyno_kv_block block);

/* Moves a block into the first free slot of another chunk, which must have one. */
void dyno_kv_pool_move(dyno_kv_pool *pool, dyno_kv_block block, size_t chunk);

/* Gives the memory of chunks without blocks to the system, and their addresses where no promise
 * needs them; at most `most` chunks. Returns how many. */
size_t dyno_kv_pool_trim(dyno_kv_pool *pool, size_t most);

/* What there is of chunks that blocks were taken from: chunks, and blocks in use in them. The rest
 * of their slots are holes. */
typedef struct dyno_kv_occupancy {
  size_t chunks, blocks, slots;
} dyno_kv_occupancy;

dyno_kv_occupancy dyno_kv_pool_occupancy(const dyno_kv_pool *pool);

#endif
