/* The thread pool: every thread takes part in every run, and sees what was written before it. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "runtime/threads/pool.h"

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

static dyno_pool *open_pool(unsigned threads, int kind)
{
  dyno_pool *pool;
  dyno_error error = {0};
  const dyno_pool_options options = {.threads = threads, .kind = (dyno_pool_kind)kind};
  dyno_status status = dyno_pool_open_as(&pool, &options, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return pool;
}

Test(pool, kinds_have_names)
{
  for (int kind = 0; kind < DYNO_POOL_KIND_COUNT; kind++) {
    const char *name = dyno_pool_kind_name((dyno_pool_kind)kind);
    cr_assert((int)dyno_pool_kind_parse(name) == kind, "%s", name);
    dyno_pool *pool = open_pool(2, kind);
    cr_assert((int)dyno_pool_kind_of(pool) == kind, "%s", name);
    dyno_pool_close(&pool);
  }
  cr_assert(dyno_pool_kind_parse("futex") == DYNO_POOL_KIND_COUNT, "no such kind");
}

Test(pool, every_thread_runs_every_task_once)
{
  for (int kind = 0; kind < DYNO_POOL_KIND_COUNT; kind++)
    for (unsigned threads = 1; threads <= MOST_THREADS; threads++) {
      dyno_pool *pool = open_pool(threads, kind);
      cr_assert(dyno_pool_threads(pool) == threads, "%u threads", threads);
      tally seen = {.expected_threads = threads};
      for (seen.round = 0; seen.round < RUNS; seen.round++)
        dyno_pool_run(pool, count, &seen);
      for (unsigned t = 0; t < threads; t++)
        cr_assert(seen.calls[t] == RUNS, "kind %d, thread %u of %u ran %u times", kind, t, threads,
                  seen.calls[t]);
      cr_assert(atomic_load(&seen.stale) == 0, "the caller's writes were not seen");
      cr_assert(atomic_load(&seen.wrong_count) == 0, "a wrong number of threads");
      dyno_pool_close(&pool);
      cr_assert(pool == NULL, "close leaves NULL behind");
    }
}

Test(pool, wakes_threads_that_have_gone_to_sleep)
{
  for (int kind = 0; kind < DYNO_POOL_KIND_COUNT; kind++) {
    dyno_pool *pool = open_pool(4, kind);
    tally seen = {.expected_threads = 4};
    for (seen.round = 0; seen.round < 5; seen.round++) {
      nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
      dyno_pool_run(pool, count, &seen);
    }
    cr_assert(seen.calls[3] == 5, "kind %d: %u", kind, seen.calls[3]);
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    dyno_pool_close(&pool);
  }
}

/* Where each thread found itself. */
typedef struct places {
  cpu_set_t mask[MOST_THREADS];
} places;

static void look_around(void *context, unsigned thread, unsigned threads)
{
  (void)threads;
  places *found = context;
  sched_getaffinity(0, sizeof found->mask[thread], &found->mask[thread]);
}

Test(pool, threads_stay_on_processors_of_their_own)
{
  dyno_topology topology;
  cpu_set_t before, after;
  cr_assert(dyno_topology_detect(&topology, NULL) == DYNO_OK, "no topology");
  unsigned threads = topology.cpu_count < MOST_THREADS ? topology.cpu_count : MOST_THREADS;
  if (threads < 2)
    cr_skip("one processor");
  for (int kind = 0; kind < DYNO_POOL_KIND_COUNT; kind++) {
    dyno_pool *pool = open_pool(threads, kind);
    places found = {0};
    sched_getaffinity(0, sizeof before, &before);
    dyno_pool_run(pool, look_around, &found);
    sched_getaffinity(0, sizeof after, &after);
    cr_assert(CPU_EQUAL(&before, &after), "the caller has its mask back");
    for (unsigned t = 0; t < threads; t++) {
      cr_assert(CPU_COUNT(&found.mask[t]) == 1, "thread %u is on one processor", t);
      cr_assert(CPU_ISSET(dyno_pool_cpu(pool, t), &found.mask[t]), "and the pool knows which");
      for (unsigned other = 0; other < t; other++)
        cr_assert(!CPU_EQUAL(&found.mask[t], &found.mask[other]), "%u and %u share", t, other);
    }
    dyno_pool_close(&pool);
  }
}

Test(pool, threads_float_when_asked_to_or_crowded)
{
  dyno_topology topology;
  cr_assert(dyno_topology_detect(&topology, NULL) == DYNO_OK, "no topology");
  const dyno_pool_options cases[] = {
      {.threads = 2, .floating = true},
      {.threads = topology.cpu_count + 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_pool *pool;
    cr_assert(dyno_pool_open_as(&pool, &cases[i], NULL) == DYNO_OK, "no pool");
    for (unsigned t = 0; t < cases[i].threads; t++)
      cr_assert(dyno_pool_cpu(pool, t) == DYNO_MOST_CPUS && dyno_pool_node(pool, t) == 0,
                "case %zu: thread %u floats", i, t);
    cr_assert(dyno_pool_nodes(pool) == 1, "one node");
    dyno_pool_close(&pool);
  }
}

/* A machine that this one need not be: only what the pool says about it is looked at. */
Test(pool, neighbouring_threads_share_a_node)
{
  dyno_topology topology = {.cpu_count = 8, .core_count = 8, .node_count = 2};
  topology.system_nodes[0] = 3;
  topology.system_nodes[1] = 5;
  for (unsigned i = 0; i < 8; i++) {
    topology.cpus[i] = i;
    topology.core[i] = i;
    topology.node[i] = i % 2; /* as some machines number them */
  }
  dyno_pool *pool;
  const dyno_pool_options options = {.threads = 6, .topology = &topology};
  cr_assert(dyno_pool_open_as(&pool, &options, NULL) == DYNO_OK, "no pool");
  cr_assert(dyno_pool_nodes(pool) == 2, "%u nodes", dyno_pool_nodes(pool));
  cr_assert(dyno_pool_system_node(pool, 0) == 3 && dyno_pool_system_node(pool, 1) == 5, "numbers");
  for (unsigned t = 0; t < 6; t++)
    cr_assert(dyno_pool_node(pool, t) == t / 3, "thread %u is on node %u", t,
              dyno_pool_node(pool, t));
  for (size_t rows = 0; rows < 100; rows++) {
    size_t begin[2], end[2], ignored, third;
    for (unsigned node = 0; node < 2; node++)
      dyno_partition_node(&begin[node], &end[node], rows, 16, pool, node);
    dyno_partition(&third, &ignored, rows, 16, 3, 6);
    cr_assert(begin[0] == 0 && end[0] == begin[1] && end[1] == rows && begin[1] == third,
              "%zu rows: %zu-%zu and %zu-%zu", rows, begin[0], end[0], begin[1], end[1]);
  }
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
