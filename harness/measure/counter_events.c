#include "config.h"

#include "harness/measure/counter_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef DYNO_WITH_PFM
#include <perfmon/pfmlib_perf_event.h>
#endif

typedef struct generic_event {
  const char *name;
  uint32_t type;
  uint64_t config;
} generic_event;

static const generic_event generic_events[] = {
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    {"branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
    {"cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    {"page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
    {"task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
};

#define EVERYWHERE "instructions", "cycles", "branch-misses", "cache-misses", "page-faults"

static const dyno_counter_set everywhere = {"any CPU", NULL, {EVERYWHERE, "task-clock"}};

/* Where a matrix-vector product waits: for memory, for the TLB, for the back end. */
static const dyno_counter_set zen4 = {
    "AMD Zen 4",
    "amd64_fam19h_zen4",
    {EVERYWHERE, "task-clock", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:DRAM_IO_NEAR",
     "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:DRAM_IO_FAR", "L1_DTLB_MISS:TLB_RELOAD_4K_L2_MISS",
     "L1_DTLB_MISS:TLB_RELOAD_2M_L2_MISS", "CYCLES_NO_RETIRE:NOT_COMPLETE_MISSING_LOAD",
     "DISPATCH_STALLS_1:FE_NO_OPS", "DISPATCH_STALLS_1:BE_STALLS",
     "DISPATCH_STALLS_1:SMT_CONTENTION"}};

static const dyno_counter_set zen3 = {"AMD Zen to Zen 3",
                                      "amd64_fam19h_zen3",
                                      {EVERYWHERE, "task-clock",
                                       "L1_DTLB_MISS:TLB_RELOAD_4K_L2_MISS",
                                       "L1_DTLB_MISS:TLB_RELOAD_2M_L2_MISS"}};

static const dyno_counter_set intel = {"Intel Core and Xeon since Skylake",
                                       "skx",
                                       {EVERYWHERE, "task-clock", "LONGEST_LAT_CACHE:MISS",
                                        "MEM_LOAD_RETIRED:L3_MISS", "CYCLE_ACTIVITY:STALLS_L3_MISS",
                                        "L1D_PEND_MISS:FB_FULL", "DTLB_LOAD_MISSES:WALK_COMPLETED",
                                        "DTLB_LOAD_MISSES:WALK_ACTIVE"}};

static const dyno_counter_set *const sets[] = {&everywhere, &zen4, &zen3, &intel};

/* The first row whose vendor and families fit. */
static const struct {
  const char *vendor; /* the beginning of the CPU's name */
  unsigned family, first_model, last_model;
  const dyno_counter_set *set;
  size_t group; /* AMD has six counters, Intel four that are not fixed; a watchdog may hold one */
} cpus[] = {
    {"AMD", 25, 0x10, 0x1f, &zen4, 5},       {"AMD", 25, 0x60, 0xaf, &zen4, 5},
    {"AMD", 25, 0x00, 0xff, &zen3, 5},       {"AMD", 23, 0x00, 0xff, &zen3, 5},
    {"AMD", 26, 0x00, 0xff, &everywhere, 5}, {"Intel", 6, 0x4e, 0xff, &intel, 4},
};

const dyno_counter_set *dyno_counter_set_at(size_t index)
{
  return index < sizeof sets / sizeof *sets ? sets[index] : NULL;
}

static size_t find_cpu(const dyno_cpu *cpu)
{
  size_t i = 0;
  while (i < sizeof cpus / sizeof *cpus &&
         (strncmp(cpu->name, cpus[i].vendor, strlen(cpus[i].vendor)) != 0 ||
          cpu->family != cpus[i].family || cpu->model < cpus[i].first_model ||
          cpu->model > cpus[i].last_model))
    i++;
  return i;
}

const dyno_counter_set *dyno_counter_default_set(const dyno_cpu *cpu)
{
  size_t found = find_cpu(cpu);
  return found < sizeof cpus / sizeof *cpus ? cpus[found].set : &everywhere;
}

size_t dyno_counter_group_size(const dyno_cpu *cpu)
{
  size_t found = find_cpu(cpu);
  return found < sizeof cpus / sizeof *cpus ? cpus[found].group : 4;
}

static bool find_generic(struct perf_event_attr *attributes, const char *name)
{
  for (size_t i = 0; i < sizeof generic_events / sizeof *generic_events; i++)
    if (strcmp(generic_events[i].name, name) == 0) {
      attributes->type = generic_events[i].type;
      attributes->config = generic_events[i].config;
      return true;
    }
  return false;
}

#ifdef DYNO_WITH_PFM
static bool find_by_name(struct perf_event_attr *attributes, char event[DYNO_COUNTER_EVENT],
                         const char *name, char reason[DYNO_COUNTER_REASON])
{
  char *full = NULL;
  pfm_perf_encode_arg_t argument = {.attr = attributes, .fstr = &full, .size = sizeof argument};
  int failure = pfm_initialize();
  if (failure == PFM_SUCCESS)
    failure = pfm_get_os_event_encoding(name, PFM_PLM3, PFM_OS_PERF_EVENT, &argument);
  if (failure == PFM_SUCCESS)
    snprintf(event, DYNO_COUNTER_EVENT, "%s", full != NULL ? full : name);
  else
    snprintf(reason, DYNO_COUNTER_REASON, "unknown: libpfm4: %.90s", pfm_strerror(failure));
  free(full);
  return failure == PFM_SUCCESS;
}
#else
static bool find_by_name(struct perf_event_attr *attributes, char event[DYNO_COUNTER_EVENT],
                         const char *name, char reason[DYNO_COUNTER_REASON])
{
  (void)attributes;
  (void)event;
  (void)name;
  snprintf(reason, DYNO_COUNTER_REASON,
           "unknown: not a generic event, and this program was built without libpfm4");
  return false;
}
#endif

/* The scheduler's events happen in the kernel: in user mode they are 0 for ever. */
static bool never_counts(const struct perf_event_attr *attributes)
{
  return attributes->type == PERF_TYPE_SOFTWARE &&
         (attributes->config == PERF_COUNT_SW_CONTEXT_SWITCHES ||
          attributes->config == PERF_COUNT_SW_CPU_MIGRATIONS);
}

bool dyno_counter_encode(struct perf_event_attr *attributes, char event[DYNO_COUNTER_EVENT],
                         const char *name, char reason[DYNO_COUNTER_REASON])
{
  attributes->size = sizeof *attributes;
  snprintf(event, DYNO_COUNTER_EVENT, "%s", name);
  if (!find_generic(attributes, name) && !find_by_name(attributes, event, name, reason))
    return false;
  if (!never_counts(attributes))
    return true;
  snprintf(reason, DYNO_COUNTER_REASON,
           "unsupported: happens in the kernel only; see the switches in samples.jsonl");
  return false;
}
