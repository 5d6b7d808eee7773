/* Which processors this process may use, and how they are grouped into cores and NUMA nodes. */
#ifndef DYNO_RUNTIME_THREADS_TOPOLOGY_H
#define DYNO_RUNTIME_THREADS_TOPOLOGY_H

#include <stdbool.h>

#include "kernels/base/status.h"
#include "runtime/threads/cpu_list.h"

enum { DYNO_MOST_NODES = 64 };

typedef struct dyno_topology {
  unsigned cpus[DYNO_MOST_CPUS]; /* of the affinity mask, ascending */
  unsigned core[DYNO_MOST_CPUS]; /* of each, 0 to core_count - 1: hyper-threads share one */
  unsigned node[DYNO_MOST_CPUS]; /* of each, 0 to node_count - 1 */
  unsigned system_nodes[DYNO_MOST_NODES]; /* the system's number of each node, ascending */
  unsigned cpu_count, core_count, node_count;
  /* Whether sysfs told. If not, every processor is a core, and all are on one node. */
  bool cores_known, nodes_known;
  double quota; /* CPU time that the control groups grant, in processors; 0 when unlimited */
} dyno_topology;

/* Where to look; NULL stands for the system's own. For tests on recorded trees. */
typedef struct dyno_topology_sources {
  const char *sysfs;      /* /sys */
  const char *cgroups;    /* /sys/fs/cgroup */
  const char *membership; /* /proc/self/cgroup */
  const char *affinity;   /* a list of processors; the calling thread's mask */
} dyno_topology_sources;

/* Looks there. Fails (UNAVAILABLE) only when the affinity mask cannot be read or has no processor
 * below DYNO_MOST_CPUS. */
dyno_status dyno_topology_read(dyno_topology *topology, const dyno_topology_sources *sources,
                               dyno_error *error);

/* The same for the system we run on. */
dyno_status dyno_topology_detect(dyno_topology *topology, dyno_error *error);

/* How many threads make sense: one for each physical core of the mask, because two hyper-threads
 * share the one thing that matters here, but no more than the quota, rounded, feeds. */
unsigned dyno_topology_threads(const dyno_topology *topology);

/* The same for whoever leaves the number open: replaces *threads where it is 0. */
dyno_status dyno_choose_threads(unsigned *threads, dyno_error *error);

/* Where threads 0 to threads - 1 go: place[i] is an index into cpus. Nodes get as many neighbouring
 * threads as their share of the cores, so that memory is read through all of them; in a node,
 * cores come before second hyper-threads. False when there are fewer processors than threads. */
bool dyno_topology_place(unsigned *place, const dyno_topology *topology, unsigned threads);

#endif
