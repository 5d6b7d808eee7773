/* A benchmark under way: what its parts share. */
#ifndef DYNO_HARNESS_CLI_BENCH_INTERNAL_H
#define DYNO_HARNESS_CLI_BENCH_INTERNAL_H

#include <jansson.h>

#include "harness/cli/bench.h"
#include "harness/cli/bench_state.h"
#include "harness/measure/bench_counters.h"
#include "harness/measure/energy.h"
#include "harness/measure/environment.h"
#include "harness/measure/interference.h"
#include "harness/measure/memory_sampler.h"
#include "harness/measure/rounding.h"
#include "harness/report/progress.h"
#include "harness/report/results_log.h"
#include "harness/report/results_manifest.h"

typedef struct dyno_bench {
  dyno_bench_plan *plan;
  dyno_results_folder folder;
  json_t *manifest;
  dyno_bench_model model;
  dyno_bench_works works;
  dyno_bench_state state;
  dyno_engine_ceilings ceilings;
  double event_seconds;
  dyno_results_log samples, ops, counters, texts;
  dyno_bench_counter_plan counted;
  dyno_interference_meter disturbances;
  dyno_energy_meter energy;
  dyno_environment environment;
  dyno_memory_sampler *memory;
  dyno_rounding rounding; /* where --track-quant asks for it */
  uint64_t *intervals;    /* of the longest answer */
  dyno_progress bar;
  double done;    /* effort, of the progress */
  double *rates;  /* [cases]; the last decode's tokens per second */
  char label[96]; /* of what is under way */
  const dyno_bench_work *current;
  uint64_t reads;
} dyno_bench;

/* Folder, model, budget, manifest and files: all that has to be there before anything is measured,
 * and whatever is wrong with them. */
dyno_status dyno_bench_prepare(dyno_bench *b, dyno_error *error);

/* Everything that is left to measure, with a progress bar. */
dyno_status dyno_bench_measure(dyno_bench *b, dyno_error *error);

/* A canary: reads some of the weights' pages with all threads, and with one; and its bytes/s, NaN
 * when nothing was read. */
dyno_read_sample dyno_bench_read(dyno_bench *b, dyno_read_sample *one);
double dyno_bench_read_rate(dyno_read_sample sample);

/* INTERRUPTED. */
dyno_status dyno_bench_stopped(dyno_error *error);

#endif
