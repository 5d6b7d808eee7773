/* A place where threads wait for each other. */
#ifndef DYNO_RUNTIME_THREADS_BARRIER_H
#define DYNO_RUNTIME_THREADS_BARRIER_H

#include "kernels/base/status.h"
#include "runtime/placement.h"

typedef struct dyno_barrier dyno_barrier;

/* A barrier for that many threads, at least 1, which wait as those of a pool of this kind do.
 * MEMORY, and *barrier is NULL. */
dyno_status dyno_barrier_open(dyno_barrier **barrier, unsigned threads, dyno_pool_kind kind,
                              dyno_error *error);

/* Nobody may be waiting. Sets *barrier to NULL; NULL is fine. */
void dyno_barrier_close(dyno_barrier **barrier);

/* Returns when all threads have called it, as often as this one has. What any of them wrote before
 * is visible to all of them afterwards. Of the kind that spins, waiting threads spin for about as
 * long as the parts of a pass differ, then give way to others, and at last sleep. */
void dyno_barrier_wait(dyno_barrier *barrier);

#endif
