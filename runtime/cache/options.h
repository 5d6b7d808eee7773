/* Which caches an engine keeps, and how much they may hold (docs/cache.md). */
#ifndef DYNO_RUNTIME_CACHE_OPTIONS_H
#define DYNO_RUNTIME_CACHE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/status.h"

/* Levels, to be ORed. */
typedef enum dyno_cache_level {
  DYNO_CACHE_L1 = 1, /* embedding rows as floats */
  DYNO_CACHE_L2 = 2, /* keys and values of prefixes, shared between sequences */
  DYNO_CACHE_L3 = 4, /* those that left L2, compressed; wants L2 */
} dyno_cache_level;

#define DYNO_CACHE_ALL (DYNO_CACHE_L1 | DYNO_CACHE_L2 | DYNO_CACHE_L3)

/* Sizes in MiB. What is 0 is read from the environment, and else has these defaults. */
#define DYNO_CACHE_DEFAULT_SIZE 1024
#define DYNO_CACHE_MOST_SIZE ((size_t)1 << 20)
#define DYNO_CACHE_DEFAULT_THRESHOLD 0.8
#define DYNO_CACHE_LEAST_THRESHOLD 0.05

/* Called with a sentence about what went wrong with a cache, and without which the engine goes on.
 */
typedef void dyno_cache_notice(void *context, const char *message);

typedef struct dyno_cache_options {
  unsigned levels; /* 0: none */
  size_t size;     /* MiB that all levels hold at most; 0: $CACHE_SIZE_MB */
  double
      threshold;  /* the share of it that idle time evicts down to; 0: $CACHE_EVICTION_THRESHOLD */
  bool scattered; /* blocks of keys and values are not moved together in idle time */
  /* Where L3 is read from when the engine is opened, and written to when it is closed
   * (docs/cache-file.md); NULL: nowhere. Wants L3. Need not outlive the opening. */
  const char *file;
  dyno_cache_notice *notice; /* may be NULL */
  void *notice_context;
} dyno_cache_options;

/* Levels from "off", "on" (all) or a list such as "l1,l2", in which l3 wants l2; a size in MiB, 1
 * to DYNO_CACHE_MOST_SIZE; a share, DYNO_CACHE_LEAST_THRESHOLD to 1. USAGE, with name, the option's
 * or the variable's, in the message; then nothing is changed. */
dyno_status dyno_cache_levels_parse(unsigned *levels, const char *text, const char *name,
                                    dyno_error *error);
dyno_status dyno_cache_size_parse(size_t *size, const char *text, const char *name,
                                  dyno_error *error);
dyno_status dyno_cache_threshold_parse(double *threshold, const char *text, const char *name,
                                       dyno_error *error);

#endif
