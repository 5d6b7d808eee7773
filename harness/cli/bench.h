/* `dyno bench`: what its options ask for, and the run that follows from it. */
#ifndef DYNO_HARNESS_CLI_BENCH_H
#define DYNO_HARNESS_CLI_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/cli/engine_options.h"
#include "harness/measure/bench_budget.h"
#include "harness/measure/cases.h"

typedef struct dyno_bench_plan {
  dyno_engine_arguments engine;
  const char *profile, *preset; /* names; preset may be NULL */
  dyno_bench_extent extent;
  uint64_t seed;
  double budget_seconds;       /* 0: none */
  const char *output, *resume; /* the folder of folders, or NULL, and the run to go on with */
  const char *counters;        /* what --counters says, or NULL */
  dyno_testcases cases;
  int argc; /* the command line, for the manifest */
  char **argv;
  size_t read_bytes; /* of the weights, in a canary */
  bool track;        /* look at activations in measured iterations, too */
} dyno_bench_plan;

/* Runs it, writes its files and reports. Everything but WRONG_OUTPUT and INTERRUPTED leaves files
 * that --resume goes on from, or none at all; so do these. */
dyno_status dyno_bench_execute(dyno_bench_plan *plan, dyno_error *error);

#endif
