/* The plots of a benchmark: data files for gnuplot, and what gnuplot makes of them.
 *
 * gnuplot runs as a process of its own, without a shell, in the results folder, on the scripts
 * that come with dyno in plots/. Every script can be run again by hand on the data it got:
 *
 *   cd FOLDER && gnuplot -c .../plots/decode.gp plots/data/decode.tsv plots/decode */
#ifndef DYNO_HARNESS_REPORT_BENCH_PLOTS_H
#define DYNO_HARNESS_REPORT_BENCH_PLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "kernels/base/status.h"

typedef struct dyno_bench_plot {
  const char *name;    /* of its files: plots/NAME.svg, plots/NAME.png, plots/data/NAME.tsv */
  const char *title;   /* a heading */
  const char *caption; /* how to read it, a sentence or two */
} dyno_bench_plot;

/* The plots there are, in the order to show them, from 0; NULL beyond the last. Of a given folder
 * some may be missing: those for which nothing was measured. */
const dyno_bench_plot *dyno_bench_plot_at(size_t index);

/* Draws the plots of a results folder, as far as its files have the data: summary.json and
 * manifest.json must be there. Without gnuplot only the data files are written, and a note that
 * says so goes to notes; so do gnuplot's complaints. A plot that has no data any more is removed.
 * notes may be NULL. IO and FORMAT as the files give reason; a failure of gnuplot is a note. */
dyno_status dyno_bench_plots(const char *folder, FILE *notes, dyno_error *error);

/* Draws the main ones as text on stdout, `columns` wide (at least 60), in colour or not.
 * UNAVAILABLE without gnuplot. */
dyno_status dyno_bench_plots_terminal(const char *folder, unsigned columns, bool colour,
                                      dyno_error *error);

#endif
