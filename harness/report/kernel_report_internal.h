/* The formats of a kernel report, one file each. */
#ifndef DYNO_HARNESS_REPORT_KERNEL_REPORT_INTERNAL_H
#define DYNO_HARNESS_REPORT_KERNEL_REPORT_INTERNAL_H

#include "harness/report/kernel_report.h"

/* "-" stands for none. */
const char *dyno_report_layout_name(const dyno_kernel *kernel);

/* "memory" or "compute": the ceiling that takes longer. */
const char *dyno_report_limit_name(const dyno_bench_result *result);

dyno_status dyno_kernel_report_table(const dyno_kernel_report *report, FILE *stream,
                                     dyno_error *error);
dyno_status dyno_kernel_report_csv(const dyno_kernel_report *report, FILE *stream,
                                   dyno_error *error);
dyno_status dyno_kernel_report_json(const dyno_kernel_report *report, FILE *stream,
                                    dyno_error *error);

#endif
