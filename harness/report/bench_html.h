/* report.html: a benchmark on one page that needs nothing but itself. */
#ifndef DYNO_HARNESS_REPORT_BENCH_HTML_H
#define DYNO_HARNESS_REPORT_BENCH_HTML_H

#include "kernels/base/status.h"

/* Writes FOLDER/report.html, whole or not at all, from summary.json, manifest.json, the plots that
 * are in FOLDER/plots and the raw files. All text from them is escaped. */
dyno_status dyno_bench_html(const char *folder, dyno_error *error);

#endif
