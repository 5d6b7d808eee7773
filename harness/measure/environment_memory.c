/* How much memory there is, on what pages, and on which nodes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/environment_internal.h"
#include "harness/report/units.h"

#define HUGE "/sys/kernel/mm/transparent_hugepage"

static bool meminfo_bytes(uint64_t *bytes, const dyno_surroundings *around, const char *key)
{
  int64_t kilobytes;
  if (!dyno_keyed_number(&kilobytes, around->meminfo, key) || kilobytes > INT64_MAX / 1024)
    return false;
  *bytes = (uint64_t)kilobytes * 1024;
  return true;
}

static bool read_file(char *text, size_t size, const char *folder, const char *name)
{
  char path[DYNO_SYSTEM_PATH];
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  text[0] = '\0';
  FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
  if (file == NULL)
    return false;
  text[fread(text, 1, size - 1, file)] = '\0';
  fclose(file);
  return text[0] != '\0';
}

/* What the groups leave, in bytes; UINT64_MAX without a limit. */
static void tighten(void *context, const char *folder, int version)
{
  uint64_t *left = context;
  char limit[32], used[32], stat[8192];
  if (!read_file(limit, sizeof limit, folder,
                 version == 2 ? "memory.max" : "memory.limit_in_bytes") ||
      !read_file(used, sizeof used, folder,
                 version == 2 ? "memory.current" : "memory.usage_in_bytes") ||
      limit[0] < '0' || limit[0] > '9' || used[0] < '0' || used[0] > '9')
    return;
  uint64_t most = strtoull(limit, NULL, 10), now = strtoull(used, NULL, 10);
  /* Pages of files make room. */
  static const char *const keys[] = {"inactive_file", "active_file"};
  int64_t files;
  read_file(stat, sizeof stat, folder, "memory.stat");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (dyno_keyed_number(&files, stat, keys[i]))
      now = (uint64_t)files < now ? now - (uint64_t)files : 0;
  uint64_t here = most > now ? most - now : 0;
  *left = here < *left ? here : *left;
}

static void look_at_memory(dyno_finding *finding, const dyno_surroundings *around)
{
  char all[DYNO_UNIT_TEXT], free[DYNO_UNIT_TEXT], need[DYNO_UNIT_TEXT];
  uint64_t total, available, left = UINT64_MAX;
  if (!meminfo_bytes(&total, around, "MemTotal") ||
      !meminfo_bytes(&available, around, "MemAvailable")) {
    dyno_finding_set(finding, "n/a (no /proc/meminfo)");
    return;
  }
  dyno_roots_visit_groups(around->roots, "memory", tighten, &left);
  bool limited = left < available;
  available = limited ? left : available;
  dyno_format_bytes(all, (double)total);
  dyno_format_bytes(free, (double)available);
  dyno_finding_set(finding, "%s available of %s%s", free, all,
                   limited ? ", as much as the control group leaves" : "");
  uint64_t model = around->options->model_bytes;
  if (model == 0)
    return;
  dyno_format_bytes(need, (double)model);
  dyno_finding_set(finding, "%s available of %s%s; the model has %s", free, all,
                   limited ? ", as much as the control group leaves" : "", need);
  if (model > available)
    dyno_finding_advise(finding, DYNO_SEVERITY_UNFIT,
                        "free memory or take a smaller quantization; weights that do not fit are "
                        "read from disk for each token");
  else if (model + model / 10 > available) /* keys, values, hidden states, the program */
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                        "free memory: with keys and values it is going to be tight");
}

static void look_at_swap(dyno_finding *finding, const dyno_surroundings *around)
{
  char all[DYNO_UNIT_TEXT], in_use[DYNO_UNIT_TEXT];
  uint64_t total, free;
  if (!meminfo_bytes(&total, around, "SwapTotal") || !meminfo_bytes(&free, around, "SwapFree")) {
    dyno_finding_set(finding, "n/a (no /proc/meminfo)");
    return;
  }
  uint64_t used = total > free ? total - free : 0;
  dyno_format_bytes(all, (double)total);
  dyno_format_bytes(in_use, (double)used);
  if (total == 0)
    dyno_finding_set(finding, "none");
  else
    dyno_finding_set(finding, "%s of %s in use", in_use, all);
  if (used > total / 20)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "sudo swapoff -a && sudo swapon -a, when there is memory for it");
}

