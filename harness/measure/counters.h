/* Hardware counters of the calling thread, by name.
 *
 * Names are libpfm4's ("INST_RETIRED:ANY_P", "perf::INSTRUCTIONS", any event of this CPU) or one
 * of the generic ones that need no libpfm4: instructions, cycles, branch-misses, cache-misses,
 * page-faults, task-clock. A counter that cannot be had is not an error: it says why, and has no
 * value. It never reads 0 for want of a counter. */
#ifndef DYNO_HARNESS_MEASURE_COUNTERS_H
#define DYNO_HARNESS_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_COUNTER_REASON 120

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

/* Opens counters [count] for the calling thread, user mode only; they are read as one group where
 * that is possible. Only MEMORY is an error: *counters is then NULL. Threads that are started
 * later are not counted. One thread. */
dyno_status dyno_counters_open(dyno_counters **counters, const char *const *names, size_t count,
                               dyno_error *error);

/* Sets *counters to NULL; NULL is fine. */
void dyno_counters_close(dyno_counters **counters);

/* Marks the beginning of what is to be counted. Counters run on from before; only differences
 * count. */
void dyno_counters_start(dyno_counters *counters);

/* Writes what was counted since the start: values [count], in the order of the names. */
void dyno_counters_read(const dyno_counters *counters, dyno_counter_value *values);

/* What a value says of time enabled and time running (perf_event_open(2)): withheld when the
 * counter ran for less than a quarter of the time, marked below nine tenths, and not counted at
 * all when it never ran. */
void dyno_counter_judge(dyno_counter_value *value, uint64_t counted, uint64_t enabled_ns,
                        uint64_t running_ns);

/* Why opening failed, from errno: "unsupported: ..." for ENOENT and ENODEV, "denied: ..." for
 * EACCES and EPERM, "error: ..." for the rest. */
void dyno_counter_explain(char reason[DYNO_COUNTER_REASON], int failure);

#endif
