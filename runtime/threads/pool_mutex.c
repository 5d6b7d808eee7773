/* One mutex, two condition variables: what a pool is when nothing is done about its latency. */
#include "runtime/threads/pool_internal.h"

static void hand_over(dyno_pool *pool)
{
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->working, pool->started);
  atomic_fetch_add(&pool->run, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static void await_workers(dyno_pool *pool)
{
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load(&pool->working) != 0)
    pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}

static void await_task(dyno_pool *pool, unsigned run)
{
  pthread_mutex_lock(&pool->mutex);
  while (atomic_load(&pool->run) == run)
    pthread_cond_wait(&pool->wake, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
}

static void finish(dyno_pool *pool)
{
  pthread_mutex_lock(&pool->mutex);
  if (atomic_fetch_sub(&pool->working, 1) == 1)
    pthread_cond_signal(&pool->done);
  pthread_mutex_unlock(&pool->mutex);
}

const dyno_pool_arm dyno_pool_mutex = {"mutex", hand_over, await_workers, await_task, finish};