/* The choice in brackets of "always [madvise] never"; "" without one. */
static void chosen(char choice[32], const char *line)
{
  const char *begin = strchr(line, '['), *end = begin == NULL ? NULL : strchr(begin, ']');
  size_t length = end == NULL ? 0 : (size_t)(end - begin - 1);
  snprintf(choice, 32, "%.*s", (int)(length < 31 ? length : 31), length > 0 ? begin + 1 : "");
}

static void look_at_huge_pages(dyno_finding *finding, const dyno_surroundings *around)
{
  char line[DYNO_SYSTEM_LINE], enabled[32], defragment[32];
  dyno_sys_line(line, around->roots, "kernel/mm/transparent_hugepage/enabled");
  chosen(enabled, line);
  dyno_sys_line(line, around->roots, "kernel/mm/transparent_hugepage/defrag");
  chosen(defragment, line);
  if (enabled[0] == '\0') {
    dyno_finding_set(finding, "n/a (this kernel has none)");
    return;
  }
  dyno_finding_set(finding, "%s, defragmentation: %s", enabled,
                   defragment[0] != '\0' ? defragment : "n/a");
  if (strcmp(enabled, "never") == 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING, "echo madvise | sudo tee " HUGE "/enabled");
  else if (strcmp(defragment, "never") == 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE, "echo madvise | sudo tee " HUGE "/defrag");
}

/* Bytes of free blocks of 2 MiB and more, in all zones: "Node 0, zone DMA32 1 2 3 ...". */
static bool free_huge_bytes(uint64_t *bytes, const dyno_surroundings *around)
{
  enum { PAGE = 4096, HUGE_ORDER = 9 };
  char path[DYNO_SYSTEM_PATH], line[DYNO_SYSTEM_LINE];
  dyno_proc_path(path, around->roots, "buddyinfo");
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return false;
  *bytes = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    char *rest, *at = strstr(line, "zone");
    strtok_r(at == NULL ? line : at, " \n", &rest);
    strtok_r(NULL, " \n", &rest); /* the zone's name */
    char *count = strtok_r(NULL, " \n", &rest);
    for (unsigned order = 0; count != NULL && order < 20; order++) {
      if (order >= HUGE_ORDER)
        *bytes += (strtoull(count, NULL, 10) << order) * PAGE;
      count = strtok_r(NULL, " \n", &rest);
    }
  }
  fclose(file);
  return true;
}

static void look_at_fragmentation(dyno_finding *finding, const dyno_surroundings *around)
{
  char huge_text[DYNO_UNIT_TEXT], free_text[DYNO_UNIT_TEXT];
  uint64_t huge, free, model = around->options->model_bytes;
  if (!free_huge_bytes(&huge, around) || !meminfo_bytes(&free, around, "MemFree")) {
    dyno_finding_set(finding, "n/a (no /proc/buddyinfo)");
    return;
  }
  dyno_format_bytes(huge_text, (double)huge);
  dyno_format_bytes(free_text, (double)free);
  dyno_finding_set(finding, "%s of %s free memory is in blocks of 2 MiB", huge_text, free_text);
  if (model > 0 ? huge < model : huge < free / 2)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "sync; echo 1 | sudo tee /proc/sys/vm/drop_caches "
                        "/proc/sys/vm/compact_memory");
}

