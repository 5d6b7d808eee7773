/* Large aligned memory, on huge pages where the kernel gives them. */
#ifndef DYNO_KERNELS_BASE_BUFFER_H
#define DYNO_KERNELS_BASE_BUFFER_H

#include <stddef.h>

#include "kernels/base/status.h"

/* Zeroed anonymous memory of its own mapping. From 1 MiB on it starts at a multiple of 2 MiB and
 * transparent huge pages are asked for, for the last of them only where at least half of it is
 * used; below that it starts at a page. */
typedef struct dyno_buffer {
  void *data;
  size_t size; /* as asked for */
  void *mapping;
  size_t mapping_size;
} dyno_buffer;

#define DYNO_HUGE_PAGE ((size_t)2 << 20)

typedef enum dyno_pages {
  DYNO_PAGES_HUGE,
  DYNO_PAGES_SMALL, /* huge pages are declined, even where the system gives them unasked */
} dyno_pages;

/* Maps size bytes; size 0 gives an empty buffer. MEMORY on failure, and *buffer is zeroed. Pages
 * are taken from the system on first touch, on the NUMA node of the thread that touches. */
dyno_status dyno_buffer_open(dyno_buffer *buffer, size_t size, dyno_error *error);

/* The same with a choice of pages. */
dyno_status dyno_buffer_open_on(dyno_buffer *buffer, size_t size, dyno_pages pages,
                                dyno_error *error);

/* Unmaps and zeroes *buffer; a zeroed buffer is fine. */
void dyno_buffer_close(dyno_buffer *buffer);

#endif
