/* Names of counters: what the kernel is to be told to count, and which names are worth it here.
 *
 * Names are libpfm4's ("INST_RETIRED:ANY_P", "perf::INSTRUCTIONS", any event of this CPU), or
 * generic ones that need no libpfm4: instructions, cycles, branch-misses, cache-misses,
 * page-faults, task-clock. */
#ifndef DYNO_HARNESS_MEASURE_COUNTER_EVENTS_H
#define DYNO_HARNESS_MEASURE_COUNTER_EVENTS_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernels/base/cpu.h"

#define DYNO_COUNTER_REASON 120
#define DYNO_COUNTER_EVENT 160

/* Fills type, config and what else the event needs of zeroed attributes, and the event's full name:
 * "amd64_fam19h_zen4::RETIRED_INSTRUCTIONS:e=0:...". False with a reason ("unknown: ...") when
 * nothing is called so, or it cannot be counted in user mode. */
bool dyno_counter_encode(struct perf_event_attr *attributes, char event[DYNO_COUNTER_EVENT],
                         const char *name, char reason[DYNO_COUNTER_REASON]);

typedef struct dyno_counter_set {
  const char *title;
  const char *pmu;       /* libpfm4's name of a PMU that has these; NULL: any */
  const char *names[16]; /* up to the first NULL */
} dyno_counter_set;

/* The sets, from that of all machines to particular CPUs; NULL behind the last. */
const dyno_counter_set *dyno_counter_set_at(size_t index);

/* What "default" stands for on a CPU: its own set, or that of all machines. */
const dyno_counter_set *dyno_counter_default_set(const dyno_cpu *cpu);

/* How many hardware events of a CPU to count at once. */
size_t dyno_counter_group_size(const dyno_cpu *cpu);

#endif
