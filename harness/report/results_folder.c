#include "config.h"

#include "harness/report/results_folder.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/host.h"
#include "harness/report/units.h"
#include "kernels/base/atomic_file.h"
#include "runtime/text/file.h"

enum { NAME_TEXT = 256, MOST_OF_A_NAME = 1000, MOST_OBJECT_BYTES = 64 << 20 };

static dyno_status no_folder(const char *path, int reason, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_IO,
                   "%s: results cannot be written there: %s; --output-dir names another folder",
                   path, strerror(reason));
}

/* mkdir -p */
static int make_folders(const char *path)
{
  char *copy = strdup(path);
  int reason = copy != NULL ? 0 : ENOMEM;
  for (char *slash = copy; copy != NULL && reason == 0 && slash != NULL;) {
    slash = strchr(slash + 1, '/');
    if (slash != NULL)
      *slash = '\0';
    if (mkdir(copy, 0777) != 0 && errno != EEXIST)
      reason = errno;
    if (slash != NULL)
      *slash = '/';
  }
  free(copy);
  return reason;
}

/* <time>-<host>-<commit>, in characters that every shell and file system is fine with. */
static void make_name(char name[NAME_TEXT], const char *commit)
{
  char when[32], host[DYNO_HOST_NAME];
  time_t now = time(NULL);
  struct tm parts;
  strftime(when, sizeof when, "%Y%m%d-%H%M%S", gmtime_r(&now, &parts));
  dyno_host_name(host);
  for (char *at = host; *at != '\0'; at++)
    if (!isalnum((unsigned char)*at) && *at != '.' && *at != '_')
      *at = '_';
  snprintf(name, NAME_TEXT, "%s-%s-%.12s", when, host, commit[0] != '\0' ? commit : "release");
}

static dyno_status set_path(dyno_results_folder *folder, const char *path, dyno_error *error)
{
  *folder = (dyno_results_folder){.path = strdup(path), .descriptor = -1};
  if (folder->path == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t length = strlen(folder->path); length > 1 && folder->path[length - 1] == '/';)
    folder->path[--length] = '\0';
  const char *slash = strrchr(folder->path, '/');
  folder->id = slash != NULL ? slash + 1 : folder->path;
  return DYNO_OK;
}

static dyno_status lock(dyno_results_folder *folder, dyno_error *error)
{
  folder->descriptor = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder->descriptor < 0)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: the folder of a run: %s", folder->path, strerror(errno));
  if (flock(folder->descriptor, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK
               ? dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                           "%s: another run writes there right now; wait for it to end",
                           folder->path)
               : no_folder(folder->path, errno, error);
  return DYNO_OK;
}

