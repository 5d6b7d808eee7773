/* Reports of a gate: for people, for CI systems, and for the history of a benchmark. */
#ifndef DYNO_HARNESS_REPORT_GATE_REPORT_H
#define DYNO_HARNESS_REPORT_GATE_REPORT_H

#include <stdio.h>

#include "harness/compare/gate.h"

typedef struct dyno_gate_report {
  const dyno_gate_run *run;
  const dyno_gate_rule *rule;
  const char *base;                         /* what it was compared with, a few words */
  bool baseline;                            /* that is a stored one: second best */
  const char *described[DYNO_COMPARE_ARMS]; /* what was asked of them: "isa=avx2" */
  char started[32];                         /* UTC, RFC 3339 */
} dyno_gate_report;

typedef dyno_status dyno_gate_writer(const dyno_gate_report *report, FILE *stream,
                                     dyno_error *error);

dyno_gate_writer dyno_gate_report_table, dyno_gate_report_json;
dyno_gate_writer dyno_gate_report_md;          /* for $GITHUB_STEP_SUMMARY */
dyno_gate_writer dyno_gate_report_annotations; /* GitHub's workflow commands */
dyno_gate_writer dyno_gate_report_junit;
dyno_gate_writer dyno_gate_report_benchmark; /* github-action-benchmark, customBiggerIsBetter */
dyno_gate_writer dyno_gate_report_bencher;   /* Bencher Metric Format */

#endif
