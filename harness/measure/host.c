#include "config.h"

#include "harness/measure/host.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef DYNO_WITH_NUMA
#include <numa.h>
#endif

#include "runtime/threads/topology.h"

void dyno_host_name(char name[DYNO_HOST_NAME])
{
  if (gethostname(name, DYNO_HOST_NAME) != 0 || name[0] == '\0')
    strcpy(name, "unknown");
  name[DYNO_HOST_NAME - 1] = '\0'; /* a longer one may have been cut off without an end */
}

dyno_status dyno_pin_thread(int *pinned, int cpu, unsigned threads, dyno_error *error)
{
  *pinned = cpu;
  if (cpu < 0) {
    dyno_topology topology;
    dyno_status status = dyno_topology_detect(&topology, error);
    if (status != DYNO_OK)
      return status;
    if (topology.cpu_count == 0)
      return dyno_fail(error, DYNO_ERROR_UNAVAILABLE, "the affinity mask is empty");
    *pinned = (int)topology.cpus[threads > 1 ? 0 : topology.cpu_count - 1];
  }
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (*pinned < CPU_SETSIZE)
    CPU_SET((unsigned)*pinned, &mask);
  if (sched_setaffinity(0, sizeof mask, &mask) != 0)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "cannot stay on CPU %d: %s (taskset -p %d shows which CPUs are allowed)",
                     *pinned, strerror(errno), (int)getpid());
  return DYNO_OK;
}

/* The number that `path` starts with, times 1024 for a K after it and so on; 0 without one. */
static size_t read_size(const char *path)
{
  FILE *file = fopen(path, "re");
  char line[64] = "";
  if (file == NULL)
    return 0;
  if (fgets(line, sizeof line, file) == NULL)
    line[0] = '\0';
  fclose(file);
  char *unit;
  unsigned long long size = strtoull(line, &unit, 10);
  unsigned shift = *unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0;
  return size > SIZE_MAX >> shift ? 0 : (size_t)size << shift;
}

size_t dyno_largest_cache(void)
{
  size_t largest = 0;
  for (unsigned index = 0; index < 8; index++) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/size", index);
    size_t size = read_size(path);
    largest = size > largest ? size : largest;
  }
  if (largest != 0)
    return largest;
  /* CPUID, which on some machines adds up the caches of the whole package. */
  long size = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return size > 0 ? (size_t)size : 0;
}

/* A field of /proc/meminfo or of smaps, "Name:   123 kB", in bytes; false if line is another. */
static bool field_bytes(size_t *bytes, const char *line, const char *name)
{
  size_t length = strlen(name);
  if (strncmp(line, name, length) != 0 || line[length] != ':')
    return false;
  *bytes = (size_t)strtoull(line + length + 1, NULL, 10) * 1024;
  return true;
}

size_t dyno_available_memory(void)
{
  size_t available = 0;
  char line[256];
  FILE *file = fopen("/proc/meminfo", "re");
  if (file == NULL)
    return 0;
  while (fgets(line, sizeof line, file) != NULL && !field_bytes(&available, line, "MemAvailable"))
    ;
  fclose(file);
  /* In a container the root of the hierarchy is its own group; "max" reads as 0. */
  size_t limit = read_size("/sys/fs/cgroup/memory.max");
  size_t used = read_size("/sys/fs/cgroup/memory.current");
  if (limit > used && limit - used < available)
    available = limit - used;
  return available;
}

/* What smaps says of one mapping, in bytes. */
typedef struct mapping {
  uintptr_t low, high;
  size_t touched, huge;
} mapping;

/* Reads the next mapping; false at the end. The entry ends with its VmFlags. */
static bool read_mapping(mapping *entry, FILE *smaps)
{
  char line[512];
  unsigned long long low, high;
  *entry = (mapping){0};
  while (fgets(line, sizeof line, smaps) != NULL) {
    if (sscanf(line, "%llx-%llx ", &low, &high) == 2)
      *entry = (mapping){(uintptr_t)low, (uintptr_t)high, 0, 0};
    else if (strncmp(line, "VmFlags:", 8) == 0)
      return true;
    else if (!field_bytes(&entry->touched, line, "Rss"))
      field_bytes(&entry->huge, line, "AnonHugePages");
  }
  return false;
}

double dyno_huge_page_share(const void *data, size_t bytes)
{
  uintptr_t begin = (uintptr_t)data, end = begin + bytes;
  double touched = 0, huge = 0;
  mapping entry;
  FILE *smaps = fopen("/proc/self/smaps", "re");
  if (smaps == NULL)
    return NAN;
  while (read_mapping(&entry, smaps)) {
    uintptr_t low = entry.low > begin ? entry.low : begin;
    uintptr_t high = entry.high < end ? entry.high : end;
    if (low >= high)
      continue;
    /* Only the mapping as a whole is stated: take the part in proportion. */
    double part = (double)(high - low) / (double)(entry.high - entry.low);
    touched += part * (double)entry.touched;
    huge += part * (double)entry.huge;
  }
  fclose(smaps);
  return touched > 0 ? huge / touched : NAN;
}

void dyno_prefer_local_memory(void *data, size_t bytes)
{
#ifdef DYNO_WITH_NUMA
  if (numa_available() >= 0 && numa_max_node() > 0)
    numa_setlocal_memory(data, bytes);
#else
  (void)data;
  (void)bytes;
#endif
}
