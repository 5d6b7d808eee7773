/* Shared between the files that read a benchmark's results, and no one else. */
#ifndef DYNO_HARNESS_REPORT_BENCH_RESULTS_INTERNAL_H
#define DYNO_HARNESS_REPORT_BENCH_RESULTS_INTERNAL_H

#include "harness/report/bench_fields.h"
#include "harness/report/bench_results.h"

/* Reads the fields of a manifest; errors are the record's. */
void dyno_bench_read_manifest(dyno_bench_manifest *manifest, dyno_bench_record *record);

/* Reads a line of a file into the results; errors are the record's. */
typedef void dyno_bench_line_reader(dyno_bench_results *results, dyno_bench_record *record);

dyno_bench_line_reader dyno_bench_read_sample;
dyno_bench_line_reader dyno_bench_read_op;
dyno_bench_line_reader dyno_bench_read_counter;
dyno_bench_line_reader dyno_bench_read_memory;
dyno_bench_line_reader dyno_bench_read_text;

#endif
