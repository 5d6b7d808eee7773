/* Files that appear whole or not at all: written beside their place, flushed to disk, renamed,
 * and the folder flushed too, because a rename is atomic but not durable. */
#ifndef DYNO_KERNELS_BASE_ATOMIC_FILE_H
#define DYNO_KERNELS_BASE_ATOMIC_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "kernels/base/status.h"

typedef struct dyno_atomic_file {
  FILE *stream;    /* write here */
  char *path;      /* the final place; owned */
  char *temporary; /* owned */
} dyno_atomic_file;

/* Opens a temporary file in path's folder. On failure nothing is left behind. */
dyno_status dyno_atomic_file_open(dyno_atomic_file *file, const char *path, dyno_error *error);

/* Flushes, renames into place and closes. On failure (a write error included, even an earlier
 * one) path is as it was and the temporary file is gone. */
dyno_status dyno_atomic_file_commit(dyno_atomic_file *file, dyno_error *error);

/* Removes the temporary file and closes; does nothing after a commit. */
void dyno_atomic_file_discard(dyno_atomic_file *file);

#endif
