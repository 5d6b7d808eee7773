/* Speeds that were stored, to compare with later: second best, because a machine is never the same
 * twice. */
#ifndef DYNO_HARNESS_COMPARE_BASELINE_H
#define DYNO_HARNESS_COMPARE_BASELINE_H

#include <jansson.h>

#include "harness/compare/compare.h"

typedef struct dyno_baseline {
  json_t *root; /* owned */
} dyno_baseline;

/* Writes the seconds of a step of arm B, case by case, with the host and the conditions. Replaces
 * the file whole. */
dyno_status dyno_baseline_write(const dyno_comparison *comparison, const char *path,
                                dyno_error *error);

/* NOT_FOUND, FORMAT. On failure *baseline is empty. */
dyno_status dyno_baseline_read(dyno_baseline *baseline, const char *path, dyno_error *error);

/* Whether it can be compared with: the same host, model, tier, threads, switches and
 * cases. UNAVAILABLE,
 * saying what differs. */
dyno_status dyno_baseline_check(const dyno_baseline *baseline, const dyno_comparison *comparison,
                                dyno_error *error);

/* Seconds of a step of a case, a median of rounds; NaN when it has none. */
double dyno_baseline_seconds(const dyno_baseline *baseline, const char *name);

void dyno_baseline_free(dyno_baseline *baseline);

#endif
