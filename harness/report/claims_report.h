/* Reports of the claims ledger: what was claimed, what was measured, and the verdict; of one run or
 * of several, each on a model of its own. */
#ifndef DYNO_HARNESS_REPORT_CLAIMS_REPORT_H
#define DYNO_HARNESS_REPORT_CLAIMS_REPORT_H

#include <stdio.h>

#include "harness/report/claims_results.h"

enum { DYNO_CLAIMS_MOST_RUNS = 8 };

typedef struct dyno_claims_report {
  const dyno_claims *claims;
  const dyno_claims_run *runs; /* [count] */
  size_t count;
  const char *plot; /* what Markdown shows as a picture, relative to it; NULL: none */
} dyno_claims_report;

typedef dyno_status dyno_claims_writer(const dyno_claims_report *report, FILE *stream,
                                       dyno_error *error);

dyno_claims_writer dyno_claims_report_table, dyno_claims_report_json, dyno_claims_report_md;

/* The ledger itself: what each claim is tested by. */
dyno_status dyno_claims_list(const dyno_claims *claims, FILE *stream, dyno_error *error);

/* Rows for plots/claims.gp; *rows is how many there are. */
dyno_status dyno_claims_report_plot(size_t *rows, const dyno_claims_report *report, FILE *stream,
                                    dyno_error *error);

#endif
