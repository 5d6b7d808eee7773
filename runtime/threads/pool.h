/* A pool of threads that run the same task on parts of the same work. */
#ifndef DYNO_RUNTIME_THREADS_POOL_H
#define DYNO_RUNTIME_THREADS_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/status.h"
#include "runtime/placement.h"
#include "runtime/threads/topology.h"

typedef struct dyno_pool dyno_pool;

/* Called once per thread, with thread from 0 to threads - 1. */
typedef void dyno_pool_task(void *context, unsigned thread, unsigned threads);

/* "spin", "mutex"; and back, DYNO_POOL_KIND_COUNT for anything else. */
const char *dyno_pool_kind_name(dyno_pool_kind kind);
dyno_pool_kind dyno_pool_kind_parse(const char *name);

typedef struct dyno_pool_options {
  unsigned threads; /* 0 counts as 1 */
  dyno_pool_kind kind;
  bool floating;                 /* leave the threads to the scheduler */
  const dyno_topology *topology; /* NULL: the system's; only looked at while opening */
} dyno_pool_options;

/* Starts threads - 1 workers; the caller of dyno_pool_run is thread 0.
 *
 * With at least as many processors in the mask as threads, and unless floating, each thread stays
 * on the processor that dyno_topology_place gives it: workers for good, the caller while it is in a
 * run, after which it may go where it could before. Left free, a caller that slept before the run
 * shares a worker's processor in most of them: measured with two threads on two processors and
 * 20 ms between runs, 44 of 60, each of which took twice the time. To pin and to restore costs 5
 * us, and nothing for a caller that is pinned there already.
 *
 * MEMORY, or UNAVAILABLE when a thread cannot be started; then *pool is NULL. */
dyno_status dyno_pool_open_as(dyno_pool **pool, const dyno_pool_options *options,
                              dyno_error *error);

/* The same with all options but the number of threads at 0. */
dyno_status dyno_pool_open(dyno_pool **pool, unsigned threads, dyno_error *error);

/* Ends the workers. Sets *pool to NULL; NULL is fine. */
void dyno_pool_close(dyno_pool **pool);

unsigned dyno_pool_threads(const dyno_pool *pool);
dyno_pool_kind dyno_pool_kind_of(const dyno_pool *pool);

/* The processor that a thread stays on; DYNO_MOST_CPUS where it is left to the scheduler. */
unsigned dyno_pool_cpu(const dyno_pool *pool, unsigned thread);

/* Nodes that the threads are on, 1 when they are left to the scheduler. The threads of a node are
 * neighbours: thread 0 is on node 0, and dyno_pool_node never falls. Work that is taken from a
 * shared counter should have one for each node. dyno_pool_system_node is the number by which the
 * system knows a node. */
unsigned dyno_pool_nodes(const dyno_pool *pool);
unsigned dyno_pool_node(const dyno_pool *pool, unsigned thread);
unsigned dyno_pool_system_node(const dyno_pool *pool, unsigned node);

/* Runs the task on all threads and returns when every one is through. What the caller wrote
 * before is visible to the task, and what the task wrote is visible afterwards. One run at a
 * time; not reentrant. */
void dyno_pool_run(dyno_pool *pool, dyno_pool_task *task, void *context);

/* The part [*begin, *end) of rows 0 to rows - 1 that a thread takes: contiguous, nearly equal
 * parts that start at multiples of granule. */
void dyno_partition(size_t *begin, size_t *end, size_t rows, size_t granule, unsigned thread,
                    unsigned threads);

/* The parts of all threads of a node, which are contiguous too. */
void dyno_partition_node(size_t *begin, size_t *end, size_t rows, size_t granule,
                         const dyno_pool *pool, unsigned node);

#endif