static void look_at_reserved_pages(dyno_finding *finding, const dyno_surroundings *around)
{
  char text[DYNO_UNIT_TEXT];
  int64_t total, free;
  uint64_t size;
  if (!dyno_keyed_number(&total, around->meminfo, "HugePages_Total") ||
      !dyno_keyed_number(&free, around->meminfo, "HugePages_Free") ||
      !meminfo_bytes(&size, around, "Hugepagesize")) {
    dyno_finding_set(finding, "n/a (no /proc/meminfo)");
    return;
  }
  dyno_format_bytes(text, (double)free * (double)size);
  dyno_finding_set(finding, "%" PRId64 ", %s of them free", total, text);
  if (total == 0)
    dyno_finding_set(finding, "none, and none is needed");
  if (free > 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "echo 0 | sudo tee /proc/sys/vm/nr_hugepages, unless another program "
                        "needs them: dyno's are transparent ones");
}

static void look_at_weights(dyno_finding *finding, const dyno_surroundings *around)
{
  const dyno_engine_placement *placement = around->options->placement;
  char all[DYNO_UNIT_TEXT], huge[DYNO_UNIT_TEXT];
  if (placement == NULL || placement->weights == 0) {
    dyno_finding_set(finding, "n/a (no model is loaded)");
    return;
  }
  if (placement->resident == 0) {
    dyno_finding_set(finding, "n/a (the system does not tell where pages are)");
    return;
  }
  dyno_format_bytes(all, (double)placement->weights);
  dyno_format_share(huge, (double)placement->huge / (double)placement->weights);
  dyno_finding_set(finding, "%s of %s are on huge pages", huge, all);
  if (placement->huge * 10 < placement->weights * 9 && placement->weights > UINT64_C(64) << 20)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "--huge-pages=load, or --huge-pages=background for a packed file; and "
                        "echo madvise | sudo tee " HUGE "/enabled " HUGE "/defrag");
}

static void look_at_nodes(dyno_finding *finding, const dyno_surroundings *around)
{
  const dyno_topology *topology = &around->topology;
  char line[DYNO_SYSTEM_LINE];
  if (!around->topology_known || !topology->nodes_known) {
    dyno_finding_set(finding, "n/a (the system does not tell)");
    return;
  }
  if (topology->node_count == 1) {
    dyno_finding_set(finding, "1");
    return;
  }
  size_t length = (size_t)snprintf(finding->value, sizeof finding->value, "%u, distances",
                                   topology->node_count);
  for (unsigned n = 0; n < topology->node_count && length < sizeof finding->value; n++)
    if (dyno_sys_line(line, around->roots, "devices/system/node/node%u/distance",
                      topology->system_nodes[n]))
      length += (size_t)snprintf(finding->value + length, sizeof finding->value - length,
                                 "%s %.80s", n > 0 ? "," : "", line);
  const dyno_engine_placement *placement = around->options->placement;
  if (placement != NULL && placement->nodes_used < topology->node_count)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "--threads=%u would use the memory of all nodes", topology->core_count);
}

static void look_at_balancing(dyno_finding *finding, const dyno_surroundings *around)
{
  char line[DYNO_SYSTEM_LINE];
  if (!dyno_proc_line(line, around->roots, "sys/kernel/numa_balancing")) {
    dyno_finding_set(finding, "n/a (this kernel has none)");
    return;
  }
  bool on = strcmp(line, "0") != 0;
  dyno_finding_set(finding, on ? "on" : "off");
  if (on && around->topology.node_count > 1)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING, "sudo sysctl kernel.numa_balancing=0");
}

const dyno_environment_check dyno_memory_checks[] = {
    {"memory", "Weights that do not fit are read from disk, for every token.", look_at_memory},
    {"swap", "What was swapped out comes back at the speed of a disk.", look_at_swap},
    {"transparent huge pages",
     "Weights on pages of 4 KiB are read at two thirds of the speed, or less.", look_at_huge_pages},
    {"fragmentation", "Huge pages need free memory in one piece.", look_at_fragmentation},
    {"reserved huge pages", "Memory that is reserved for them is lost to everything else.",
     look_at_reserved_pages},
    {"weights on huge pages", "The share of the weights that is read without misses of the TLB.",
     look_at_weights},
    {"nodes", "The memory of another socket is slower; each thread should read its own.",
     look_at_nodes},
    {"automatic balancing", "It unmaps pages to see who uses them, and moves them about.",
     look_at_balancing},
    {0},
};
