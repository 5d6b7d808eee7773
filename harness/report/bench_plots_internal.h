/* What the parts of bench_plots.c share: each plot's data file has one writer. */
#ifndef DYNO_HARNESS_REPORT_BENCH_PLOTS_INTERNAL_H
#define DYNO_HARNESS_REPORT_BENCH_PLOTS_INTERNAL_H

#include "harness/report/bench_folder.h"
#include "harness/report/tsv.h"

typedef struct dyno_plot_source {
  const dyno_bench_results *results;
  const json_t *summary; /* summary.json */
} dyno_plot_source;

/* Writes the data of a plot; *rows says how many things there are to draw, 0 for no plot. MEMORY;
 * errors of the stream are left in it. */
typedef dyno_status dyno_plot_writer(dyno_tsv *tsv, size_t *rows, const dyno_plot_source *source,
                                     dyno_error *error);

dyno_plot_writer dyno_plot_decode, dyno_plot_tokens, dyno_plot_itl, dyno_plot_time,
    dyno_plot_roofline, dyno_plot_components, dyno_plot_memory, dyno_plot_history;

enum { DYNO_PLOT_NAME_WIDTH = 26 }; /* columns that a plot's label may take */

/* A gathered list of numbers; freed by its owner. */
typedef struct dyno_plot_values {
  double *values;
  size_t count, capacity;
} dyno_plot_values;

dyno_status dyno_plot_append(dyno_plot_values *list, double value, dyno_error *error);

#endif
