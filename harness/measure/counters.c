#include "config.h"

#include "harness/measure/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef DYNO_WITH_PFM
#include <perfmon/pfmlib_perf_event.h>
#endif

/* One reading of a counter; times in nanoseconds. */
typedef struct reading {
  uint64_t value, enabled, running;
} reading;

typedef struct counter {
  int file; /* -1 when it could not be opened */
  char reason[DYNO_COUNTER_REASON];
  reading start;
} counter;

struct dyno_counters {
  counter *items;
  size_t count;
};

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

void dyno_counter_explain(char reason[DYNO_COUNTER_REASON], int failure)
{
  const char *text;
  switch (failure) {
  case ENOENT:
  case ENODEV:
  case EOPNOTSUPP:
    text = "unsupported: no such counter here; virtual machines often have none";
    break;
  case ENOSYS:
    text = "unsupported: this kernel has no perf_event_open";
    break;
  case EACCES:
  case EPERM:
    text = "denied: see kernel.perf_event_paranoid, or grant CAP_PERFMON";
    break;
  default:
    snprintf(reason, DYNO_COUNTER_REASON, "error: %.100s", strerror(failure));
    return;
  }
  snprintf(reason, DYNO_COUNTER_REASON, "%s", text);
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
static bool find_by_name(struct perf_event_attr *attributes, const char *name,
                         char reason[DYNO_COUNTER_REASON])
{
  pfm_perf_encode_arg_t argument = {.attr = attributes, .size = sizeof argument};
  int failure = pfm_initialize();
  if (failure == PFM_SUCCESS)
    failure = pfm_get_os_event_encoding(name, PFM_PLM3, PFM_OS_PERF_EVENT, &argument);
  if (failure == PFM_SUCCESS)
    return true;
  snprintf(reason, DYNO_COUNTER_REASON, "unknown: libpfm4: %.90s", pfm_strerror(failure));
  return false;
}
#else
static bool find_by_name(struct perf_event_attr *attributes, const char *name,
                         char reason[DYNO_COUNTER_REASON])
{
  (void)attributes;
  (void)name;
  snprintf(reason, DYNO_COUNTER_REASON,
           "unknown: not a generic event, and this program was built without libpfm4");
  return false;
}
#endif

/* Opens one counter; leader is the file of its group, or -1. */
static void open_counter(counter *opening, const char *name, int leader)
{
  struct perf_event_attr attributes = {.size = sizeof attributes};
  opening->file = -1;
  if (!find_generic(&attributes, name) && !find_by_name(&attributes, name, opening->reason))
    return;
  attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  long file = syscall(SYS_perf_event_open, &attributes, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
  if (file < 0 && leader >= 0) /* a group that does not fit: on its own, then */
    file = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
  if (file < 0)
    dyno_counter_explain(opening->reason, errno);
  else
    opening->file = (int)file;
}

dyno_status dyno_counters_open(dyno_counters **counters, const char *const *names, size_t count,
                               dyno_error *error)
{
  *counters = NULL;
  dyno_counters *made = calloc(1, sizeof *made);
  counter *items = calloc(count + 1, sizeof *items);
  if (made == NULL || items == NULL) {
    free(made);
    free(items);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu counters", count);
  }
  *made = (dyno_counters){items, count};
  int leader = -1;
  for (size_t i = 0; i < count; i++) {
    open_counter(&items[i], names[i], leader);
    if (leader < 0)
      leader = items[i].file;
  }
  *counters = made;
  dyno_counters_start(made);
  return DYNO_OK;
}

void dyno_counters_close(dyno_counters **counters)
{
  dyno_counters *closing = *counters;
  if (closing == NULL)
    return;
  for (size_t i = closing->count; i-- > 0;) /* members of a group before its leader */
    if (closing->items[i].file >= 0)
      close(closing->items[i].file);
  free(closing->items);
  free(closing);
  *counters = NULL;
}

static bool read_counter(reading *now, const counter *from)
{
  return from->file >= 0 && read(from->file, now, sizeof *now) == (ssize_t)sizeof *now;
}

void dyno_counters_start(dyno_counters *counters)
{
  for (size_t i = 0; i < counters->count; i++)
    if (!read_counter(&counters->items[i].start, &counters->items[i]))
      counters->items[i].start = (reading){0};
}

void dyno_counter_judge(dyno_counter_value *value, uint64_t counted, uint64_t enabled_ns,
                        uint64_t running_ns)
{
  *value = (dyno_counter_value){0};
  if (enabled_ns == 0 || running_ns == 0) {
    snprintf(value->reason, sizeof value->reason, "not counted: the counter never ran");
    return;
  }
  value->running = (double)running_ns / (double)enabled_ns;
  if (value->running < 0.25) {
    snprintf(value->reason, sizeof value->reason,
             "withheld: the counter ran for only %.0f %% of the time; count fewer events at once",
             value->running * 100);
    return;
  }
  value->available = true;
  value->value = (double)counted / value->running;
  if (value->running < 0.9)
    snprintf(value->reason, sizeof value->reason, "multiplexed: counted for %.0f %% of the time",
             value->running * 100);
}

void dyno_counters_read(const dyno_counters *counters, dyno_counter_value *values)
{
  for (size_t i = 0; i < counters->count; i++) {
    const counter *from = &counters->items[i];
    reading now;
    if (from->file < 0) {
      values[i] = (dyno_counter_value){0};
      memcpy(values[i].reason, from->reason, sizeof values[i].reason);
    } else if (!read_counter(&now, from)) {
      values[i] = (dyno_counter_value){0};
      dyno_counter_explain(values[i].reason, errno);
    } else {
      dyno_counter_judge(&values[i], now.value - from->start.value,
                         now.enabled - from->start.enabled, now.running - from->start.running);
    }
  }
}
