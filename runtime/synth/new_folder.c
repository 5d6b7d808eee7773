#include "runtime/synth/new_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dot(const char *name)
{
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Whether a folder can be renamed to path. */
static dyno_status check_place(const char *path, dyno_error *error)
{
  DIR *stream = opendir(path);
  if (stream == NULL && errno == ENOENT)
    return DYNO_OK;
  if (stream == NULL)
    return dyno_fail(error, errno == ENOTDIR ? DYNO_ERROR_USAGE : DYNO_ERROR_IO,
                     "%s: a folder is wanted: %s", path, strerror(errno));
  const struct dirent *entry;
  bool empty = true;
  while (empty && (entry = readdir(stream)) != NULL)
    empty = is_dot(entry->d_name);
  closedir(stream);
  if (empty)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "%s is there already and not empty: remove it or choose another place", path);
}

dyno_status dyno_new_folder_open(dyno_new_folder *folder, const char *path, dyno_error *error)
{
  static const char suffix[] = ".XXXXXX";
  *folder = (dyno_new_folder){0};
  dyno_status status = check_place(path, error);
  if (status != DYNO_OK)
    return status;
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/')
    length--;
  folder->path = strndup(path, length);
  folder->temporary = malloc(length + sizeof suffix);
  if (folder->path == NULL || folder->temporary == NULL) {
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  } else {
    memcpy(folder->temporary, path, length);
    memcpy(folder->temporary + length, suffix, sizeof suffix);
    mode_t mask = umask(0);
    umask(mask);
    if (mkdtemp(folder->temporary) != NULL && chmod(folder->temporary, 0777 & ~mask) == 0)
      return DYNO_OK;
    status =
        dyno_fail(error, DYNO_ERROR_IO, "%s: cannot make the folder: %s", path, strerror(errno));
  }
  free(folder->path);
  free(folder->temporary);
  *folder = (dyno_new_folder){0};
  return status;
}

static bool sync_folder(const char *path)
{
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool good = descriptor >= 0 && fsync(descriptor) == 0;
  if (descriptor >= 0)
    close(descriptor);
  return good;
}

dyno_status dyno_new_folder_commit(dyno_new_folder *folder, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  if (!sync_folder(folder->temporary) || rename(folder->temporary, folder->path) != 0) {
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot put the folder into place: %s",
                       folder->path, strerror(errno));
    dyno_new_folder_discard(folder);
    return status;
  }
  char *parent = strdup(folder->path);
  if (parent == NULL || !sync_folder(dirname(parent)))
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot flush its folder to disk: %s",
                       folder->path, strerror(errno));
  free(parent);
  free(folder->path);
  free(folder->temporary);
  *folder = (dyno_new_folder){0};
  return status;
}

void dyno_new_folder_discard(dyno_new_folder *folder)
{
  DIR *stream = folder->temporary == NULL ? NULL : opendir(folder->temporary);
  if (stream != NULL) {
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL)
      if (!is_dot(entry->d_name))
        unlinkat(dirfd(stream), entry->d_name, 0);
    closedir(stream);
    rmdir(folder->temporary);
  }
  free(folder->path);
  free(folder->temporary);
  *folder = (dyno_new_folder){0};
}
