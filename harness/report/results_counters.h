/* The lines of counters.jsonl. */
#ifndef DYNO_HARNESS_REPORT_RESULTS_COUNTERS_H
#define DYNO_HARNESS_REPORT_RESULTS_COUNTERS_H

#include <jansson.h>
#include <stdbool.h>

#include "harness/measure/bench_counters.h"

/* A new array with a line for each count, of which there is at least one; the last one tells that
 * the case is complete. NULL when out of memory. */
json_t *dyno_results_counter_lines(const char *case_name, const dyno_bench_counts *counts);

/* Whether a line is such a last one. */
bool dyno_results_counters_end(const json_t *line);

#endif
