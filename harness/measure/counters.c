#include "harness/measure/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A name, and what became of it. */
typedef struct counter {
  struct perf_event_attr attributes;
  char event[DYNO_COUNTER_EVENT];
  char reason[DYNO_COUNTER_REASON]; /* why it cannot be had on some thread; "" */
} counter;

/* A counter on a thread. */
typedef struct place {
  int file; /* -1 when it could not be opened */
  dyno_counter_reading start;
} place;

struct dyno_counters {
  const dyno_perf *perf;
  counter *items; /* [count] */
  place *places;  /* [threads][count] */
  size_t count, threads;
};

static int open_event(const struct perf_event_attr *attributes, pid_t thread, int cpu, int leader)
{
  return (int)syscall(SYS_perf_event_open, attributes, thread, cpu, leader, PERF_FLAG_FD_CLOEXEC);
}

static const dyno_perf system_perf = {open_event, read, close};

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

static bool encode(counter *item, const char *name)
{
  *item = (counter){0};
  if (!dyno_counter_encode(&item->attributes, item->event, name, item->reason))
    return false;
  item->attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  item->attributes.exclude_kernel = 1;
  item->attributes.exclude_hv = 1;
  return true;
}

static void open_place(place *at, counter *item, const dyno_perf *perf, pid_t thread, int leader)
{
  at->file = perf->open(&item->attributes, thread, -1, leader);
  if (at->file < 0 && leader >= 0) /* a group that does not fit: on its own, then */
    at->file = perf->open(&item->attributes, thread, -1, -1);
  if (at->file < 0)
    dyno_counter_explain(item->reason, errno);
}

static void open_thread(dyno_counters *counters, size_t thread, pid_t id)
{
  int leader = -1;
  place *places = counters->places + thread * counters->count;
  for (size_t i = 0; i < counters->count; i++) {
    places[i].file = -1;
    if (counters->items[i].reason[0] != '\0')
      continue;
    open_place(&places[i], &counters->items[i], counters->perf, id, leader);
    if (leader < 0)
      leader = places[i].file;
  }
}

dyno_status dyno_counters_open_on(dyno_counters **counters, const char *const *names, size_t count,
                                  const dyno_counter_options *options, dyno_error *error)
{
  static const pid_t self = 0;
  const bool some = options != NULL && options->thread_count > 0;
  const pid_t *threads = some ? options->threads : &self;
  dyno_counters *made = calloc(1, sizeof *made);
  *counters = NULL;
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu counters", count);
  made->perf = options != NULL && options->perf != NULL ? options->perf : &system_perf;
  made->count = count;
  made->threads = some ? options->thread_count : 1;
  made->items = calloc(count + 1, sizeof *made->items);
  made->places = calloc(made->threads * count + 1, sizeof *made->places);
  if (made->items == NULL || made->places == NULL) {
    free(made->items);
    free(made->places);
    free(made);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu counters", count);
  }
  for (size_t i = 0; i < count; i++)
    encode(&made->items[i], names[i]);
  for (size_t t = 0; t < made->threads; t++)
    open_thread(made, t, threads[t]);
  *counters = made;
  dyno_counters_start(made);
  return DYNO_OK;
}

dyno_status dyno_counters_open(dyno_counters **counters, const char *const *names, size_t count,
                               dyno_error *error)
{
  return dyno_counters_open_on(counters, names, count, NULL, error);
}

void dyno_counters_close(dyno_counters **counters)
{
  dyno_counters *closing = *counters;
  if (closing == NULL)
    return;
  for (size_t i = closing->threads * closing->count; i-- > 0;) /* members before their leader */
    if (closing->places[i].file >= 0)
      closing->perf->close(closing->places[i].file);
  free(closing->items);
  free(closing->places);
  free(closing);
  *counters = NULL;
}

static bool read_place(dyno_counter_reading *now, const dyno_counters *counters, const place *from)
{
  return from->file >= 0 &&
         counters->perf->read(from->file, now, sizeof *now) == (ssize_t)sizeof *now;
}

void dyno_counters_start(dyno_counters *counters)
{
  for (size_t i = 0; i < counters->threads * counters->count; i++)
    if (!read_place(&counters->places[i].start, counters, &counters->places[i]))
      counters->places[i].start = (dyno_counter_reading){0};
}

void dyno_counters_look(const dyno_counters *counters, size_t thread,
                        dyno_counter_reading *readings)
{
  const place *places = counters->places + thread * counters->count;
  for (size_t i = 0; i < counters->count; i++)
    if (!read_place(&readings[i], counters, &places[i]))
      readings[i] = (dyno_counter_reading){0};
}

const char *dyno_counters_reason(const dyno_counters *counters, size_t index)
{
  return counters->items[index].reason;
}

const char *dyno_counters_event(const dyno_counters *counters, size_t index)
{
  return counters->items[index].event;
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

/* A part of the threads would pass for all of them, so each must be read. */
static void read_value(dyno_counter_value *value, const dyno_counters *counters, size_t index)
{
  const char *reason = counters->items[index].reason;
  dyno_counter_reading sum = {0};
  *value = (dyno_counter_value){0};
  memcpy(value->reason, reason, sizeof value->reason);
  for (size_t t = 0; t < counters->threads && reason[0] == '\0'; t++) {
    const place *from = &counters->places[t * counters->count + index];
    dyno_counter_reading now;
    errno = EIO; /* of a reading that is short */
    if (!read_place(&now, counters, from)) {
      dyno_counter_explain(value->reason, errno);
      return;
    }
    sum.value += now.value - from->start.value;
    sum.enabled += now.enabled - from->start.enabled;
    sum.running += now.running - from->start.running;
  }
  if (reason[0] == '\0')
    dyno_counter_judge(value, sum.value, sum.enabled, sum.running);
}

void dyno_counters_read(const dyno_counters *counters, dyno_counter_value *values)
{
  for (size_t i = 0; i < counters->count; i++)
    read_value(&values[i], counters, i);
}

/* A pass that is being filled. */
typedef struct filling {
  const dyno_perf *perf;
  int files[64];
  size_t open, hardware, most;
} filling;

static void empty(filling *pass)
{
  while (pass->open > 0)
    pass->perf->close(pass->files[--pass->open]);
  pass->hardware = 0;
}

/* False when it does not fit. What cannot be had at all fits everywhere. */
static bool add(filling *pass, const struct perf_event_attr *attributes)
{
  bool hardware = attributes->type != PERF_TYPE_SOFTWARE;
  int file = pass->perf->open(attributes, 0, -1, pass->open > 0 ? pass->files[0] : -1);
  if (file < 0)
    return pass->open == 0 || (errno != EINVAL && errno != ENOSPC);
  if (pass->open == sizeof pass->files / sizeof *pass->files ||
      (hardware && pass->hardware >= pass->most)) {
    pass->perf->close(file);
    return false;
  }
  pass->files[pass->open++] = file;
  pass->hardware += hardware;
  return true;
}

size_t dyno_counters_plan(size_t *pass, const char *const *names, size_t count, size_t most,
                          const dyno_perf *perf)
{
  filling filled = {.perf = perf != NULL ? perf : &system_perf, .most = most > 0 ? most : 1};
  size_t passes = count > 0 ? 1 : 0;
  for (size_t i = 0; i < count; i++) {
    counter item;
    if (encode(&item, names[i]) && !add(&filled, &item.attributes)) {
      empty(&filled);
      passes++;
      add(&filled, &item.attributes);
    }
    pass[i] = passes - 1;
  }
  empty(&filled);
  return passes;
}
