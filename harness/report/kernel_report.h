/* What `dyno kernels bench` found, as a table for people, CSV for spreadsheets and plots, and JSON
 * for programs. Every number has its conditions beside it. */
#ifndef DYNO_HARNESS_REPORT_KERNEL_REPORT_H
#define DYNO_HARNESS_REPORT_KERNEL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "harness/measure/host.h"
#include "harness/measure/kernel_bench.h"
#include "harness/measure/shapes.h"

typedef struct dyno_report_row {
  const char *label; /* of the shape; "" when it has none */
  dyno_bench_result result;
} dyno_report_row;

/* What was not measured, and why. */
typedef struct dyno_report_gap {
  const dyno_kernel *kernel; /* NULL: nothing for the whole problem */
  dyno_problem problem;
  dyno_bench_condition condition; /* COUNT: all */
  char reason[DYNO_REASON_TEXT];
} dyno_report_gap;

/* Zero-initialise; the caller sets the members up to `seconds`. */
typedef struct dyno_kernel_report {
  const dyno_registry *registry;
  dyno_bench_options options;
  int cpu;                   /* that thread 0 stayed on */
  size_t cache;              /* bytes of the largest cache */
  char started[32];          /* UTC, ISO 8601 */
  char host[DYNO_HOST_NAME]; /* the machine's name */
  bool interrupted;          /* by the user, before the end */
  double seconds;            /* that it all took */

  dyno_report_row *rows; /* owned, as the next ones */
  size_t row_count;
  dyno_report_gap *gaps;
  size_t gap_count;
} dyno_kernel_report;

/* Sets started, host, cpu and cache. */
void dyno_kernel_report_begin(dyno_kernel_report *report, const dyno_registry *registry,
                              const dyno_bench_options *options, const dyno_bench *bench);

/* Adds rows [count], all of one shape and condition. MEMORY. The label must outlive the report. */
dyno_status dyno_kernel_report_add(dyno_kernel_report *report, const char *label,
                                   const dyno_bench_result *results, size_t count,
                                   dyno_error *error);

/* Adds a gap; one that has the same variant and reason as an earlier one is left out. */
dyno_status dyno_kernel_report_skip(dyno_kernel_report *report, const dyno_kernel *kernel,
                                    const dyno_problem *problem, dyno_bench_condition condition,
                                    const char *reason, dyno_error *error);

void dyno_kernel_report_free(dyno_kernel_report *report);

typedef enum dyno_report_format {
  DYNO_REPORT_TABLE,
  DYNO_REPORT_CSV,
  DYNO_REPORT_JSON,
  DYNO_REPORT_FORMAT_COUNT
} dyno_report_format;

/* "table", "csv", "json"; DYNO_REPORT_FORMAT_COUNT when unknown. */
dyno_report_format dyno_report_format_parse(const char *name);

/* The format that a file's name ends in (".csv", ".json", ".txt" for a table); otherwise the
 * given one. */
dyno_report_format dyno_report_format_of(const char *path, dyno_report_format otherwise);

/* Writes the report to stream. IO or MEMORY. */
dyno_status dyno_kernel_report_write(const dyno_kernel_report *report, FILE *stream,
                                     dyno_report_format format, dyno_error *error);

/* Writes it to a file that appears whole or not at all. */
dyno_status dyno_kernel_report_save(const dyno_kernel_report *report, const char *path,
                                    dyno_report_format format, dyno_error *error);

#endif
