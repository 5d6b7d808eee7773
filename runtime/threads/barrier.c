#include "runtime/threads/barrier.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Every ROUND spins, some 5 us, another thread may have the processor, because it may be the one
 * that is waited for. After a millisecond or so: sleep, from which waking takes 50 us and more. */
enum { ROUND = 250, ROUNDS = 200, LINE = 64 };

struct dyno_barrier {
  unsigned threads;
  int rounds;
  _Alignas(LINE) atomic_uint missing; /* threads that have yet to arrive */
  _Alignas(LINE) atomic_uint passed;  /* how often all were there */
  _Alignas(LINE) atomic_uint sleepers;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
};

dyno_status dyno_barrier_open(dyno_barrier **barrier, unsigned threads, dyno_pool_kind kind,
                              dyno_error *error)
{
  dyno_barrier *made = aligned_alloc(LINE, sizeof *made);
  *barrier = made;
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "barrier: out of memory");
  made->threads = threads > 0 ? threads : 1;
  made->rounds = kind == DYNO_POOL_SPIN ? ROUNDS : 0;
  atomic_init(&made->missing, made->threads);
  atomic_init(&made->passed, 0);
  atomic_init(&made->sleepers, 0);
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->wake, NULL);
  return DYNO_OK;
}

void dyno_barrier_close(dyno_barrier **barrier)
{
  dyno_barrier *closing = *barrier;
  if (closing == NULL)
    return;
  pthread_cond_destroy(&closing->wake);
  pthread_mutex_destroy(&closing->mutex);
  free(closing);
  *barrier = NULL;
}

/* Lets the others go. */
static void open_up(dyno_barrier *barrier)
{
  atomic_store_explicit(&barrier->missing, barrier->threads, memory_order_relaxed);
  /* In one order with sleepers: either we see the sleeper, or it sees that all were there. */
  atomic_fetch_add(&barrier->passed, 1);
  if (atomic_load(&barrier->sleepers) == 0)
    return;
  pthread_mutex_lock(&barrier->mutex);
  pthread_cond_broadcast(&barrier->wake);
  pthread_mutex_unlock(&barrier->mutex);
}

static void sleep_while(dyno_barrier *barrier, unsigned passed)
{
  pthread_mutex_lock(&barrier->mutex);
  atomic_fetch_add(&barrier->sleepers, 1);
  while (atomic_load(&barrier->passed) == passed)
    pthread_cond_wait(&barrier->wake, &barrier->mutex);
  atomic_fetch_sub(&barrier->sleepers, 1);
  pthread_mutex_unlock(&barrier->mutex);
}

static void relax(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void dyno_barrier_wait(dyno_barrier *barrier)
{
  /* Does not change before we have arrived. */
  unsigned passed = atomic_load_explicit(&barrier->passed, memory_order_relaxed);
  if (atomic_fetch_sub_explicit(&barrier->missing, 1, memory_order_acq_rel) == 1) {
    open_up(barrier);
    return;
  }
  for (int round = 0; round < barrier->rounds; round++) {
    for (int spin = 0; spin < ROUND; spin++) {
      if (atomic_load_explicit(&barrier->passed, memory_order_acquire) != passed)
        return;
      relax();
    }
    sched_yield();
  }
  sleep_while(barrier, passed);
}
