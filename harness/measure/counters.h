/* Hardware counters of threads, by name (counter_events.h).
 *
 * A counter that cannot be had is not an error: it says why, and has no value. It never reads 0 for
 * want of a counter. Only user mode is counted. */
#ifndef DYNO_HARNESS_MEASURE_COUNTERS_H
#define DYNO_HARNESS_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/measure/counter_events.h"
#include "kernels/base/status.h"

typedef struct dyno_counter_value {
  bool available;
  /* What was counted, scaled up to the whole time when the counter was switched off for a part
   * of it (multiplexing). */
  double value;
  double running; /* the part of the time that it counted: 0 to 1 */
  /* Why there is no value ("unsupported: ..."), or what to think of it ("multiplexed: ..."); empty
   * for a plain value. */
  char reason[DYNO_COUNTER_REASON];
} dyno_counter_value;

typedef struct dyno_counters dyno_counters;

/* What the kernel says of a counter; times in nanoseconds. */
typedef struct dyno_counter_reading {
  uint64_t value, enabled, running;
} dyno_counter_reading;

/* How the kernel is asked, as perf_event_open(2), read(2) and close(2) have it: for tests. */
typedef struct dyno_perf {
  int (*open)(const struct perf_event_attr *attributes, pid_t thread, int cpu, int leader);
  ssize_t (*read)(int file, void *data, size_t size);
  int (*close)(int file);
} dyno_perf;

typedef struct dyno_counter_options {
  const pid_t *threads;  /* [thread_count]: what is counted, by gettid(2) */
  size_t thread_count;   /* 0: the calling thread */
  const dyno_perf *perf; /* NULL: the kernel */
} dyno_counter_options;

/* Opens counters [count] of each thread, which are one group, counted in the same moments, where
 * that is possible. Threads that are started later are not counted. Only MEMORY is an error:
 * *counters is then NULL. options may be NULL. One thread. */
dyno_status dyno_counters_open_on(dyno_counters **counters, const char *const *names, size_t count,
                                  const dyno_counter_options *options, dyno_error *error);

/* The same of the calling thread. */
dyno_status dyno_counters_open(dyno_counters **counters, const char *const *names, size_t count,
                               dyno_error *error);

/* Sets *counters to NULL; NULL is fine. */
void dyno_counters_close(dyno_counters **counters);

/* Marks the beginning of what is to be counted. Counters run on from before; only differences
 * count. */
void dyno_counters_start(dyno_counters *counters);

/* Writes what was counted since the start, by all threads together: values [count], in the order
 * of the names. A thread that never ran in between counts as 0. */
void dyno_counters_read(const dyno_counters *counters, dyno_counter_value *values);

/* What the counters of one thread stand at: readings [count]. Zero for a counter that cannot be
 * read. Any thread; takes about a microsecond for each. */
void dyno_counters_look(const dyno_counters *counters, size_t thread,
                        dyno_counter_reading *readings);

/* Why there is no value of a counter whatever is done ("" otherwise), and its full name. */
const char *dyno_counters_reason(const dyno_counters *counters, size_t index);
const char *dyno_counters_event(const dyno_counters *counters, size_t index);

/* Cuts a list of names into passes, such that the counters of a pass can be counted at once: at
 * most `most` hardware events, and no more than the kernel accepts as a group. Writes pass [count],
 * which ascends, and returns the number of passes. */
size_t dyno_counters_plan(size_t *pass, const char *const *names, size_t count, size_t most,
                          const dyno_perf *perf);

/* What a value says of time enabled and time running (perf_event_open(2)): withheld when the
 * counter ran for less than a quarter of the time, marked below nine tenths, and not counted at
 * all when it never ran. */
void dyno_counter_judge(dyno_counter_value *value, uint64_t counted, uint64_t enabled_ns,
                        uint64_t running_ns);

/* Why opening failed, from errno: "unsupported: ..." for ENOENT and ENODEV, "denied: ..." for
 * EACCES and EPERM, "error: ..." for the rest. */
void dyno_counter_explain(char reason[DYNO_COUNTER_REASON], int failure);

#endif
