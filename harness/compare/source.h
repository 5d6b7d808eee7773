/* Pairs of arms: two engines in this process, or two workers. */
#ifndef DYNO_HARNESS_COMPARE_SOURCE_H
#define DYNO_HARNESS_COMPARE_SOURCE_H

#include "harness/compare/compare.h"
#include "harness/compare/worker.h"

/* What each arm is; everything belongs to the caller and has to outlive the source. */
typedef struct dyno_local_arms {
  const dyno_engine_options *engines[DYNO_COMPARE_ARMS];
  double slowdown[DYNO_COMPARE_ARMS];
} dyno_local_arms;

/* Engines in this process. B shares A's file, and its weights where the layouts are the same;
 * UNAVAILABLE when what it needs of its own does not fit into memory. */
dyno_compare_source dyno_compare_local(const dyno_local_arms *arms);

/* The same, each a worker of its own program: two builds, or one. */
typedef struct dyno_worker_arms {
  const char *programs[DYNO_COMPARE_ARMS];
  const dyno_settings *settings[DYNO_COMPARE_ARMS];
  double slowdown[DYNO_COMPARE_ARMS];
  double seconds; /* for an answer */
  const volatile sig_atomic_t *stop;
} dyno_worker_arms;

/* Two processes over the same files, which the system keeps in memory once. */
dyno_compare_source dyno_compare_workers(const dyno_worker_arms *arms);

#endif
