#include "config.h"

#include "runtime/threads/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/threads/topology.h"

/* Some 20 us: longer than the gap between two ops of a token, shorter than a scheduler tick. */
enum { SPINS = 2000 };

typedef struct worker {
  dyno_pool *pool;
  pthread_t handle;
  unsigned thread;
} worker;

struct dyno_pool {
  unsigned threads;
  worker *workers; /* [threads - 1], threads 1 and up */
  unsigned started;

  dyno_pool_task *task; /* of the current run; NULL tells the workers to end */
  void *context;
  atomic_uint run;     /* counts runs; a change hands the task over */
  atomic_uint working; /* workers that are not through with it */

  atomic_uint sleepers; /* threads parked on wake */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
};

static void relax(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* Waits until *value == wanted or, with until false, until it no longer is. */
static void wait_for(dyno_pool *pool, atomic_uint *value, unsigned wanted, bool until)
{
  for (int i = 0; i < SPINS; i++) {
    if ((atomic_load_explicit(value, memory_order_acquire) == wanted) == until)
      return;
    relax();
  }
  pthread_mutex_lock(&pool->mutex);
  /* Announced before the last look, so that whoever changes the value afterwards sees us. */
  atomic_fetch_add(&pool->sleepers, 1);
  while ((atomic_load(value) == wanted) != until)
    pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->mutex);
}

/* After a change that others may be waiting for. */
static void wake_sleepers(dyno_pool *pool)
{
  if (atomic_load(&pool->sleepers) == 0)
    return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *argument)
{
  const worker *self = argument;
  dyno_pool *pool = self->pool;
  for (unsigned seen = 0;; seen++) {
    wait_for(pool, &pool->run, seen, false);
    if (pool->task == NULL)
      return NULL;
    pool->task(pool->context, self->thread, pool->threads);
    if (atomic_fetch_sub(&pool->working, 1) == 1)
      wake_sleepers(pool);
  }
}

static void pin(pthread_t handle, unsigned cpu)
{
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  pthread_setaffinity_np(handle, sizeof mask, &mask); /* best effort */
}

static dyno_status start_workers(dyno_pool *pool, dyno_error *error)
{
  dyno_topology topology;
  dyno_status status = dyno_topology_detect(&topology, error);
  if (status != DYNO_OK)
    return status;
  for (unsigned i = 0; i + 1 < pool->threads; i++) {
    worker *starting = &pool->workers[i];
    *starting = (worker){.pool = pool, .thread = i + 1};
    int failure = pthread_create(&starting->handle, NULL, work, starting);
    if (failure != 0)
      return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "cannot start thread %u of %u: %s", i + 2,
                       pool->threads, strerror(failure));
    pool->started++;
    if (pool->threads <= topology.cpu_count && topology.cpus[i + 1] < CPU_SETSIZE)
      pin(starting->handle, topology.cpus[i + 1]);
  }
  return DYNO_OK;
}

dyno_status dyno_pool_open(dyno_pool **pool, unsigned threads, dyno_error *error)
{
  *pool = NULL;
  if (threads < 1)
    threads = 1;
  dyno_pool *made = calloc(1, sizeof *made);
  worker *workers = calloc(threads, sizeof *workers);
  if (made == NULL || workers == NULL) {
    free(made);
    free(workers);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "thread pool: out of memory");
  }
  made->threads = threads;
  made->workers = workers;
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->wake, NULL);
  dyno_status status = start_workers(made, error);
  if (status != DYNO_OK)
    dyno_pool_close(&made);
  *pool = made;
  return status;
}

/* Hands the current task to the started workers. */
static void hand_over(dyno_pool *pool)
{
  atomic_store(&pool->working, pool->started);
  atomic_fetch_add(&pool->run, 1);
  wake_sleepers(pool);
}

void dyno_pool_close(dyno_pool **pool)
{
  dyno_pool *closing = *pool;
  if (closing == NULL)
    return;
  closing->task = NULL;
  hand_over(closing);
  for (unsigned i = 0; i < closing->started; i++)
    pthread_join(closing->workers[i].handle, NULL);
  pthread_cond_destroy(&closing->wake);
  pthread_mutex_destroy(&closing->mutex);
  free(closing->workers);
  free(closing);
  *pool = NULL;
}

unsigned dyno_pool_threads(const dyno_pool *pool)
{
  return pool->threads;
}

void dyno_pool_run(dyno_pool *pool, dyno_pool_task *task, void *context)
{
  if (pool->started == 0) {
    task(context, 0, 1);
    return;
  }
  pool->task = task;
  pool->context = context;
  hand_over(pool);
  task(context, 0, pool->threads);
  wait_for(pool, &pool->working, 0, true);
}

void dyno_partition(size_t *begin, size_t *end, size_t rows, size_t granule, unsigned thread,
                    unsigned threads)
{
  size_t units = (rows + granule - 1) / granule;
  size_t share = units / threads, extra = units % threads;
  size_t first = thread * share + (thread < extra ? thread : extra);
  size_t last = first + share + (thread < extra ? 1 : 0);
  *begin = first * granule < rows ? first * granule : rows;
  *end = last * granule < rows ? last * granule : rows;
}
