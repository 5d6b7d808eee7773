#include "runtime/cache/kv_pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void dyno_kv_pool_open(dyno_kv_pool *pool, size_t block_bytes, dyno_allocator *allocator)
{
  size_t chunk_bytes = DYNO_HUGE_PAGE;
  while (chunk_bytes < block_bytes)
    chunk_bytes *= 2;
  *pool = (dyno_kv_pool){
      .block_bytes = block_bytes,
      .chunk_bytes = chunk_bytes,
      .chunk_blocks = chunk_bytes / block_bytes,
      .allocator = allocator,
  };
}

void dyno_kv_pool_close(dyno_kv_pool *pool)
{
  for (size_t i = 0; i < pool->chunk_count; i++)
    dyno_release(pool->allocator, pool->chunks[i].data);
  free(pool->chunks);
  free(pool->block_at);
  free(pool->blocks);
  free(pool->free);
  *pool = (dyno_kv_pool){0};
}

static bool grow(void **array, size_t count, size_t size)
{
  void *longer = realloc(*array, count * size);
  if (longer != NULL)
    *array = longer;
  return longer != NULL;
}

/* Makes the tables longer, by half of what they are at least. */
static bool add_places(dyno_kv_pool *pool)
{
  size_t before = pool->chunk_count, after = before + before / 2 + 1;
  size_t slots = after * pool->chunk_blocks;
  if (slots >= DYNO_KV_NO_BLOCK || !grow((void **)&pool->chunks, after, sizeof *pool->chunks) ||
      !grow((void **)&pool->block_at, slots, sizeof *pool->block_at) ||
      !grow((void **)&pool->blocks, slots, sizeof *pool->blocks) ||
      !grow((void **)&pool->free, slots, sizeof *pool->free))
    return false;
  for (size_t i = before; i < after; i++)
    pool->chunks[i] = (dyno_kv_chunk){0};
  for (size_t i = before * pool->chunk_blocks; i < slots; i++) {
    pool->block_at[i] = DYNO_KV_NO_BLOCK;
    pool->blocks[i] = (dyno_kv_descriptor){0};
  }
  /* The stack's new numbers lie under the old ones, lowest on top. */
  size_t old = before * pool->chunk_blocks - pool->used, more = slots - before * pool->chunk_blocks;
  memmove(pool->free + more, pool->free, old * sizeof *pool->free);
  for (size_t i = 0; i < more; i++)
    pool->free[i] = (dyno_kv_block)(slots - 1 - i);
  pool->chunk_count = after;
  return true;
}

static dyno_status open_chunk(dyno_kv_pool *pool, dyno_error *error)
{
  size_t place = 0;
  while (place < pool->chunk_count && pool->chunks[place].data != NULL)
    place++;
  if (place == pool->chunk_count && !add_places(pool))
    return dyno_fail(error, DYNO_ERROR_MEMORY, "blocks of keys and values: out of memory");
  char *data = dyno_allocate(pool->allocator, pool->chunk_bytes, DYNO_HUGE_PAGE, DYNO_PURPOSE_KV);
  if (data == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "blocks of keys and values: no memory for %zu bytes",
                     pool->chunk_bytes);
  pool->chunks[place].data = data;
  pool->open_chunks++;
  return DYNO_OK;
}

static void close_chunk(dyno_kv_pool *pool, dyno_kv_chunk *chunk)
{
  dyno_release(pool->allocator, chunk->data);
  chunk->data = NULL;
  chunk->touched = false;
  pool->open_chunks--;
}

/* Whether the promises can do without one of the chunks. */
static bool spare(const dyno_kv_pool *pool)
{
  return pool->open_chunks > 0 && (pool->open_chunks - 1) * pool->chunk_blocks >= pool->promised;
}

static void close_spare_chunks(dyno_kv_pool *pool)
{
  for (size_t i = pool->chunk_count; i-- > 0 && spare(pool);)
    if (pool->chunks[i].data != NULL && pool->chunks[i].used == 0)
      close_chunk(pool, &pool->chunks[i]);
}

dyno_status dyno_kv_pool_promise(dyno_kv_pool *pool, size_t blocks, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  pool->promised += blocks;
  while (status == DYNO_OK && pool->open_chunks * pool->chunk_blocks < pool->promised)
    status = open_chunk(pool, error);
  if (status != DYNO_OK)
    dyno_kv_pool_withdraw(pool, blocks);
  return status;
}

void dyno_kv_pool_withdraw(dyno_kv_pool *pool, size_t blocks)
{
  pool->promised -= blocks;
  close_spare_chunks(pool);
}

/* The fullest chunk with a free slot, so that others become empty; one that has no memory yet only
 * when there is no other. */
static size_t choose_chunk(const dyno_kv_pool *pool)
{
  size_t best = pool->chunk_count, best_rank = 0;
  for (size_t i = 0; i < pool->chunk_count; i++) {
    const dyno_kv_chunk *chunk = &pool->chunks[i];
    size_t rank = 1 + chunk->used + chunk->touched;
    if (chunk->data != NULL && chunk->used < pool->chunk_blocks && rank > best_rank) {
      best = i;
      best_rank = rank;
    }
  }
  return best;
}

