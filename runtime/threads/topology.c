#include "runtime/threads/topology.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* The quota in one folder's cpu.max ("max 100000" or "QUOTA PERIOD"), 0 when there is none. */
static double read_quota(const char *folder)
{
  char path[4096 + 32], line[64];
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return 0;
  double quota = 0;
  if (fgets(line, sizeof line, file) != NULL) {
    char *period;
    double granted = strtod(line, &period);
    double of = strtod(period, NULL);
    if (period != line && granted > 0 && of > 0)
      quota = granted / of;
  }
  fclose(file);
  return quota;
}

/* The tightest quota from this process's control group up to the root (cgroup v2). */
static double tightest_quota(void)
{
  char folder[4096] = "", line[4000];
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL)
    return 0;
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, "0::", 3) == 0) {
      line[strcspn(line, "\n")] = '\0';
      snprintf(folder, sizeof folder, CGROUP_ROOT "%s", line + 3);
    }
  fclose(file);
  double tightest = 0;
  while (strlen(folder) >= strlen(CGROUP_ROOT)) {
    double quota = read_quota(folder);
    if (quota > 0 && (tightest <= 0 || quota < tightest))
      tightest = quota;
    *strrchr(folder, '/') = '\0';
  }
  return tightest;
}

dyno_status dyno_topology_detect(dyno_topology *topology, dyno_error *error)
{
  enum { MOST = sizeof topology->cpus / sizeof *topology->cpus };
  *topology = (dyno_topology){0};
  cpu_set_t *mask = CPU_ALLOC(MOST);
  if (mask == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "affinity mask: out of memory");
  size_t bytes = CPU_ALLOC_SIZE(MOST);
  if (sched_getaffinity(0, bytes, mask) != 0) {
    CPU_FREE(mask);
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "cannot read the affinity mask: %s",
                     strerror(errno));
  }
  for (unsigned cpu = 0; cpu < MOST; cpu++)
    if (CPU_ISSET_S(cpu, bytes, mask))
      topology->cpus[topology->cpu_count++] = cpu;
  CPU_FREE(mask);
  topology->quota = tightest_quota();
  return DYNO_OK;
}

unsigned dyno_topology_threads(const dyno_topology *topology)
{
  unsigned threads = topology->cpu_count;
  if (topology->quota > 0 && topology->quota < threads)
    threads = (unsigned)fmax(1, floor(topology->quota));
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
