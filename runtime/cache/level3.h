/* L3: what leaves the cache of prefixes is compressed, and restored when it is asked for
 * (docs/cache.md).
 *
 * It has an account of its own, a part of the caches' (dyno_budget_split). Whole nodes are taken
 * only: ends of sequences are found by looking at their tokens, which is L2's. A node that cannot
 * be restored is told of, dropped, and counts as a miss.
 *
 * Not thread-safe, but for its own thread (runtime/cache/compressor.h). */
#ifndef DYNO_RUNTIME_CACHE_LEVEL3_H
#define DYNO_RUNTIME_CACHE_LEVEL3_H

#include "runtime/cache/budget.h"
#include "runtime/cache/node_record.h"
#include "runtime/cache/options.h"
#include "runtime/cache/prefix.h"
#include "runtime/cache/statistics.h"
#include "runtime/threads/pool.h"

typedef struct dyno_level3 dyno_level3;

typedef struct dyno_level3_options {
  size_t element_bytes; /* of keys and values */
  const char *file;     /* the cache file's path; NULL: none */
  const char *identity; /* what keys and values depend on; see runtime/cache/cache_file.h */
  uint64_t most_bytes;  /* of the file that is written */
  dyno_cache_notice *notice;
  void *notice_context;
} dyno_level3_options;

/* Comes below prefix. All that is handed over must outlive it, options' strings excepted. A file
 * that is not there, damaged or foreign is no failure: it is told of and not used. USAGE when the
 * account has no room for a few nodes; IO when a file could not be written in its folder; MEMORY,
 * UNAVAILABLE. On failure *level3 is NULL. */
dyno_status dyno_level3_open(dyno_level3 **level3, dyno_prefix *prefix, dyno_budget *budget,
                             dyno_pool *pool, const dyno_level3_options *options,
                             dyno_error *error);

/* Writes the nodes of L2 and of L3 to the file, as many as fit, if there are new ones. What fails
 * is told of. Does nothing without a file, or when the one that is there was refused as foreign. */
void dyno_level3_save(dyno_level3 *level3);

/* Forgets everything and leaves prefix alone. Sets *level3 to NULL; NULL is fine. */
void dyno_level3_close(dyno_level3 **level3);

/* Whether what leaves L2 now could not be kept; false for NULL. */
bool dyno_level3_is_full(dyno_level3 *level3);

/* Around each pass of so many tokens; NULL is fine. */
void dyno_level3_enter(dyno_level3 *level3, size_t tokens);
void dyno_level3_leave(dyno_level3 *level3);

dyno_cache_compressed dyno_level3_statistics(const dyno_level3 *level3);

#endif