/* Puts a block into the chunk's first free slot. */
static void place(dyno_kv_pool *pool, dyno_kv_block block, size_t chunk)
{
  dyno_kv_chunk *into = &pool->chunks[chunk];
  dyno_kv_block *slots = pool->block_at + chunk * pool->chunk_blocks;
  size_t slot = into->first;
  while (slots[slot] != DYNO_KV_NO_BLOCK)
    slot++;
  slots[slot] = block;
  pool->blocks[block].slot = (uint32_t)(chunk * pool->chunk_blocks + slot);
  pool->blocks[block].data = into->data + slot * pool->block_bytes;
  into->used++;
  into->first = slot + 1;
  into->touched = true;
}

static void displace(dyno_kv_pool *pool, dyno_kv_block block)
{
  uint32_t slot = pool->blocks[block].slot;
  dyno_kv_chunk *from = &pool->chunks[slot / pool->chunk_blocks];
  pool->block_at[slot] = DYNO_KV_NO_BLOCK;
  from->used--;
  if (slot % pool->chunk_blocks < from->first)
    from->first = slot % pool->chunk_blocks;
}

dyno_kv_block dyno_kv_pool_take(dyno_kv_pool *pool)
{
  size_t current = pool->current;
  if (current >= pool->chunk_count || pool->chunks[current].data == NULL ||
      pool->chunks[current].used == pool->chunk_blocks)
    pool->current = choose_chunk(pool);
  size_t left = pool->chunk_count * pool->chunk_blocks - pool->used;
  dyno_kv_block block = pool->free[left - 1];
  pool->used++;
  pool->blocks[block] = (dyno_kv_descriptor){.references = 1};
  place(pool, block, pool->current);
  return block;
}

static bool cached_only(const dyno_kv_descriptor *block)
{
  return block->cached && block->references == 1;
}

static void refer(dyno_kv_pool *pool, dyno_kv_block block, bool more, bool cached)
{
  dyno_kv_descriptor *descriptor = &pool->blocks[block];
  pool->cached_only -= cached_only(descriptor);
  descriptor->references += more ? 1 : (uint32_t)-1;
  pool->cached += cached;
  pool->cached -= descriptor->cached;
  descriptor->cached = cached;
  pool->cached_only += cached_only(descriptor);
  if (descriptor->references > 0)
    return;
  displace(pool, block);
  pool->free[pool->chunk_count * pool->chunk_blocks - pool->used] = block;
  pool->used--;
}

void dyno_kv_pool_retain(dyno_kv_pool *pool, dyno_kv_block block)
{
  refer(pool, block, true, pool->blocks[block].cached);
}

void dyno_kv_pool_release(dyno_kv_pool *pool, dyno_kv_block block)
{
  refer(pool, block, false, pool->blocks[block].cached);
}

void dyno_kv_pool_cache(dyno_kv_pool *pool, dyno_kv_block block)
{
  refer(pool, block, true, true);
}

void dyno_kv_pool_uncache(dyno_kv_pool *pool, dyno_kv_block block)
{
  refer(pool, block, false, false);
}

void dyno_kv_pool_hold(dyno_kv_pool *pool, dyno_kv_block block)
{
  pool->blocks[block].holds++;
}

void dyno_kv_pool_unhold(dyno_kv_pool *pool, dyno_kv_block block)
{
  pool->blocks[block].holds--;
}

void dyno_kv_pool_move(dyno_kv_pool *pool, dyno_kv_block block, size_t chunk)
{
  const void *from = pool->blocks[block].data;
  displace(pool, block);
  place(pool, block, chunk);
  memcpy(pool->blocks[block].data, from, pool->block_bytes);
  pool->moved++;
}

size_t dyno_kv_pool_trim(dyno_kv_pool *pool, size_t most)
{
  size_t given = 0;
  for (size_t i = pool->chunk_count; i-- > 0 && given < most;) {
    dyno_kv_chunk *chunk = &pool->chunks[i];
    if (chunk->data == NULL || chunk->used > 0 || !chunk->touched)
      continue;
    if (spare(pool)) {
      close_chunk(pool, chunk);
      dyno_allocator_trim(pool->allocator, pool->chunk_bytes);
    } else {
      madvise(chunk->data, pool->chunk_bytes, MADV_DONTNEED);
      chunk->touched = false;
    }
    given++;
  }
  return given;
}

dyno_kv_occupancy dyno_kv_pool_occupancy(const dyno_kv_pool *pool)
{
  dyno_kv_occupancy found = {.blocks = pool->used};
  for (size_t i = 0; i < pool->chunk_count; i++)
    found.chunks += pool->chunks[i].touched;
  found.slots = found.chunks * pool->chunk_blocks;
  return found;
}
