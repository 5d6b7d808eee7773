/* A results folder as reports see it: the raw files and summary.json. */
#ifndef DYNO_HARNESS_REPORT_BENCH_FOLDER_H
#define DYNO_HARNESS_REPORT_BENCH_FOLDER_H

#include <jansson.h>

#include "harness/report/bench_results.h"

typedef struct dyno_bench_folder {
  dyno_bench_results *results;
  json_t *summary; /* an object */
} dyno_bench_folder;

/* Reads both. NOT_FOUND, IO, FORMAT, MEMORY; close the folder in any case. */
dyno_status dyno_bench_folder_open(dyno_bench_folder *folder, const char *path, dyno_error *error);

/* Frees and zeroes; a zeroed one is fine. */
void dyno_bench_folder_close(dyno_bench_folder *folder);

/* A number of a JSON object, NaN where it is none. */
double dyno_bench_member(const json_t *object, const char *key);

/* A text of a JSON object, NULL where it is none. */
const char *dyno_bench_member_text(const json_t *object, const char *key);

/* The summary's object of a case, NULL when there is none. */
const json_t *dyno_bench_summary_case(const json_t *summary, const char *name);

/* A case's figures of a metric ("decode_tps"), NULL when there are none. */
const json_t *dyno_bench_summary_metric(const json_t *summary, const char *case_name,
                                        const char *metric);

/* What people call a row of the guide's tables ("feed_forward": "Feed-forward"); the identifier
 * itself where it is none. */
const char *dyno_bench_row_title(const char *identifier);

#endif
