#include "runtime/cache/embedding_cache.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/buffer.h"
#include "runtime/cache/clock.h"

enum { LINE = 64, PAGE = 4096 };

struct dyno_embedding_cache {
  dyno_clock clock;   /* of tokens */
  dyno_buffer buffer; /* rows, [slots][stride] */
  size_t stride;      /* bytes */
  uint8_t *ahead;     /* [slots]: decoded ahead, and not wanted yet */
  const float **rows; /* [batch], of the pass */
  size_t k, batch;
  uint64_t bytes;
  dyno_cache_rows counts;
};

static size_t stride_of(size_t k)
{
  return (k * sizeof(float) + LINE - 1) / LINE * LINE;
}

static uint64_t bytes_of(size_t vocab, size_t k, size_t batch, uint32_t slots)
{
  return sizeof(dyno_embedding_cache) + batch * sizeof(float *) +
         dyno_clock_bytes((uint32_t)vocab, slots) + slots * (stride_of(k) + sizeof(uint8_t)) +
         PAGE; /* the buffer is whole pages */
}

uint64_t dyno_embedding_cache_least(size_t vocab, size_t k, size_t batch)
{
  return bytes_of(vocab, k, batch, 1);
}

uint64_t dyno_embedding_cache_part(uint64_t limit, size_t vocab, size_t k, size_t batch)
{
  enum { PART = 16 };
  uint64_t part = limit / PART, least = dyno_embedding_cache_least(vocab, k, batch);
  uint64_t all = bytes_of(vocab, k, batch, (uint32_t)vocab);
  return part < least ? least : part > all ? all : part;
}

uint32_t dyno_embedding_cache_room(uint64_t bytes, size_t vocab, size_t k, size_t batch)
{
  uint64_t none = bytes_of(vocab, k, batch, 0), each = bytes_of(vocab, k, batch, 1) - none;
  uint64_t slots = bytes < none ? 0 : (bytes - none) / each;
  return (uint32_t)(slots < vocab ? slots : vocab);
}

dyno_status dyno_embedding_cache_open(dyno_embedding_cache **cache, size_t vocab, size_t k,
                                      size_t batch, uint64_t bytes, dyno_error *error)
{
  uint32_t slots = dyno_embedding_cache_room(bytes, vocab, k, batch);
  *cache = NULL;
  if (slots == 0)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "a cache of embedding rows in %" PRIu64 " bytes: this model's takes %" PRIu64
                     " at least",
                     bytes, dyno_embedding_cache_least(vocab, k, batch));
  dyno_embedding_cache *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cache of embedding rows: out of memory");
  *made = (dyno_embedding_cache){
      .stride = stride_of(k),
      .ahead = calloc(slots, 1),
      .rows = calloc(batch, sizeof *made->rows),
      .k = k,
      .batch = batch,
      .bytes = bytes_of(vocab, k, batch, slots),
  };
  dyno_status status =
      made->ahead != NULL && made->rows != NULL
          ? dyno_clock_open(&made->clock, (uint32_t)vocab, slots, error)
          : dyno_fail(error, DYNO_ERROR_MEMORY, "cache of embedding rows: out of memory");
  if (status == DYNO_OK)
    status = dyno_buffer_open(&made->buffer, slots * made->stride, error);
  if (status != DYNO_OK)
    dyno_embedding_cache_close(&made);
  *cache = made;
  return status;
}

void dyno_embedding_cache_close(dyno_embedding_cache **cache)
{
  dyno_embedding_cache *closing = *cache;
  if (closing == NULL)
    return;
  dyno_buffer_close(&closing->buffer);
  dyno_clock_close(&closing->clock);
  free(closing->ahead);
  free(closing->rows);
  free(closing);
  *cache = NULL;
}

static float *row_at(const dyno_embedding_cache *cache, uint32_t slot)
{
  return (float *)(void *)((char *)cache->buffer.data + slot * cache->stride);
}

/* Takes a slot for the token and decodes its row. */
static uint32_t fill(dyno_embedding_cache *cache, const dyno_embedding *embedding, int32_t token)
{
  uint32_t slot = dyno_clock_take(&cache->clock, (uint32_t)token);
  if (slot == DYNO_CLOCK_NONE)
    return slot;
  const uint8_t *row = embedding->rows + (size_t)token * embedding->row_bytes;
  dyno_row_to_float(row_at(cache, slot), row, embedding->dtype, embedding->k);
  cache->ahead[slot] = false;
  return slot;
}

const float *const *dyno_embedding_cache_rows(dyno_embedding_cache *cache,
                                              const dyno_embedding *embedding,
                                              const int32_t *tokens, size_t m)
{
  dyno_clock_begin(&cache->clock);
  for (size_t t = 0; t < m; t++) {
    uint32_t slot = dyno_clock_find(&cache->clock, (uint32_t)tokens[t]);
    bool hit = slot != DYNO_CLOCK_NONE;
    cache->counts.hits += hit;
    cache->counts.misses += !hit;
    if (!hit)
      slot = fill(cache, embedding, tokens[t]);
    cache->rows[t] = slot != DYNO_CLOCK_NONE ? row_at(cache, slot) : NULL;
    if (slot == DYNO_CLOCK_NONE)
      continue;
    cache->counts.awaited += cache->ahead[slot];
    cache->ahead[slot] = false;
  }
  return cache->rows;
}

void dyno_embedding_cache_expect(dyno_embedding_cache *cache, const dyno_embedding *embedding,
                                 const int32_t *tokens, size_t count)
{
  dyno_clock_begin(&cache->clock);
  for (size_t i = 0; i < count; i++) {
    if (dyno_clock_find(&cache->clock, (uint32_t)tokens[i]) != DYNO_CLOCK_NONE)
      continue;
    uint32_t slot = fill(cache, embedding, tokens[i]);
    if (slot == DYNO_CLOCK_NONE)
      return;
    cache->ahead[slot] = true;
    cache->counts.expected++;
  }
}

void dyno_embedding_cache_clear(dyno_embedding_cache *cache)
{
  dyno_clock_clear(&cache->clock);
}

dyno_cache_rows dyno_embedding_cache_count(const dyno_embedding_cache *cache)
{
  dyno_cache_rows counts = cache->counts;
  counts.lookups = counts.hits + counts.misses;
  counts.evictions = cache->clock.evictions;
  counts.rows = cache->clock.filled;
  counts.bytes = cache->bytes;
  return counts;
}
