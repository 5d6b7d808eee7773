#include "runtime/cache/defragment.h"

#include <stdbool.h>

static bool movable(const dyno_kv_pool *pool, size_t chunk)
{
  const dyno_kv_block *slots = pool->block_at + chunk * pool->chunk_blocks;
  for (size_t i = 0; i < pool->chunk_blocks; i++)
    if (slots[i] != DYNO_KV_NO_BLOCK && pool->blocks[slots[i]].holds > 0)
      return false;
  return true;
}

/* The chunk with fewest blocks, if the holes of others take them; chunk_count: there is none. */
static size_t choose_source(const dyno_kv_pool *pool)
{
  size_t source = pool->chunk_count, holes = 0;
  for (size_t i = 0; i < pool->chunk_count; i++) {
    size_t used = pool->chunks[i].used;
    if (used == 0)
      continue;
    holes += pool->chunk_blocks - used;
    if (used < pool->chunk_blocks && movable(pool, i) &&
        (source == pool->chunk_count || used < pool->chunks[source].used))
      source = i;
  }
  if (source == pool->chunk_count)
    return source;
  holes -= pool->chunk_blocks - pool->chunks[source].used;
  return holes >= pool->chunks[source].used ? source : pool->chunk_count;
}

/* The fullest chunk but the source that has a hole. */
static size_t choose_target(const dyno_kv_pool *pool, size_t source)
{
  size_t target = pool->chunk_count;
  for (size_t i = 0; i < pool->chunk_count; i++) {
    size_t used = pool->chunks[i].used;
    if (i != source && used > 0 && used < pool->chunk_blocks &&
        (target == pool->chunk_count || used > pool->chunks[target].used))
      target = i;
  }
  return target;
}

size_t dyno_kv_defragment(dyno_kv_pool *pool, size_t most)
{
  size_t moved = 0, source = most > 0 ? choose_source(pool) : pool->chunk_count;
  if (source == pool->chunk_count)
    return 0;
  const dyno_kv_block *slots = pool->block_at + source * pool->chunk_blocks;
  for (size_t i = 0; i < pool->chunk_blocks && moved < most; i++)
    if (slots[i] != DYNO_KV_NO_BLOCK) {
      dyno_kv_pool_move(pool, slots[i], choose_target(pool, source));
      moved++;
    }
  if (pool->current == source) /* not to be filled again */
    pool->current = pool->chunk_count;
  return moved;
}
