/* What the parts of report.html share. */
#ifndef DYNO_HARNESS_REPORT_BENCH_HTML_INTERNAL_H
#define DYNO_HARNESS_REPORT_BENCH_HTML_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/report/bench_folder.h"

/* A page being written; errors are left in the stream. */
typedef struct dyno_html {
  FILE *stream;
  const dyno_bench_folder *folder;
  const char *path; /* of the results folder */
} dyno_html;

/* Sections; those for which there is nothing write nothing. */
void dyno_html_verdict(const dyno_html *page);
void dyno_html_conditions(const dyno_html *page);
void dyno_html_warnings(const dyno_html *page);
void dyno_html_cases(const dyno_html *page);
void dyno_html_components(const dyno_html *page);
void dyno_html_memory(const dyno_html *page);
void dyno_html_latency(const dyno_html *page);
void dyno_html_outliers(const dyno_html *page);
void dyno_html_counters(const dyno_html *page);
void dyno_html_texts(const dyno_html *page);
void dyno_html_kernels(const dyno_html *page);
void dyno_html_environment(const dyno_html *page);
void dyno_html_projection(const dyno_html *page);

/* A plot with its caption, from FOLDER/plots/NAME.svg; nothing when it is not there. */
void dyno_html_plot(const dyno_html *page, const char *name);

/* Writes an SVG of gnuplot's into a page: without its prologue, its ids prefixed, because a page
 * has many, and its inks in the page's colours, so that it can be dark. */
void dyno_html_svg(FILE *stream, const char *svg, const char *prefix);

/* ---- tables ---- */

/* Begins a table: a title above each column; one that begins with '>' is of numbers. */
void dyno_html_table_begin(FILE *stream, const char *const *columns, size_t count);
void dyno_html_table_end(FILE *stream);

/* Cells, within a row that the caller writes. */
void dyno_html_text(FILE *stream, const char *text); /* NULL: a dash */
void dyno_html_number(FILE *stream, double value);   /* NaN: a dash */
void dyno_html_count(FILE *stream, double value);    /* likewise */
void dyno_html_seconds(FILE *stream, double nanoseconds);
void dyno_html_bytes(FILE *stream, double bytes);
void dyno_html_share(FILE *stream, double share);

#endif
