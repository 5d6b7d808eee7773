/* An append-only file of JSON lines that survives whatever ends the program: a line is written
 * whole and synced before the call returns, or it is not there. */
#ifndef DYNO_HARNESS_REPORT_RESULTS_LOG_H
#define DYNO_HARNESS_REPORT_RESULTS_LOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "harness/report/results_folder.h"

typedef struct dyno_results_log {
  int file;                   /* -1: closed */
  char *path;                 /* owned */
  const char *folder, *go_on; /* what to type when the disk was full: go_on, then the folder */
  off_t end;                  /* of the last whole entry */
} dyno_results_log;

#define DYNO_GO_ON_WITH_BENCH "dyno bench --resume"
#define DYNO_GO_ON_WITH_CLAIMS "the same command, and --folder"

/* Called with each line of an earlier run, an object; true when the file may end behind it, false
 * within a group of lines that only counts when it is whole. */
typedef bool dyno_results_visit(void *context, const json_t *line);

/* Opens FOLDER/NAME and shows the lines that are there to visit, which may be NULL. What a crash
 * left behind the last line at which the file may end is cut off. go_on is what goes on with a run
 * when the folder is put behind it (DYNO_GO_ON_WITH_BENCH). It and the folder must outlive the log.
 * IO, MEMORY; FORMAT, naming file and line, when a line is no object. */
dyno_status dyno_results_log_open(dyno_results_log *log, const dyno_results_folder *folder,
                                  const char *name, const char *go_on, dyno_results_visit *visit,
                                  void *context, dyno_error *error);

/* Closes; a zero-initialised or closed one is fine. */
void dyno_results_log_close(dyno_results_log *log);

/* Appends the objects of an array, a line each, and syncs. When that fails (IO, MEMORY) nothing of
 * them stays in the file, and the message says how to go on. */
dyno_status dyno_results_log_append(dyno_results_log *log, const json_t *lines, dyno_error *error);

#endif
