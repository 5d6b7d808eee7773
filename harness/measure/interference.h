/* What else happened on the machine, and to this process, while something was timed.
 *
 * A snapshot before and one after; their difference stands beside the time. The files are opened
 * once, a snapshot reads each of them and allocates nothing. */
#ifndef DYNO_HARNESS_MEASURE_INTERFERENCE_H
#define DYNO_HARNESS_MEASURE_INTERFERENCE_H

#include <stdint.h>

#include "harness/measure/system_files.h"

/* In the order in which they stand in samples.jsonl. */
typedef enum dyno_disturbance {
  DYNO_CPU_NS,    /* user and system time of all threads of the process, */
  DYNO_SYSTEM_NS, /* of it, in the kernel */
  /* Of all processors: time in which the hypervisor ran something else, in steps of a tick. */
  DYNO_STEAL_NS,
  /* Time in which some task of the machine waited for a processor, memory or a disk (PSI, some);
   * and the same of the process's control group. */
  DYNO_PRESSURE_CPU_NS,
  DYNO_PRESSURE_MEMORY_NS,
  DYNO_PRESSURE_IO_NS,
  DYNO_GROUP_PRESSURE_CPU_NS,
  DYNO_GROUP_PRESSURE_MEMORY_NS,
  DYNO_GROUP_PRESSURE_IO_NS,
  DYNO_THROTTLED_NS, /* the control group had used up its quota */
  DYNO_VOLUNTARY_SWITCHES,
  DYNO_INVOLUNTARY_SWITCHES,
  DYNO_MINOR_FAULTS,
  DYNO_MAJOR_FAULTS,
  DYNO_DISTURBANCE_COUNT
} dyno_disturbance;

/* What the system does not tell. */
#define DYNO_NOT_TOLD INT64_C(-1)

typedef struct dyno_interference {
  int64_t value[DYNO_DISTURBANCE_COUNT]; /* nanoseconds or counts, or DYNO_NOT_TOLD */
} dyno_interference;

/* Files of the system; some may be closed (-1). */
typedef struct dyno_interference_meter {
  int stat, pressure[3], group_pressure[3], group_cpu;
  int64_t tick_ns;
} dyno_interference_meter;

/* The field of samples.jsonl: "steal_ns", "major_faults". */
const char *dyno_disturbance_name(dyno_disturbance disturbance);

/* Opens what there is; nothing there is no failure. roots may be NULL. One thread; to be closed. */
void dyno_interference_open(dyno_interference_meter *meter, const dyno_roots *roots);
void dyno_interference_close(dyno_interference_meter *meter);

/* Totals since the machine, the control group or the process was started. */
void dyno_interference_read(const dyno_interference_meter *meter, dyno_interference *now);

/* What happened between two snapshots. A total that ran backwards, as steal does on some
 * hypervisors, counts as 0. */
dyno_interference dyno_interference_between(const dyno_interference *before,
                                            const dyno_interference *after);

#endif
