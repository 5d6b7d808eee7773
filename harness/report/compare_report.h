/* Reports of a comparison: a table for people, JSON for programs, Markdown for pages. */
#ifndef DYNO_HARNESS_REPORT_COMPARE_REPORT_H
#define DYNO_HARNESS_REPORT_COMPARE_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "harness/compare/result.h"

typedef struct dyno_compare_report {
  const dyno_comparison *comparison;
  const dyno_compare_result *result;
  const char *described[DYNO_COMPARE_ARMS]; /* what the arms were asked to be */
  const char *host;                         /* processor and kernel, a line */
} dyno_compare_report;

typedef dyno_status dyno_compare_writer(const dyno_compare_report *report, FILE *stream,
                                        dyno_error *error);

dyno_compare_writer dyno_compare_report_table, dyno_compare_report_json, dyno_compare_report_md;

/* Rows for plots/forest.gp: name, ratio, low, high, and the same of the control. */
dyno_compare_writer dyno_compare_report_forest;

/* Parts that reports of other verbs have too; a new reference. */
json_t *dyno_estimate_json(const dyno_estimate *estimate);
json_t *dyno_compare_outputs_json(const dyno_compare_outputs *outputs);
json_t *dyno_arm_facts_json(const dyno_arm_facts *facts, const char *label, const char *described);
json_t *dyno_explanation_json(const dyno_explanation *explanation);
json_t *dyno_compare_json(const dyno_compare_report *report);

/* NaN and infinities become null. */
json_t *dyno_json_number(double value);

/* A change in percent with its sign, "+1.24 %"; "n/a" for NaN. text has 32 bytes. */
void dyno_format_change(char text[32], double ratio);

/* The explanation's sentences: "82 % of it in moe_gate_up; bytes unchanged". */
void dyno_explanation_print(const dyno_explanation *explanation, FILE *stream, const char *indent);

#endif
