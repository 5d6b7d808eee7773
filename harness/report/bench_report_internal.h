/* What dyno_bench_report writes, each from a summary to a stream. */
#ifndef DYNO_HARNESS_REPORT_BENCH_REPORT_INTERNAL_H
#define DYNO_HARNESS_REPORT_BENCH_REPORT_INTERNAL_H

#include <stdio.h>

#include "harness/report/bench_summary.h"

#define DYNO_BENCH_STEADY_TEXT 192

/* Why a case is called steady or not, in a sentence. */
void dyno_bench_describe_steadiness(char text[DYNO_BENCH_STEADY_TEXT],
                                    const dyno_bench_case_summary *summary);

/* What stands below every projection. */
#define DYNO_BENCH_ASSUMPTIONS                                                                     \
  "a plain read reaches 80 % of the memory's peak; each socket reads its own half of the "         \
  "weights; "                                                                                      \
  "arithmetic keeps up"

/* IO or MEMORY. */
typedef dyno_status dyno_bench_writer(const dyno_bench_summary *summary, FILE *stream,
                                      dyno_error *error);

dyno_bench_writer dyno_bench_write_json;     /* summary.json */
dyno_bench_writer dyno_bench_write_tables;   /* for a terminal of 100 columns */
dyno_bench_writer dyno_bench_write_markdown; /* report.md */

#endif
