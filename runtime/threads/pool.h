/* A pool of threads that run the same task on parts of the same work. */
#ifndef DYNO_RUNTIME_THREADS_POOL_H
#define DYNO_RUNTIME_THREADS_POOL_H

#include <stddef.h>

#include "kernels/base/status.h"

typedef struct dyno_pool dyno_pool;

/* Called once per thread, with thread from 0 to threads - 1. */
typedef void dyno_pool_task(void *context, unsigned thread, unsigned threads);

/* Starts threads - 1 workers; the caller of dyno_pool_run is thread 0. Workers are pinned, one to
 * a processor of the affinity mask, when there are enough processors; the caller never is. MEMORY
 * or UNAVAILABLE when a thread cannot be started; then *pool is NULL. */
dyno_status dyno_pool_open(dyno_pool **pool, unsigned threads, dyno_error *error);

/* Ends the workers. Sets *pool to NULL; NULL is fine. */
void dyno_pool_close(dyno_pool **pool);

unsigned dyno_pool_threads(const dyno_pool *pool);

/* Runs the task on all threads and returns when every one is through. What the caller wrote
 * before is visible to the task, and what the task wrote is visible afterwards. One run at a
 * time; not reentrant. Waiting threads spin for some microseconds, then sleep. */
void dyno_pool_run(dyno_pool *pool, dyno_pool_task *task, void *context);

/* The part [*begin, *end) of rows 0 to rows - 1 that a thread takes: contiguous, nearly equal
 * parts that start at multiples of granule. */
void dyno_partition(size_t *begin, size_t *end, size_t rows, size_t granule, unsigned thread,
                    unsigned threads);

#endif
