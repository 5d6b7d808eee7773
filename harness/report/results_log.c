#include "config.h"

#include "harness/report/results_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/text/buffer.h"

static dyno_status cannot_write(const dyno_results_log *log, int reason, dyno_error *error)
{
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
    return dyno_fail(error, DYNO_ERROR_IO,
                     "%s: %s. What was measured so far is safe: make room and go on with\n"
                     "  %s %s",
                     log->path, strerror(reason), log->go_on, log->folder);
  return dyno_fail(error, DYNO_ERROR_IO,
                   "%s: it could not be written: %s. What was measured so far is safe; go on with\n"
                   "  %s %s",
                   log->path, strerror(reason), log->go_on, log->folder);
}

/* Shows the lines of an earlier run, and finds where the file may end. */
static dyno_status read_lines(dyno_results_log *log, dyno_results_visit *visit, void *context,
                              dyno_error *error)
{
  char *text = NULL;
  size_t room = 0, number = 0;
  ssize_t length;
  off_t at = 0;
  dyno_status status = DYNO_OK;
  int copy = dup(log->file);
  FILE *file = copy >= 0 ? fdopen(copy, "r") : NULL;
  if (file == NULL) {
    if (copy >= 0)
      close(copy);
    return dyno_fail(error, DYNO_ERROR_IO, "%s: it could not be read: %m", log->path);
  }
  while (status == DYNO_OK && (length = getline(&text, &room, file)) > 0 &&
         text[length - 1] == '\n') {
    json_error_t reason;
    json_t *line = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &reason);
    number++;
    at += length;
    if (!json_is_object(line))
      status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %zu: %s", log->path, number,
                         line == NULL ? reason.text : "an object is wanted");
    else if (visit == NULL || visit(context, line))
      log->end = at;
    json_decref(line);
  }
  if (status == DYNO_OK && ferror(file) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: it could not be read: %m", log->path);
  free(text);
  fclose(file);
  return status;
}

dyno_status dyno_results_log_open(dyno_results_log *log, const dyno_results_folder *folder,
                                  const char *name, const char *go_on, dyno_results_visit *visit,
                                  void *context, dyno_error *error)
{
  *log = (dyno_results_log){.file = -1, .folder = folder->path, .go_on = go_on};
  if (asprintf(&log->path, "%s/%s", folder->path, name) < 0) {
    log->path = NULL;
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  }
  log->file = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log->file < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: it cannot be opened: %m", log->path);
  dyno_status status = read_lines(log, visit, context, error);
  if (status == DYNO_OK && ftruncate(log->file, log->end) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: its end could not be cut off: %m", log->path);
  if (status == DYNO_OK && fsync(folder->descriptor) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: it could not be synced: %m", folder->path);
  return status;
}

void dyno_results_log_close(dyno_results_log *log)
{
  if (log->path == NULL)
    return;
  if (log->file >= 0)
    close(log->file);
  free(log->path);
  *log = (dyno_results_log){.file = -1};
}

static int add_text(const char *text, size_t count, void *context)
{
  return dyno_bytes_append(context, text, count, NULL) == DYNO_OK ? 0 : -1;
}

/* Returns 0 or the reason. */
static int write_all(int file, const char *text, size_t count)
{
  while (count > 0) {
    ssize_t written = write(file, text, count);
    if (written < 0 && errno != EINTR)
      return errno;
    if (written > 0) {
      text += written;
      count -= (size_t)written;
    }
  }
  return fsync(file) == 0 ? 0 : errno;
}

dyno_status dyno_results_log_append(dyno_results_log *log, const json_t *lines, dyno_error *error)
{
  dyno_bytes text = {0};
  const json_t *line;
  size_t i;
  int reason = 0;
  json_array_foreach (lines, i, line) {
    if (json_dump_callback(line, add_text, &text, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0 ||
        dyno_bytes_append(&text, "\n", 1, NULL) != DYNO_OK)
      reason = ENOMEM;
  }
  if (reason == 0)
    reason = write_all(log->file, text.data, text.count);
  if (reason == 0)
    log->end += (off_t)text.count;
  else if (ftruncate(log->file, log->end) != 0)
    reason = errno;
  dyno_bytes_free(&text);
  return reason == 0 ? DYNO_OK : cannot_write(log, reason, error);
}
