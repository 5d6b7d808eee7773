/* What `dyno quality` prints: tables for people, one JSON object for programs. */
#ifndef DYNO_HARNESS_REPORT_QUALITY_REPORT_H
#define DYNO_HARNESS_REPORT_QUALITY_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "harness/measure/divergence.h"
#include "harness/measure/quality.h"

/* The conditions under which the figures were made. */
typedef struct dyno_quality_conditions {
  const char *model;    /* its path */
  const char *compared; /* "reference", "fast": the path of the figures */
  dyno_parts ablated;
} dyno_quality_conditions;

dyno_status dyno_quality_print(FILE *stream, const dyno_quality_conditions *conditions,
                               const dyno_quality *quality, dyno_error *error);
dyno_status dyno_divergence_print(FILE *stream, const dyno_quality_conditions *conditions,
                                  const dyno_divergence *divergence, dyno_error *error);

/* NULL when out of memory; the caller's to json_decref. */
json_t *dyno_quality_json(const dyno_quality_conditions *conditions, const dyno_quality *quality);
json_t *dyno_divergence_json(const dyno_quality_conditions *conditions,
                             const dyno_divergence *divergence);

/* Up to `most` wrong answers of each family, with what was expected. */
void dyno_quality_print_failures(FILE *stream, const dyno_quality *quality, const dyno_items *items,
                                 size_t most);

#endif
