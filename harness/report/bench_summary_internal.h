/* Parts of dyno_bench_summarize. They fill in what their names say, from the results and from what
 * the parts before them filled in. */
#ifndef DYNO_HARNESS_REPORT_BENCH_SUMMARY_INTERNAL_H
#define DYNO_HARNESS_REPORT_BENCH_SUMMARY_INTERNAL_H

#include "harness/report/bench_summary.h"

/* The statistics of one case, or of all for DYNO_BENCH_NO_CASE. */
dyno_status dyno_bench_summarize_case(dyno_bench_case_summary *summary,
                                      const dyno_bench_results *results, size_t case_index,
                                      dyno_error *error);
void dyno_bench_case_summary_free(dyno_bench_case_summary *summary);

void dyno_bench_summarize_components(dyno_bench_summary *summary);
void dyno_bench_summarize_memory(dyno_bench_summary *summary);
dyno_status dyno_bench_summarize_latency(dyno_bench_summary *summary, dyno_error *error);
dyno_status dyno_bench_summarize_roofline(dyno_bench_summary *summary, dyno_error *error);

/* What decoding reads, and how much of the read ceiling that is. */
dyno_status dyno_bench_summarize_decode(dyno_bench_summary *summary, dyno_error *error);

void dyno_bench_project(dyno_bench_summary *summary);
void dyno_bench_judge(dyno_bench_summary *summary);

#endif
