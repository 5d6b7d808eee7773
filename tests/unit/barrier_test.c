/* The barrier: nobody gets ahead of anybody, and everybody sees what was written before. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "runtime/threads/barrier.h"

enum { MOST_THREADS = 8, ROUNDS = 300, SLOW_ROUNDS = 5 };

typedef struct meeting {
  dyno_barrier *barrier;
  unsigned threads, rounds;
  bool slow;                      /* one thread comes so late that the others have gone to sleep */
  unsigned written[MOST_THREADS]; /* by each thread before the barrier; not atomic on purpose */
  atomic_uint wrong;
} meeting;

typedef struct member {
  meeting *at;
  unsigned thread;
  pthread_t handle;
} member;

static void *take_part(void *argument)
{
  const member *self = argument;
  meeting *at = self->at;
  for (unsigned round = 1; round <= at->rounds; round++) {
    if (at->slow && self->thread == round % at->threads)
      nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    at->written[self->thread] = round;
    dyno_barrier_wait(at->barrier);
    for (unsigned t = 0; t < at->threads; t++)
      if (at->written[t] != round)
        atomic_fetch_add(&at->wrong, 1);
    dyno_barrier_wait(at->barrier);
  }
  return NULL;
}

static void meet(unsigned threads, int kind, unsigned rounds, bool slow)
{
  meeting at = {.threads = threads, .rounds = rounds, .slow = slow};
  member members[MOST_THREADS];
  dyno_error error = {0};
  dyno_status status = dyno_barrier_open(&at.barrier, threads, (dyno_pool_kind)kind, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  for (unsigned t = 0; t < threads; t++) {
    members[t] = (member){.at = &at, .thread = t};
    cr_assert(pthread_create(&members[t].handle, NULL, take_part, &members[t]) == 0, "thread %u",
              t);
  }
  for (unsigned t = 0; t < threads; t++)
    pthread_join(members[t].handle, NULL);
  cr_assert(atomic_load(&at.wrong) == 0, "%u threads, kind %d: %u times ahead or stale", threads,
            kind, atomic_load(&at.wrong));
  dyno_barrier_close(&at.barrier);
  cr_assert(at.barrier == NULL, "close leaves NULL behind");
}

Test(barrier, holds_everybody_until_all_are_there)
{
  for (int kind = 0; kind < DYNO_POOL_KIND_COUNT; kind++)
    for (unsigned threads = 1; threads <= MOST_THREADS; threads++)
      meet(threads, kind, ROUNDS, false);
}

Test(barrier, wakes_those_who_have_gone_to_sleep)
{
  for (int kind = 0; kind < DYNO_POOL_KIND_COUNT; kind++)
    meet(4, kind, SLOW_ROUNDS, true);
}
