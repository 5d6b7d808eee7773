/* The lines of a benchmark's files, as docs/results-format.md states them. Each function returns a
 * new array of lines for dyno_results_log_append, or NULL when out of memory. */
#ifndef DYNO_HARNESS_REPORT_RESULTS_LINES_H
#define DYNO_HARNESS_REPORT_RESULTS_LINES_H

#include <jansson.h>
#include <stdbool.h>

#include "harness/measure/bench_iteration.h"
#include "harness/measure/bench_ops.h"
#include "harness/measure/bench_speech.h"
#include "harness/measure/interference.h"

enum { DYNO_RESULTS_HASH_TEXT = 17 };

/* What a sample is beside its times. */
typedef struct dyno_results_sample {
  const dyno_bench_work *work;
  const dyno_bench_iteration *times;
  bool warmup;
  size_t iteration, sequence, run;
  const dyno_interference *disturbed;
  double rss_bytes, energy_joules; /* NaN: not told */
  double read_one, read_all;       /* bytes/s of the canary before it */
} dyno_results_sample;

json_t *dyno_results_sample_lines(const dyno_results_sample *sample);

/* Ops first, and the totals, that of the prefill last: with it the group is whole. */
json_t *dyno_results_ops_lines(const char *case_name, const dyno_bench_ops *ops);

json_t *dyno_results_text_lines(const dyno_bench_work *work, const dyno_bench_speech *speech);

/* 16 hexadecimal digits, as hashes stand in the files. */
void dyno_results_format_hash(char text[DYNO_RESULTS_HASH_TEXT], uint64_t hash);

/* A JSON number; null for what is not finite. */
json_t *dyno_results_number(double number);

#endif
