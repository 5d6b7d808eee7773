/* The pool, for the files that make it up. */
#ifndef DYNO_RUNTIME_THREADS_POOL_INTERNAL_H
#define DYNO_RUNTIME_THREADS_POOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/threads/pool.h"

/* One way to hand a task over. All are called with pool->started > 0. */
typedef struct dyno_pool_arm {
  const char *name;
  void (*hand_over)(dyno_pool *pool);                /* the current task, to the started workers */
  void (*await_workers)(dyno_pool *pool);            /* until they are through */
  void (*await_task)(dyno_pool *pool, unsigned run); /* until there was one after this many */
  void (*finish)(dyno_pool *pool);                   /* a worker is through */
} dyno_pool_arm;

extern const dyno_pool_arm dyno_pool_spin, dyno_pool_mutex;

typedef struct dyno_pool_thread {
  dyno_pool *pool;
  pthread_t handle; /* not of thread 0 */
  unsigned thread, cpu, node;
} dyno_pool_thread;

struct dyno_pool {
  const dyno_pool_arm *arm;
  dyno_pool_kind kind;
  unsigned threads, started; /* started workers: all but thread 0 */
  dyno_pool_thread *members; /* [threads] */
  unsigned nodes, system_nodes[DYNO_MOST_NODES];

  dyno_pool_task *task; /* of the current run; NULL tells the workers to end */
  void *context;
  atomic_uint run;     /* counts runs; a change hands the task over */
  atomic_uint working; /* workers that are not through with it */

  unsigned spins;       /* before a thread sleeps */
  atomic_uint sleepers; /* threads parked on wake */
  pthread_mutex_t mutex;
  pthread_cond_t wake; /* workers wait here; when spinning ends, everybody */
  pthread_cond_t done; /* the caller */
};

#endif
