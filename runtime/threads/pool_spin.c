/* Spin, then park. A change of an atomic is all that is needed as long as nobody sleeps. */
#include "runtime/threads/pool_internal.h"

static void relax(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Waits until *value == wanted or, with until false, until it no longer is. */
static void wait_for(dyno_pool *pool, atomic_uint *value, unsigned wanted, bool until)
{
  for (unsigned i = 0; i < pool->spins; i++) {
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

static void hand_over(dyno_pool *pool)
{
  atomic_store(&pool->working, pool->started);
  atomic_fetch_add(&pool->run, 1);
  wake_sleepers(pool);
}

static void await_workers(dyno_pool *pool)
{
  wait_for(pool, &pool->working, 0, true);
}

static void await_task(dyno_pool *pool, unsigned run)
{
  wait_for(pool, &pool->run, run, false);
}

static void finish(dyno_pool *pool)
{
  if (atomic_fetch_sub(&pool->working, 1) == 1)
    wake_sleepers(pool);
}

const dyno_pool_arm dyno_pool_spin = {"spin", hand_over, await_workers, await_task, finish};
