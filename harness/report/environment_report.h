/* What the environment is, as a table or JSON. */
#ifndef DYNO_HARNESS_REPORT_ENVIRONMENT_REPORT_H
#define DYNO_HARNESS_REPORT_ENVIRONMENT_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "harness/measure/environment.h"

/* A list of objects with name, value, severity, why and advice (null: none), as in manifest.json;
 * to be released by the caller. NULL when out of memory. */
json_t *dyno_environment_json(const dyno_environment *environment);

/* A table of names and values, then, the worst first, what could be better, why it matters and
 * what mends it. MEMORY, or IO. */
dyno_status dyno_environment_print(const dyno_environment *environment, FILE *stream,
                                   dyno_error *error);

#endif
