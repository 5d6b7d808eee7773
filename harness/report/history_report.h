/* The history of results as people and programs read it. */
#ifndef DYNO_HARNESS_REPORT_HISTORY_REPORT_H
#define DYNO_HARNESS_REPORT_HISTORY_REPORT_H

#include <stdio.h>

#include "harness/report/history.h"

/* "bench of mini on host (processor), 2 threads, avx2", with what else tells the group from the
 * others; to be freed, NULL when out of memory. */
char *dyno_history_group_title(const dyno_history *history, size_t group);

/* Tables, and what was left out. IO, MEMORY. */
dyno_status dyno_history_report_table(const dyno_history *history, FILE *stream, dyno_error *error);
dyno_status dyno_history_report_json(const dyno_history *history, FILE *stream, dyno_error *error);

/* A group's data for plots/changes.gp. IO. */
dyno_status dyno_history_report_tsv(const dyno_history *history, size_t group, FILE *stream,
                                    dyno_error *error);

#endif
