/* Everything that is derived from a run's raw files, made anew: summary.json, report.md, plots and
 * report.html, each appearing whole or not at all; and the tables that a terminal shows. */
#ifndef DYNO_HARNESS_REPORT_BENCH_REPORT_H
#define DYNO_HARNESS_REPORT_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "kernels/base/status.h"

typedef struct dyno_bench_report_options {
  FILE *tables;  /* tables for people go here; NULL: nowhere */
  FILE *json;    /* summary.json is written here as well; NULL: nowhere */
  bool no_write; /* leave the folder as it is: only tables and json */
  bool no_plots; /* neither plots nor report.html */
} dyno_bench_report_options;

/* Reads the raw files of a run, finished or not, and makes the rest. NOT_FOUND, IO, FORMAT or
 * MEMORY; what a missing plotting program prevents is a line on stderr, not an error. Not
 * thread-safe for one folder. */
dyno_status dyno_bench_report(const char *folder, const dyno_bench_report_options *options,
                              dyno_error *error);

#endif
