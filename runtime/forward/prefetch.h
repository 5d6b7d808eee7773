/* Asking the processor for memory that will be read soon. */
#ifndef DYNO_RUNTIME_FORWARD_PREFETCH_H
#define DYNO_RUNTIME_FORWARD_PREFETCH_H

#include <stddef.h>

/* Of a matrix, from where a thread begins to read it: half a small page, within which the
 * processor's own prefetcher follows a stream once it has seen a few lines of it. Other sizes have
 * not been measured. */
enum { DYNO_PREFETCH_PANEL_BYTES = 2048 };

/* Asks for the lines of [data, data + bytes), to be in the second-level cache. Nothing is read:
 * what is not in memory is left where it is. */
static inline void dyno_prefetch_lines(const void *data, size_t bytes)
{
  enum { LINE = 64 };
  for (size_t at = 0; at < bytes; at += LINE)
    __builtin_prefetch((const char *)data + at, 0, 2);
}

#endif
