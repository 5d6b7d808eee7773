#include "kernels/base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

dyno_status dyno_atomic_file_open(dyno_atomic_file *file, const char *path, dyno_error *error)
{
  static const char suffix[] = ".XXXXXX";
  *file = (dyno_atomic_file){.path = strdup(path)};
  size_t length = strlen(path);
  file->temporary = malloc(length + sizeof suffix);
  if (file->path == NULL || file->temporary == NULL) {
    dyno_atomic_file_discard(file);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  memcpy(file->temporary, path, length);
  memcpy(file->temporary + length, suffix, sizeof suffix);

  int descriptor = mkostemp(file->temporary, O_CLOEXEC);
  if (descriptor < 0) {
    int reason = errno;
    free(file->temporary);
    file->temporary = NULL;
    dyno_atomic_file_discard(file);
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot create it: %s", path, strerror(reason));
  }
  mode_t mask = umask(0);
  umask(mask);
  file->stream = fchmod(descriptor, 0666 & ~mask) == 0 ? fdopen(descriptor, "w") : NULL;
  if (file->stream == NULL) {
    int reason = errno;
    close(descriptor);
    dyno_atomic_file_discard(file);
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot create it: %s", path, strerror(reason));
  }
  return DYNO_OK;
}

static int sync_folder(const char *path)
{
  char *copy = strdup(path);
  if (copy == NULL)
    return -1;
  int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(copy);
  if (folder < 0)
    return -1;
  int result = fsync(folder);
  close(folder);
  return result;
}

dyno_status dyno_atomic_file_commit(dyno_atomic_file *file, dyno_error *error)
{
  errno = 0;
  bool failed =
      ferror(file->stream) != 0 || fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0;
  failed = fclose(file->stream) != 0 || failed;
  file->stream = NULL;
  if (failed || rename(file->temporary, file->path) != 0) {
    int reason = errno != 0 ? errno : EIO;
    dyno_fail(error, DYNO_ERROR_IO, "%s: cannot write it: %s", file->path, strerror(reason));
    dyno_atomic_file_discard(file);
    return DYNO_ERROR_IO;
  }
  free(file->temporary);
  file->temporary = NULL;
  dyno_status status = DYNO_OK;
  if (sync_folder(file->path) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot flush its folder to disk: %s", file->path,
                       strerror(errno));
  dyno_atomic_file_discard(file);
  return status;
}

void dyno_atomic_file_discard(dyno_atomic_file *file)
{
  if (file->stream != NULL)
    fclose(file->stream);
  if (file->temporary != NULL)
    unlink(file->temporary);
  free(file->temporary);
  free(file->path);
  *file = (dyno_atomic_file){0};
}
