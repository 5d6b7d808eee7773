/* What was measured of the claims, kept in a folder: manifest.json (on what) and claims.jsonl (a
 * line for each claim, whole and synced, or not there). */
#ifndef DYNO_HARNESS_REPORT_CLAIMS_RESULTS_H
#define DYNO_HARNESS_REPORT_CLAIMS_RESULTS_H

#include <jansson.h>

#include "harness/compare/claim_rule.h"
#include "harness/report/results_log.h"
#include "runtime/engine.h"

#define DYNO_CLAIMS_FILE "claims.jsonl"

/* Everything that was measured on one model. */
typedef struct dyno_claims_run {
  json_t *manifest;           /* owned */
  const dyno_claims *claims;  /* has to outlive it */
  dyno_claim_figure *figures; /* owned [claims->count] */
} dyno_claims_run;

/* What a manifest is made of. */
typedef struct dyno_claims_conditions {
  const char *model; /* as asked for */
  const dyno_engine *engine;
  int argc;
  char *const *argv;
  double read_one, read_all; /* bytes/s; NaN where not measured */
} dyno_claims_conditions;

/* A new one that began now. IO, MEMORY. */
dyno_status dyno_claims_manifest(json_t **manifest, const dyno_claims_conditions *conditions,
                                 dyno_error *error);

/* USAGE, naming what differs, unless the same model is measured on as many threads of the same
 * processor by the same dyno. */
dyno_status dyno_claims_manifest_same(const json_t *then, const json_t *now, dyno_error *error);

/* Nothing measured yet. The manifest is the run's from then on, on failure too. MEMORY. */
dyno_status dyno_claims_run_make(dyno_claims_run *run, const dyno_claims *claims, json_t *manifest,
                                 dyno_error *error);

/* Reads a folder. NOT_FOUND, IO, FORMAT, UNAVAILABLE while another run writes there. On failure
 * *run is empty. */
dyno_status dyno_claims_run_read(dyno_claims_run *run, const dyno_claims *claims,
                                 const char *folder, dyno_error *error);

void dyno_claims_run_free(dyno_claims_run *run);

/* Visitor of dyno_results_log_open that takes in a line; context is the run. Lines of claims that
 * are not in the ledger, or stand otherwise in it now, are passed over. */
bool dyno_claims_run_add(void *run, const json_t *line);

/* The line of a claim; a new reference, NULL when out of memory. */
json_t *dyno_claims_line(const dyno_claim *claim, const dyno_claim_figure *figure);

/* Seconds that the measurements took, pairs counted once. */
double dyno_claims_run_seconds(const dyno_claims_run *run);

#endif
