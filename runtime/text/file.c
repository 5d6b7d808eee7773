#include "config.h"

#include "runtime/text/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static dyno_status read_stream(char **text, size_t *count, FILE *stream, const char *path,
                               size_t most, dyno_error *error)
{
  struct stat file;
  if (fstat(fileno(stream), &file) != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %s", path, strerror(errno));
  if (!S_ISREG(file.st_mode))
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s is not a file", path);
  size_t size = (size_t)file.st_size;
  if (size > most)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s has %zu bytes; such a file has %zu at most",
                     path, size, most);
  *text = malloc(size + 1);
  if (*text == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory for its %zu bytes", path, size);
  *count = fread(*text, 1, size, stream);
  (*text)[*count] = '\0';
  if (*count == size)
    return DYNO_OK;
  dyno_status status =
      dyno_fail(error, DYNO_ERROR_IO, "%s: only %zu of %zu bytes could be read: %s", path, *count,
                size, ferror(stream) ? strerror(errno) : "the file has shrunk");
  free(*text);
  *text = NULL;
  return status;
}

dyno_status dyno_file_read(char **text, size_t *count, const char *path, size_t most,
                           dyno_error *error)
{
  *text = NULL;
  *count = 0;
  FILE *stream = fopen(path, "rbe");
  if (stream == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO, "%s: %s", path,
                     strerror(errno));
  dyno_status status = read_stream(text, count, stream, path, most, error);
  fclose(stream);
  return status;
}
