/* A file, mapped read-only. Whether an extent lies in it: dyno_extent_fits in checked.h. */
#ifndef DYNO_RUNTIME_MODEL_MAPPED_FILE_H
#define DYNO_RUNTIME_MODEL_MAPPED_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_mapped_file {
  const uint8_t *bytes; /* page-aligned; NULL when size is 0 */
  size_t size;
  int descriptor; /* open as long as bytes is not NULL; owned */
  char *path;     /* owned */
} dyno_mapped_file;

/* Maps a regular file, from 2 MiB on to an address at which the kernel can map huge pages of the
 * page cache where it has them. NOT_FOUND; IO when it cannot be read, is no regular file, or
 * changed size while it was opened; MEMORY. On failure *file is zeroed. */
dyno_status dyno_mapped_file_open(dyno_mapped_file *file, const char *path, dyno_error *error);

/* Unmaps, frees the path, zeroes *file. A zeroed file is fine. */
void dyno_mapped_file_close(dyno_mapped_file *file);

typedef enum dyno_file_advice {
  DYNO_FILE_SEQUENTIAL, /* will be read once from front to back */
  DYNO_FILE_WILL_NEED,  /* start reading now */
  DYNO_FILE_HUGE,       /* on huge pages, please; the next advice takes it back */
  DYNO_FILE_SMALL,      /* never on huge pages */
  DYNO_FILE_DONE,       /* drop the pages from this process; the page cache may keep them */
  DYNO_FILE_RECLAIM,    /* drop whole pages from the page cache too, but those that others map */
} dyno_file_advice;

/* Advises about the pages that [offset, offset + size) touches, cut to the file. Best effort. */
void dyno_mapped_file_advise(const dyno_mapped_file *file, uint64_t offset, uint64_t size,
                             dyno_file_advice advice);

/* A file that somebody makes shorter while it is mapped raises SIGBUS in whoever touches what is
 * gone (so does a disk that fails). This installs a handler that prints which file and offset it
 * was and ends the process with exit status 1, without a core. For programs, at the start of
 * main; a library must not take signals from its host. */
void dyno_report_lost_mappings(void);

#endif
