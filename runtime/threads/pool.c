#include "runtime/threads/pool.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/threads/pool_internal.h"

/* Some 20 us: longer than the gap between two ops of a token, shorter than a scheduler tick. */
enum { SPINS = 2000 };

static const dyno_pool_arm *const arms[DYNO_POOL_KIND_COUNT] = {
    [DYNO_POOL_SPIN] = &dyno_pool_spin,
    [DYNO_POOL_MUTEX] = &dyno_pool_mutex,
};

const char *dyno_pool_kind_name(dyno_pool_kind kind)
{
  return arms[kind]->name;
}

dyno_pool_kind dyno_pool_kind_parse(const char *name)
{
  int kind = 0;
  while (kind < DYNO_POOL_KIND_COUNT && strcmp(arms[kind]->name, name) != 0)
    kind++;
  return (dyno_pool_kind)kind;
}

static void *work(void *argument)
{
  const dyno_pool_thread *self = argument;
  dyno_pool *pool = self->pool;
  for (unsigned run = 0;; run++) {
    pool->arm->await_task(pool, run);
    if (pool->task == NULL)
      return NULL;
    pool->task(pool->context, self->thread, pool->threads);
    pool->arm->finish(pool);
  }
}

/* Gives each thread a processor, or none to any of them. */
static dyno_status place(dyno_pool *pool, const dyno_pool_options *options, dyno_error *error)
{
  unsigned places[DYNO_MOST_CPUS];
  dyno_topology detected;
  const dyno_topology *topology = options->topology;
  for (unsigned i = 0; i < pool->threads; i++)
    pool->members[i] = (dyno_pool_thread){.pool = pool, .thread = i, .cpu = DYNO_MOST_CPUS};
  pool->nodes = 1;
  if (topology == NULL) {
    dyno_status status = dyno_topology_detect(&detected, error);
    if (status != DYNO_OK)
      return status;
    topology = &detected;
  }
  /* Spinning keeps a thread from running that has to share the processor. */
  pool->spins = pool->threads <= topology->cpu_count ? SPINS : 0;
  if (options->floating || !dyno_topology_place(places, topology, pool->threads))
    return DYNO_OK;
  unsigned last = DYNO_MOST_NODES;
  pool->nodes = 0;
  for (unsigned i = 0; i < pool->threads; i++) {
    unsigned node = topology->node[places[i]];
    if (node != last)
      pool->system_nodes[pool->nodes++] = topology->system_nodes[node];
    last = node;
    pool->members[i].cpu = topology->cpus[places[i]];
    pool->members[i].node = pool->nodes - 1;
  }
  return DYNO_OK;
}

/* Pinned before it runs, so that its stack is on its node. A processor that has been taken away
 * since is no reason to fail. */
static int start_worker(dyno_pool_thread *worker)
{
  pthread_attr_t attributes;
  cpu_set_t mask;
  int failure = pthread_attr_init(&attributes);
  if (failure != 0)
    return failure;
  if (worker->cpu < CPU_SETSIZE) {
    CPU_ZERO(&mask);
    CPU_SET(worker->cpu, &mask);
    pthread_attr_setaffinity_np(&attributes, sizeof mask, &mask);
  }
  failure = pthread_create(&worker->handle, &attributes, work, worker);
  pthread_attr_destroy(&attributes);
  if (failure == EINVAL && worker->cpu < CPU_SETSIZE) {
    worker->cpu = DYNO_MOST_CPUS;
    failure = pthread_create(&worker->handle, NULL, work, worker);
  }
  return failure;
}

static dyno_status start_workers(dyno_pool *pool, dyno_error *error)
{
  for (unsigned i = 1; i < pool->threads; i++) {
    int failure = start_worker(&pool->members[i]);
    if (failure != 0)
      return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "cannot start thread %u of %u: %s", i + 1,
                       pool->threads, strerror(failure));
    pool->started++;
  }
  return DYNO_OK;
}

