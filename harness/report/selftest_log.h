/* What trials of the gate came to: kept line by line, so that a campaign can be stopped, killed and
 * gone on with, and read back as a table of cells. */
#ifndef DYNO_HARNESS_REPORT_SELFTEST_LOG_H
#define DYNO_HARNESS_REPORT_SELFTEST_LOG_H

#include <stdio.h>

#include "harness/compare/selftest.h"

/* What has to be the same for trials to be one sample. */
typedef struct dyno_selftest_conditions {
  char label[64]; /* what the user says of the machine's state: "shared", "" */
  char host[65], processor[64];
  char model[64];     /* as asked for */
  char settings[256]; /* tokens, cases, rule, threads and switches */
} dyno_selftest_conditions;

typedef struct dyno_selftest_entry {
  dyno_selftest_conditions conditions;
  char started[32]; /* UTC, RFC 3339; when it ended, less its seconds, is about the same */
  dyno_selftest_trial trial;
} dyno_selftest_entry;

typedef struct dyno_selftest_log {
  dyno_selftest_entry *entries; /* owned */
  size_t count;
} dyno_selftest_log;

/* Reads a file of JSON lines; what is no file has no entries. A last line without an end, which a
 * crash cut off, is left out, and *sound is how many bytes stand before it. IO; FORMAT, naming the
 * line; MEMORY. The log is to be freed in any case. */
dyno_status dyno_selftest_log_read(dyno_selftest_log *log, const char *path, long *sound,
                                   dyno_error *error);

/* Adds an entry to the log and, unless stream is NULL, as a line to the stream, synced. IO, MEMORY.
 */
dyno_status dyno_selftest_log_add(dyno_selftest_log *log, FILE *stream,
                                  const dyno_selftest_entry *entry, dyno_error *error);

/* Trials of these conditions, drop and load. */
size_t dyno_selftest_log_count(const dyno_selftest_log *log,
                               const dyno_selftest_conditions *conditions, double drop,
                               bool loaded);

void dyno_selftest_log_free(dyno_selftest_log *log);

/* Trials of one drop under one load and the same conditions. */
typedef struct dyno_selftest_cell {
  const dyno_selftest_entry *first; /* of the log */
  size_t trials, verdicts[DYNO_GATE_VERDICT_COUNT];
  dyno_interval regressions; /* 95 % of their share: Wilson's */
  double mean_rounds, mean_seconds, median_sigma;
  const dyno_selftest_entry *unmeasured; /* the last error; NULL: none */
} dyno_selftest_cell;

/* The cells of a log, owned by the caller, by conditions, drop and load. MEMORY. */
dyno_status dyno_selftest_cells(dyno_selftest_cell **cells, size_t *count,
                                const dyno_selftest_log *log, dyno_error *error);

/* IO, MEMORY. */
dyno_status dyno_selftest_table(const dyno_selftest_cell *cells, size_t count, bool markdown,
                                FILE *stream, dyno_error *error);
dyno_status dyno_selftest_json(const dyno_selftest_cell *cells, size_t count, FILE *stream,
                               dyno_error *error);

#endif
