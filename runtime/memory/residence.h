/* How much memory there is, and on which pages. */
#ifndef DYNO_RUNTIME_MEMORY_RESIDENCE_H
#define DYNO_RUNTIME_MEMORY_RESIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dyno_residence {
  uint64_t bytes;    /* looked at */
  uint64_t resident; /* of them, on pages that are mapped now */
  uint64_t huge;     /* of those, on huge pages */
} dyno_residence;

/* Adds what [data, data + size), of any mapping of this process, stands on: page by page where the
 * kernel can tell (Linux 6.7, PAGEMAP_SCAN), else by each mapping's average in
 * /proc/self/smaps. False when neither can be read; nothing is added then. Takes some milliseconds
 * for gigabytes on small pages. Any thread. */
bool dyno_residence_add(dyno_residence *sum, const void *data, size_t size);

/* Bytes of the system's memory that hold nothing at all, not even files that could be dropped. */
uint64_t dyno_free_memory(void);

#endif