dyno_status dyno_pool_open_as(dyno_pool **pool, const dyno_pool_options *options, dyno_error *error)
{
  *pool = NULL;
  unsigned threads = options->threads > 0 ? options->threads : 1;
  dyno_pool *made = calloc(1, sizeof *made);
  dyno_pool_thread *members = calloc(threads, sizeof *members);
  if (made == NULL || members == NULL) {
    free(made);
    free(members);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "thread pool: out of memory");
  }
  made->arm = arms[options->kind];
  made->kind = options->kind;
  made->threads = threads;
  made->members = members;
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->wake, NULL);
  pthread_cond_init(&made->done, NULL);
  dyno_status status = place(made, options, error);
  if (status == DYNO_OK)
    status = start_workers(made, error);
  if (status != DYNO_OK)
    dyno_pool_close(&made);
  *pool = made;
  return status;
}

dyno_status dyno_pool_open(dyno_pool **pool, unsigned threads, dyno_error *error)
{
  return dyno_pool_open_as(pool, &(dyno_pool_options){.threads = threads}, error);
}

void dyno_pool_close(dyno_pool **pool)
{
  dyno_pool *closing = *pool;
  if (closing == NULL)
    return;
  closing->task = NULL;
  if (closing->started > 0)
    closing->arm->hand_over(closing);
  for (unsigned i = 1; i <= closing->started; i++)
    pthread_join(closing->members[i].handle, NULL);
  pthread_cond_destroy(&closing->done);
  pthread_cond_destroy(&closing->wake);
  pthread_mutex_destroy(&closing->mutex);
  free(closing->members);
  free(closing);
  *pool = NULL;
}

unsigned dyno_pool_threads(const dyno_pool *pool)
{
  return pool->threads;
}

dyno_pool_kind dyno_pool_kind_of(const dyno_pool *pool)
{
  return pool->kind;
}

unsigned dyno_pool_cpu(const dyno_pool *pool, unsigned thread)
{
  return pool->members[thread].cpu;
}

unsigned dyno_pool_nodes(const dyno_pool *pool)
{
  return pool->nodes;
}

unsigned dyno_pool_node(const dyno_pool *pool, unsigned thread)
{
  return pool->members[thread].node;
}

unsigned dyno_pool_system_node(const dyno_pool *pool, unsigned node)
{
  return pool->system_nodes[node];
}

/* Moves the calling thread to the processor of thread 0. False when it was bound there anyhow, or
 * cannot be; else *before is what to put back. */
static bool pin_caller(const dyno_pool *pool, cpu_set_t *before)
{
  unsigned cpu = pool->members[0].cpu;
  cpu_set_t mask;
  if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof *before, before) != 0)
    return false;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  return !CPU_EQUAL(&mask, before) && sched_setaffinity(0, sizeof mask, &mask) == 0;
}

void dyno_pool_run(dyno_pool *pool, dyno_pool_task *task, void *context)
{
  if (pool->started == 0) {
    task(context, 0, 1);
    return;
  }
  cpu_set_t before;
  bool moved = pin_caller(pool, &before);
  pool->task = task;
  pool->context = context;
  pool->arm->hand_over(pool);
  task(context, 0, pool->threads);
  pool->arm->await_workers(pool);
  if (moved)
    sched_setaffinity(0, sizeof before, &before);
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

void dyno_partition_node(size_t *begin, size_t *end, size_t rows, size_t granule,
                         const dyno_pool *pool, unsigned node)
{
  size_t ignored;
  unsigned first = 0;
  while (pool->members[first].node < node)
    first++;
  unsigned last = first;
  while (last + 1 < pool->threads && pool->members[last + 1].node == node)
    last++;
  dyno_partition(begin, &ignored, rows, granule, first, pool->threads);
  dyno_partition(&ignored, end, rows, granule, last, pool->threads);
}
