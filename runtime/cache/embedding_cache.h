/* L1: rows of the embedding as floats, for the tokens that come most.
 *
 * The thread that starts a pass looks its tokens up and decodes what is missing; the threads of the
 * pass only read, so that nothing is locked. Rows stay where they are until the next pass. A row
 * has the bits that decoding it again would give.
 *
 * Used by one thread at a time, but for the rows of a pass. */
#ifndef DYNO_RUNTIME_CACHE_EMBEDDING_CACHE_H
#define DYNO_RUNTIME_CACHE_EMBEDDING_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/cache/statistics.h"
#include "runtime/model/embedding.h"

typedef struct dyno_embedding_cache dyno_embedding_cache;

/* The fewest bytes a cache takes for a model of vocab tokens, rows of k elements, and passes of at
 * most batch tokens: room for a single row. */
uint64_t dyno_embedding_cache_least(size_t vocab, size_t k, size_t batch);

/* The part of what all caches may hold that this one has. */
uint64_t dyno_embedding_cache_part(uint64_t limit, size_t vocab, size_t k, size_t batch);

/* The rows that so many bytes have room for. */
uint32_t dyno_embedding_cache_room(uint64_t bytes, size_t vocab, size_t k, size_t batch);

/* Takes at most `bytes`, of which dyno_embedding_cache_least is needed, else USAGE; MEMORY. On
 * failure *cache is NULL. */
dyno_status dyno_embedding_cache_open(dyno_embedding_cache **cache, size_t vocab, size_t k,
                                      size_t batch, uint64_t bytes, dyno_error *error);

/* Sets *cache to NULL; NULL is fine. */
void dyno_embedding_cache_close(dyno_embedding_cache **cache);

/* Before a pass of m tokens, at most batch: the row [k] of each. NULL where all rows are taken by
 * this pass already: that token's is to be decoded. Valid until the cache is used again. */
const float *const *dyno_embedding_cache_rows(dyno_embedding_cache *cache,
                                              const dyno_embedding *embedding,
                                              const int32_t *tokens, size_t m);

/* Between passes: has the rows of tokens that may come next, unless they are there. */
void dyno_embedding_cache_expect(dyno_embedding_cache *cache, const dyno_embedding *embedding,
                                 const int32_t *tokens, size_t count);

/* Forgets all rows: the embedding is another. */
void dyno_embedding_cache_clear(dyno_embedding_cache *cache);

dyno_cache_rows dyno_embedding_cache_count(const dyno_embedding_cache *cache);

#endif