/* A file of some bytes can be made, whatever the permissions say. */
static dyno_status check_writable(const dyno_results_folder *folder, dyno_error *error)
{
  static const char name[] = ".writable";
  int file = openat(folder->descriptor, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  int reason = file < 0 ? errno : 0;
  if (file >= 0 && (write(file, name, sizeof name) != (ssize_t)sizeof name || fsync(file) != 0))
    reason = errno != 0 ? errno : ENOSPC;
  if (file >= 0) {
    close(file);
    unlinkat(folder->descriptor, name, 0);
  }
  return reason == 0 ? DYNO_OK : no_folder(folder->path, reason, error);
}

static dyno_status take(dyno_results_folder *folder, dyno_error *error)
{
  dyno_status status = lock(folder, error);
  if (status == DYNO_OK)
    status = check_writable(folder, error);
  if (status != DYNO_OK)
    dyno_results_folder_close(folder);
  return status;
}

dyno_status dyno_results_folder_create(dyno_results_folder *folder, const char *parent,
                                       const char *commit, dyno_error *error)
{
  char name[NAME_TEXT];
  int reason = make_folders(parent);
  *folder = (dyno_results_folder){.descriptor = -1};
  if (reason != 0)
    return no_folder(parent, reason, error);
  make_name(name, commit);
  for (int number = 1; number < MOST_OF_A_NAME; number++) {
    char *path, behind[16] = "";
    if (number > 1)
      snprintf(behind, sizeof behind, "-%d", number);
    if (asprintf(&path, "%s/%s%s", parent, name, behind) < 0)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
    reason = mkdir(path, 0777) == 0 ? 0 : errno; /* one of several runs succeeds */
    dyno_status status = reason == 0 ? set_path(folder, path, error) : DYNO_OK;
    free(path);
    if (reason == 0)
      return status == DYNO_OK ? take(folder, error) : status;
    if (reason != EEXIST)
      break;
  }
  return no_folder(parent, reason, error);
}

dyno_status dyno_results_folder_open(dyno_results_folder *folder, const char *path,
                                     dyno_error *error)
{
  dyno_status status = set_path(folder, path, error);
  return status == DYNO_OK ? take(folder, error) : status;
}

void dyno_results_folder_close(dyno_results_folder *folder)
{
  if (folder->path == NULL)
    return;
  if (folder->descriptor >= 0) {
    rmdir(folder->path); /* fails unless it is empty */
    close(folder->descriptor);
  }
  free(folder->path);
  *folder = (dyno_results_folder){.descriptor = -1};
}

dyno_status dyno_results_folder_check_space(const dyno_results_folder *folder, uint64_t bytes,
                                            dyno_error *error)
{
  struct statvfs space;
  char wanted[DYNO_UNIT_TEXT], there[DYNO_UNIT_TEXT];
  if (fstatvfs(folder->descriptor, &space) != 0)
    return DYNO_OK; /* then writing will tell */
  double available = (double)space.f_bavail * (double)space.f_frsize;
  if (available >= (double)bytes)
    return DYNO_OK;
  dyno_format_bytes(wanted, (double)bytes);
  dyno_format_bytes(there, available);
  return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                   "%s: this run may write %s, and %s are left on that disk; make room, or name "
                   "another folder with --output-dir",
                   folder->path, wanted, there);
}

static char *path_of(const dyno_results_folder *folder, const char *name, dyno_error *error)
{
  char *path;
  if (asprintf(&path, "%s/%s", folder->path, name) >= 0)
    return path;
  dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  return NULL;
}

dyno_status dyno_results_read_object(json_t **object, const dyno_results_folder *folder,
                                     const char *name, dyno_error *error)
{
  char *text = NULL, *path = path_of(folder, name, error);
  size_t count;
  json_error_t reason;
  *object = NULL;
  if (path == NULL)
    return DYNO_ERROR_MEMORY;
  dyno_status status = dyno_file_read(&text, &count, path, MOST_OBJECT_BYTES, error);
  if (status == DYNO_OK) {
    *object = json_loadb(text, count, JSON_REJECT_DUPLICATES, &reason);
    if (!json_is_object(*object))
      status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %d: %s", path,
                         *object == NULL ? reason.line : 1,
                         *object == NULL ? reason.text : "an object is wanted");
  }
  if (status != DYNO_OK) {
    json_decref(*object);
    *object = NULL;
  }
  free(text);
  free(path);
  return status;
}

dyno_status dyno_results_write_object(const json_t *object, const dyno_results_folder *folder,
                                      const char *name, dyno_error *error)
{
  dyno_atomic_file file;
  char *path = path_of(folder, name, error);
  if (path == NULL)
    return DYNO_ERROR_MEMORY;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status == DYNO_OK) {
    /* With 17 digits: --resume compares, and reckons with, what it reads. */
    if (json_dumpf(object, file.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) != 0 ||
        fputc('\n', file.stream) == EOF) {
      dyno_atomic_file_discard(&file);
      status = dyno_fail(error, DYNO_ERROR_IO, "%s: it could not be written: %m", path);
    } else {
      status = dyno_atomic_file_commit(&file, error);
    }
  }
  free(path);
  return status;
}
