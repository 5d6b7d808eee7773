/* manifest.json: what was run, on what; and whether a later run is the same one. */
#ifndef DYNO_HARNESS_REPORT_RESULTS_MANIFEST_H
#define DYNO_HARNESS_REPORT_RESULTS_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>

#include "harness/measure/bench_model.h"
#include "harness/measure/engine_ceilings.h"
#include "harness/measure/environment.h"

/* What the manifest's "protocol" is made of. */
typedef struct dyno_results_protocol {
  const char *profile;
  size_t warmup, iterations;
  uint64_t seed;
  double budget_seconds;       /* NaN: none */
  const char *preset;          /* NULL: none */
  const char *const *counters; /* [counter_count]; names */
  size_t counter_count;
  double scale; /* of the answers' lengths: 1 unless the budget or profile asks for less */
  bool texts;
  bool tracked; /* --track-quant: iterations were looked at on their way */
} dyno_results_protocol;

typedef struct dyno_results_facts {
  const char *id;
  int argc;
  char *const *argv;
  const char *model; /* as asked for */
  const dyno_engine_options *options;
  dyno_engine *engine;
  const dyno_testcases *cases;
  const dyno_bench_works *works;
  const dyno_engine_ceilings *ceilings;
  double read_one, read_all;           /* bytes/s */
  const dyno_environment *environment; /* NULL: not looked at */
  dyno_results_protocol protocol;
} dyno_results_facts;

/* A new manifest that began now and is not finished. IO, MEMORY. */
dyno_status dyno_results_manifest_make(json_t **manifest, const dyno_results_facts *facts,
                                       dyno_error *error);

/* The time now, as RFC 3339 has it, in UTC, with milliseconds. */
void dyno_results_format_now(char text[32]);

/* USAGE, naming the first field that differs and both values, unless a run with `now` would
 * measure the same as that of `then`. */
dyno_status dyno_results_manifest_same(const json_t *then, const json_t *now, dyno_error *error);

/* What the engine's caches came to; JSON null without any. NULL: out of memory. */
json_t *dyno_results_cache(const dyno_engine *engine);

#endif
