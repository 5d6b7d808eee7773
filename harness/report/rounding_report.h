/* What `--track-quant` prints. */
#ifndef DYNO_HARNESS_REPORT_ROUNDING_REPORT_H
#define DYNO_HARNESS_REPORT_ROUNDING_REPORT_H

#include <stdio.h>

#include "harness/measure/rounding.h"

/* A table of the layers, how many rows it is of, and what looking at them cost. */
dyno_status dyno_rounding_print(FILE *stream, const dyno_rounding *rounding, dyno_error *error);

#endif
