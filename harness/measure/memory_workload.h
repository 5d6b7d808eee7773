/* A seeded workload of sequences that are opened, filled, decoded and closed, to see what memory it
 * takes. */
#ifndef DYNO_HARNESS_MEASURE_MEMORY_WORKLOAD_H
#define DYNO_HARNESS_MEASURE_MEMORY_WORKLOAD_H

#include <signal.h>

#include "harness/measure/memory_account.h"

typedef struct dyno_memory_workload {
  size_t requests, open;        /* in all, and at once; at least 1 */
  size_t prompt_tokens, tokens; /* of a request: read, and decoded then */
  uint64_t seed;
  const volatile sig_atomic_t *stop; /* not 0: no more requests; may be NULL */
  /* Called after each request. May be NULL. */
  void (*progress)(void *context, size_t done);
  void *progress_context;
} dyno_memory_workload;

/* Runs it, with random tokens. A single request has the lengths as given, of several each has
 * random ones from a quarter of these up. The last ones stay open until the account was taken.
 * USAGE when the model's context does not hold a request. */
dyno_status dyno_memory_workload_run(dyno_memory_account *account, dyno_engine *engine,
                                     const dyno_memory_workload *workload, dyno_error *error);

#endif
