/* Which processors this process may use. */
#ifndef DYNO_RUNTIME_THREADS_TOPOLOGY_H
#define DYNO_RUNTIME_THREADS_TOPOLOGY_H

#include "kernels/base/status.h"

typedef struct dyno_topology {
  unsigned cpus[1024]; /* of the affinity mask, ascending */
  unsigned cpu_count;
  /* CPU time that the control group grants, in processors (cpu.max); 0 when unlimited. */
  double quota;
} dyno_topology;

/* Asks the system. Fails (UNAVAILABLE) only when the affinity mask cannot be read. */
dyno_status dyno_topology_detect(dyno_topology *topology, dyno_error *error);

/* How many threads make sense: the processors of the mask, but no more than the quota feeds. */
unsigned dyno_topology_threads(const dyno_topology *topology);

/* The same for whoever leaves the number open: replaces *threads where it is 0. */
dyno_status dyno_choose_threads(unsigned *threads, dyno_error *error);

#endif
