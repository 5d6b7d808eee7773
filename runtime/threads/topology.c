#include "runtime/threads/topology.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/threads/cgroup.h"

/* A list of DYNO_MOST_CPUS single processors fits. */
enum { LIST_TEXT = 8192 };

static dyno_status read_affinity(dyno_topology *topology, dyno_error *error)
{
  cpu_set_t *mask = CPU_ALLOC(DYNO_MOST_CPUS);
  if (mask == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "affinity mask: out of memory");
  size_t bytes = CPU_ALLOC_SIZE(DYNO_MOST_CPUS);
  if (sched_getaffinity(0, bytes, mask) != 0) {
    CPU_FREE(mask);
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "cannot read the affinity mask: %s",
                     strerror(errno));
  }
  for (unsigned cpu = 0; cpu < DYNO_MOST_CPUS; cpu++)
    if (CPU_ISSET_S(cpu, bytes, mask))
      topology->cpus[topology->cpu_count++] = cpu;
  CPU_FREE(mask);
  return DYNO_OK;
}

static dyno_status take_affinity(dyno_topology *topology, const char *list, dyno_error *error)
{
  dyno_cpu_list mask;
  if (list == NULL)
    return read_affinity(topology, error);
  if (!dyno_cpu_list_parse(&mask, list))
    return dyno_fail(error, DYNO_ERROR_USAGE, "'%.80s' is no list of processors", list);
  for (unsigned cpu = 0; cpu < DYNO_MOST_CPUS; cpu++)
    if (mask.has[cpu])
      topology->cpus[topology->cpu_count++] = cpu;
  return DYNO_OK;
}

/* SYSFS/devices/system/FOLDER, where FOLDER may hold one %u. */
__attribute__((format(printf, 3, 4))) static bool read_list(dyno_cpu_list *list, const char *sysfs,
                                                            const char *format, ...)
{
  char path[4096], folder[128], text[LIST_TEXT];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(folder, sizeof folder, format, arguments);
  va_end(arguments);
  int length = snprintf(path, sizeof path, "%s/devices/system/%s", sysfs, folder);
  return length > 0 && (size_t)length < sizeof path && dyno_read_line(text, sizeof text, path) &&
         dyno_cpu_list_parse(list, text);
}

/* The lowest processor of the core; of two that disagree about who shares it, each stays alone. */
static bool core_leader(unsigned *leader, const char *sysfs, unsigned cpu)
{
  dyno_cpu_list siblings;
  /* The name since Linux 5.4, and the one before. */
  if (!read_list(&siblings, sysfs, "cpu/cpu%u/topology/core_cpus_list", cpu) &&
      !read_list(&siblings, sysfs, "cpu/cpu%u/topology/thread_siblings_list", cpu))
    return false;
  if (!siblings.has[cpu])
    return false;
  for (*leader = 0; !siblings.has[*leader];)
    ++*leader;
  return true;
}

/* Numbers cores in the order of their first processor in the mask. */
static void find_cores(dyno_topology *topology, const char *sysfs)
{
  unsigned leader[DYNO_MOST_CPUS];
  topology->cores_known = true;
  for (unsigned i = 0; i < topology->cpu_count; i++)
    if (!core_leader(&leader[i], sysfs, topology->cpus[i]))
      topology->cores_known = false;
  for (unsigned i = 0; i < topology->cpu_count; i++) {
    unsigned same = i;
    for (unsigned j = 0; j < i && topology->cores_known && same == i; j++)
      if (leader[j] == leader[i])
        same = j;
    topology->core[i] = same < i ? topology->core[same] : topology->core_count++;
  }
}

/* Which system node each processor of the mask is on; false unless each is on exactly one. */
static bool read_nodes(unsigned *on, const dyno_topology *topology, const char *sysfs)
{
  enum { NOWHERE = DYNO_MOST_CPUS };
  dyno_cpu_list nodes, cpus;
  if (!read_list(&nodes, sysfs, "node/online"))
    return false;
  for (unsigned i = 0; i < topology->cpu_count; i++)
    on[i] = NOWHERE;
  for (unsigned node = 0; node < DYNO_MOST_CPUS; node++) {
    if (!nodes.has[node])
      continue;
    if (!read_list(&cpus, sysfs, "node/node%u/cpulist", node))
      return false;
    for (unsigned i = 0; i < topology->cpu_count; i++) {
      if (!cpus.has[topology->cpus[i]])
        continue;
      if (on[i] != NOWHERE)
        return false;
      on[i] = node;
    }
  }
  for (unsigned i = 0; i < topology->cpu_count; i++)
    if (on[i] == NOWHERE)
      return false;
  return true;
}

