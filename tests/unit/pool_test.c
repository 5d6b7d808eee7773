/* The thread pool: every thread takes part in every run, and sees what was written before it. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "runtime/threads/pool.h"
#include "runtime/threads/topology.h"

enum { MOST_THREADS = 8, RUNS = 300 };

typedef struct tally {
  unsigned calls[MOST_THREADS];
  unsigned round; /* written by the caller before each run */
  atomic_uint stale;
  atomic_uint wrong_count;
  unsigned expected_threads;
} tally;

static void count(void *context, unsigned thread, unsigned threads)
{
  tally *of = context;
  if (threads != of->expected_threads)
    atomic_fetch_add(&of->wrong_count, 1);
  if (of->calls[thread] != of->round)
    atomic_fetch_add(&of->stale, 1);
  of->calls[thread]++;
}

static dyno_pool *open_pool(unsigned threads)
{
  dyno_pool *pool;
  dyno_error error = {0};
  dyno_status status = dyno_pool_open(&pool, threads, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return pool;
}

Test(pool, every_thread_runs_every_task_once)
{
  for (unsigned threads = 1; threads <= MOST_THREADS; threads++) {
    dyno_pool *pool = open_pool(threads);
    cr_assert(dyno_pool_threads(pool) == threads, "%u threads", threads);
    tally seen = {.expected_threads = threads};
    for (seen.round = 0; seen.round < RUNS; seen.round++)
      dyno_pool_run(pool, count, &seen);
    for (unsigned t = 0; t < threads; t++)
      cr_assert(seen.calls[t] == RUNS, "thread %u of %u ran %u times", t, threads, seen.calls[t]);
    cr_assert(atomic_load(&seen.stale) == 0, "the caller's writes were not seen");
    cr_assert(atomic_load(&seen.wrong_count) == 0, "a wrong number of threads");
    dyno_pool_close(&pool);
    cr_assert(pool == NULL, "close leaves NULL behind");
  }
}

Test(pool, wakes_threads_that_have_gone_to_sleep)
{
  dyno_pool *pool = open_pool(4);
  tally seen = {.expected_threads = 4};
  for (seen.round = 0; seen.round < 5; seen.round++) {
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    dyno_pool_run(pool, count, &seen);
  }
  cr_assert(seen.calls[3] == 5, "%u", seen.calls[3]);
  nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  dyno_pool_close(&pool);
}

Test(pool, partitions_cover_the_rows_once_in_order)
{
  for (size_t rows = 0; rows < 200; rows++)
    for (size_t granule = 1; granule <= 16; granule *= 4)
      for (unsigned threads = 1; threads <= MOST_THREADS; threads++) {
        size_t next = 0, units = (rows + granule - 1) / granule;
        for (unsigned t = 0; t < threads; t++) {
          size_t begin, end;
          dyno_partition(&begin, &end, rows, granule, t, threads);
          cr_assert(begin == next && begin <= end, "%zu rows, thread %u of %u", rows, t, threads);
          cr_assert(begin % granule == 0 || begin == rows, "%zu rows by %zu", rows, granule);
          cr_assert((end - begin + granule - 1) / granule <= units / threads + 1, "uneven");
          next = end;
        }
        cr_assert(next == rows, "%zu rows by %zu among %u", rows, granule, threads);
      }
}

Test(topology, names_processors_of_the_affinity_mask)
{
  dyno_topology topology;
  dyno_error error = {0};
  cr_assert(dyno_topology_detect(&topology, &error) == DYNO_OK, "%s", error.message);
  cr_assert(topology.cpu_count >= 1, "at least the one we run on");
  for (unsigned i = 1; i < topology.cpu_count; i++)
    cr_assert(topology.cpus[i] > topology.cpus[i - 1], "ascending");
  cr_assert(dyno_topology_threads(&topology) >= 1 &&
                dyno_topology_threads(&topology) <= topology.cpu_count,
            "%u threads", dyno_topology_threads(&topology));
}

Test(topology, a_quota_limits_the_threads)
{
  dyno_topology topology = {.cpu_count = 8};
  static const struct {
    double quota;
    unsigned threads;
  } cases[] = {{0, 8}, {0.5, 1}, {1, 1}, {2.5, 2}, {8, 8}, {100, 8}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    topology.quota = cases[i].quota;
    cr_assert(dyno_topology_threads(&topology) == cases[i].threads, "quota %g gives %u threads",
              cases[i].quota, dyno_topology_threads(&topology));
  }
}
