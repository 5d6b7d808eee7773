/* What `dyno cache` was asked for. */
#ifndef DYNO_HARNESS_CLI_CACHE_H
#define DYNO_HARNESS_CLI_CACHE_H

#include "harness/cli/engine_options.h"
#include "harness/report/cache_report.h"

typedef struct dyno_cache_arguments {
  dyno_engine_arguments engine;
  const char *trace, *csv, *plot;
  size_t requests, context, prefix, rounds; /* 0: what the trace or the model says */
  bool compare, simulate, json;
} dyno_cache_arguments;

#endif