/* Keeps the nodes that have processors of the mask. */
static void find_nodes(dyno_topology *topology, const char *sysfs)
{
  unsigned on[DYNO_MOST_CPUS];
  topology->nodes_known = read_nodes(on, topology, sysfs);
  for (unsigned node = 0; node < DYNO_MOST_CPUS && topology->nodes_known; node++) {
    bool used = false;
    for (unsigned i = 0; i < topology->cpu_count; i++)
      if (on[i] == node) {
        used = true;
        topology->node[i] = topology->node_count;
      }
    if (used && topology->node_count == DYNO_MOST_NODES)
      topology->nodes_known = false;
    else if (used)
      topology->system_nodes[topology->node_count++] = node;
  }
  if (topology->nodes_known)
    return;
  topology->node_count = 1;
  topology->system_nodes[0] = 0;
  for (unsigned i = 0; i < topology->cpu_count; i++)
    topology->node[i] = 0;
}

dyno_status dyno_topology_read(dyno_topology *topology, const dyno_topology_sources *sources,
                               dyno_error *error)
{
  const char *sysfs = sources->sysfs != NULL ? sources->sysfs : "/sys";
  *topology = (dyno_topology){0};
  dyno_status status = take_affinity(topology, sources->affinity, error);
  if (status == DYNO_OK && topology->cpu_count == 0)
    status = dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                       "the affinity mask has no processor below number %d", DYNO_MOST_CPUS);
  if (status != DYNO_OK)
    return status;
  find_cores(topology, sysfs);
  find_nodes(topology, sysfs);
  topology->quota =
      dyno_cgroup_quota(sources->membership != NULL ? sources->membership : "/proc/self/cgroup",
                        sources->cgroups != NULL ? sources->cgroups : "/sys/fs/cgroup");
  return DYNO_OK;
}

dyno_status dyno_topology_detect(dyno_topology *topology, dyno_error *error)
{
  return dyno_topology_read(topology, &(dyno_topology_sources){0}, error);
}

unsigned dyno_topology_threads(const dyno_topology *topology)
{
  unsigned threads = topology->core_count;
  if (topology->quota > 0 && topology->quota < threads)
    threads = (unsigned)fmax(1, round(topology->quota));
  return threads > 0 ? threads : 1;
}

dyno_status dyno_choose_threads(unsigned *threads, dyno_error *error)
{
  if (*threads != 0)
    return DYNO_OK;
  dyno_topology topology;
  dyno_status status = dyno_topology_detect(&topology, error);
  if (status == DYNO_OK)
    *threads = dyno_topology_threads(&topology);
  return status;
}

/* How many processors of its core come before processor i. */
static unsigned rank_in_core(const dyno_topology *topology, unsigned i)
{
  unsigned rank = 0;
  for (unsigned j = 0; j < i; j++)
    rank += topology->core[j] == topology->core[i];
  return rank;
}

bool dyno_topology_place(unsigned *place, const dyno_topology *topology, unsigned threads)
{
  if (threads > topology->cpu_count)
    return false;
  unsigned rank[DYNO_MOST_CPUS];
  for (unsigned i = 0; i < topology->cpu_count; i++)
    rank[i] = rank_in_core(topology, i);
  bool one_per_core = threads <= topology->core_count;
  unsigned all = one_per_core ? topology->core_count : topology->cpu_count;
  unsigned before = 0, placed = 0;
  for (unsigned node = 0; node < topology->node_count; node++) {
    for (unsigned i = 0; i < topology->cpu_count; i++)
      before += topology->node[i] == node && (!one_per_core || rank[i] == 0);
    unsigned until = (threads * before + all - 1) / all;
    for (unsigned wanted = 0; placed < until; wanted++)
      for (unsigned i = 0; i < topology->cpu_count && placed < until; i++)
        if (topology->node[i] == node && rank[i] == wanted)
          place[placed++] = i;
  }
  return true;
}
