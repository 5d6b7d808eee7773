/* Many results of one machine and model, in the order of time: speeds, and where they changed.
 *
 * Runs are only ever held against runs under the same conditions: kind of result, host, processor,
 * model, threads, tier, every switch and every case's content. */
#ifndef DYNO_HARNESS_REPORT_HISTORY_H
#define DYNO_HARNESS_REPORT_HISTORY_H

#include <jansson.h>
#include <stdbool.h>

#include "harness/measure/statistics_changes.h"

typedef struct dyno_history_run {
  char *path;
  char *started; /* UTC, RFC 3339 */
  char *commit;  /* "" when it is not known */
  bool dirty;    /* files differed from that commit */
  json_t *conditions;
  json_t *rates; /* tokens per second by the case's name, "geometric mean" last */
} dyno_history_run;

/* What is no result, or an unfinished one. */
typedef struct dyno_history_left_out {
  char *path, *reason;
} dyno_history_left_out;

typedef struct dyno_history_series {
  const char *name;
  size_t *runs;   /* [count], indices into the group's */
  double *values; /* [count], tokens per second */
  size_t count;
  dyno_change *changes; /* [change_count]; `first` is an index into these values */
  size_t change_count;
} dyno_history_series;

/* Runs under the same conditions, the earliest first. */
typedef struct dyno_history_group {
  const json_t *conditions; /* of its runs */
  const dyno_history_run **runs;
  size_t run_count;
  dyno_history_series *series; /* the cases, and their geometric mean */
  size_t series_count;
} dyno_history_group;

typedef struct dyno_history_options {
  const char *metric; /* "decode_tps", "prefill_tps" or "overall_tps": a median of iterations */
  size_t last;        /* runs of a group that are looked at, at most DYNO_CHANGES_MOST_VALUES */
  dyno_changes_options changes;
} dyno_history_options;

#define DYNO_HISTORY_DEFAULTS                                                                      \
  ((dyno_history_options){.metric = "decode_tps", .last = 200, .changes = DYNO_CHANGES_DEFAULTS})

/* All of it is owned. */
typedef struct dyno_history {
  dyno_history_options options;
  dyno_history_run *runs;
  size_t run_count;
  dyno_history_left_out *left_out;
  size_t left_out_count;
  dyno_history_group *groups;
  size_t group_count;
} dyno_history;

/* Adds results: the folder of a benchmark, a file that `dyno gate -o` wrote, or a folder that holds
 * such, in which whatever cannot be used is left out with a reason. NOT_FOUND, IO, FORMAT, MEMORY.
 */
dyno_status dyno_history_read(dyno_history *history, const char *path, dyno_error *error);

/* Sorts the runs into groups and looks for changes, in the logarithms of the speeds. Once, after
 * all was read. MEMORY. */
dyno_status dyno_history_analyse(dyno_history *history, dyno_error *error);

void dyno_history_free(dyno_history *history);

/* Whether the runs on both sides of a change are of one commit, without other files: then it is
 * the machine that changed, or how it was set. */
bool dyno_history_same_commit(const dyno_history_group *group, const dyno_history_series *series,
                              const dyno_change *change);

#endif
