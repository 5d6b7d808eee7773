/* Reading a small file whole. */
#ifndef DYNO_RUNTIME_TEXT_FILE_H
#define DYNO_RUNTIME_TEXT_FILE_H

#include <stddef.h>

#include "kernels/base/status.h"

/* Reads a regular file of at most `most` bytes into *text, which the caller frees, followed by a
 * zero byte that count does not include. NOT_FOUND, IO, or FORMAT when it is too large. */
dyno_status dyno_file_read(char **text, size_t *count, const char *path, size_t most,
                           dyno_error *error);

#endif
