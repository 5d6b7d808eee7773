#include "harness/measure/memory_sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/system_files.h"
#include "kernels/base/clock.h"

enum { DEFAULT_PERIOD_MS = 100, LINE_BYTES = 1024 };

/* Between two looks at the pages of the weights: so many times what the last one took. */
enum { LOOK_REST = 1000 };
static const uint64_t least_look_rest_ns = 1000000000;

struct dyno_memory_sampler {
  const dyno_engine *engine;
  int64_t started_ns;
  uint64_t period_ns;
  int file, statm, status;
  uint64_t page;
  char *path;

  /* Of the thread alone. */
  uint64_t peak;
  uint64_t next_look_ns, looked_resident;
  const char *looked_case;
  uint64_t weights, huge;
  bool looked;
  int failure; /* errno of the first line that could not be written */

  _Atomic(const char *) name; /* of the case */
  pthread_t thread;
  pthread_mutex_t mutex; /* guards stop */
  pthread_cond_t wake;
  bool stop;
};

/* A number, or null. */
typedef struct amount {
  bool known;
  uint64_t bytes;
} amount;

static bool read_text(char *text, size_t size, int file)
{
  ssize_t length = file < 0 ? -1 : pread(file, text, size - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  return length > 0;
}

static amount resident(const dyno_memory_sampler *sampler)
{
  char text[128];
  uint64_t pages;
  if (!read_text(text, sizeof text, sampler->statm) || sscanf(text, "%*u %" SCNu64, &pages) != 1)
    return (amount){0};
  return (amount){true, pages * sampler->page};
}

/* Not getrusage's: that one lives through exec, and tells of the program before. */
static amount peak(dyno_memory_sampler *sampler, amount now)
{
  char text[4096];
  int64_t kilobytes;
  if (read_text(text, sizeof text, sampler->status) &&
      dyno_keyed_number(&kilobytes, text, "VmHWM") && (uint64_t)kilobytes * 1024 > sampler->peak)
    sampler->peak = (uint64_t)kilobytes * 1024;
  if (now.known && now.bytes > sampler->peak) /* the two are counted apart */
    sampler->peak = now.bytes;
  return (amount){sampler->peak > 0, sampler->peak};
}

/* What malloc has from the system and nobody uses. */
static amount held_by_malloc(void)
{
#if defined __GLIBC__ && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  return (amount){true, mallinfo2().fordblks};
#else
  return (amount){0};
#endif
}

static void look_at_weights(dyno_memory_sampler *sampler, amount now, const char *name)
{
  uint64_t begin = dyno_clock_ns();
  uint64_t change = now.bytes > sampler->looked_resident ? now.bytes - sampler->looked_resident
                                                         : sampler->looked_resident - now.bytes;
  bool due = change > now.bytes / 100 || name != sampler->looked_case;
  if (sampler->engine == NULL || begin < sampler->next_look_ns || (sampler->looked && !due))
    return;
  dyno_engine_placement placement = dyno_engine_get_placement(sampler->engine);
  sampler->looked = true;
  sampler->looked_case = name;
  sampler->looked_resident = now.bytes;
  sampler->weights = placement.resident;
  sampler->huge = placement.huge;
  uint64_t end = dyno_clock_ns(), rest = (end - begin) * LOOK_REST;
  sampler->next_look_ns = end + (rest > least_look_rest_ns ? rest : least_look_rest_ns);
}

static int add_amount(char *line, size_t size, const char *key, amount value)
{
  return value.known ? snprintf(line, size, ", \"%s\": %" PRIu64, key, value.bytes)
                     : snprintf(line, size, ", \"%s\": null", key);
}

/* Names of cases are those of files, but may have been chosen by an enemy. */
static int add_name(char *line, size_t size, const char *name)
{
  if (name == NULL)
    return snprintf(line, size, ", \"case\": null");
  size_t length = (size_t)snprintf(line, size, ", \"case\": \"");
  for (; *name != '\0' && length + 8 < size; name++) {
    bool plain = (unsigned char)*name >= 0x20 && *name != '"' && *name != '\\';
    length += (size_t)snprintf(line + length, size - length, plain ? "%c" : "\\u%04x",
                               (unsigned char)*name);
  }
  return (int)length + snprintf(line + length, size - length, "\"");
}

static void write_line(dyno_memory_sampler *sampler, const char *line, size_t length)
{
  if (sampler->failure != 0) /* nothing may follow a line that is not whole */
    return;
  ssize_t written = write(sampler->file, line, length);
  if (written != (ssize_t)length)
    sampler->failure = written < 0 ? errno : ENOSPC;
}

static int64_t realtime_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void take_sample(dyno_memory_sampler *sampler)
{
  char line[LINE_BYTES];
  const char *name = atomic_load(&sampler->name);
  amount now = resident(sampler), most = peak(sampler, now);
  look_at_weights(sampler, now, name);
  dyno_engine_memory engine = {0};
  bool known = sampler->engine != NULL;
  if (known)
    engine = dyno_engine_get_memory(sampler->engine);
  const struct {
    const char *key;
    amount value;
  } fields[] = {
      {"rss_bytes", now},
      {"peak_rss_bytes", most},
      {"weights_bytes", {sampler->looked, sampler->weights}},
      {"kv_bytes", {known, engine.kv}},
      {"workspace_bytes", {known, engine.workspace}},
      {"cache_bytes", {engine.has_caches, engine.caches}},
      {"allocator_bytes", held_by_malloc()},
      {"huge_bytes", {sampler->looked, sampler->huge}},
  };
  int64_t since = realtime_ns() - sampler->started_ns; /* below 0: the clock was set back */
  int length = snprintf(line, sizeof line, "{\"t_ns\": %" PRId64, since > 0 ? since : 0);
  length += add_name(line + length, 256, name);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    length +=
        add_amount(line + length, sizeof line - (size_t)length, fields[i].key, fields[i].value);
  length += snprintf(line + length, sizeof line - (size_t)length, "}\n");
  write_line(sampler, line, (size_t)length);
}

/* Sleeps until then; false when the thread shall end. */
static bool sleep_until(dyno_memory_sampler *sampler, uint64_t then_ns)
{
  const struct timespec then = {(time_t)(then_ns / 1000000000), (long)(then_ns % 1000000000)};
  pthread_mutex_lock(&sampler->mutex);
  while (!sampler->stop &&
         pthread_cond_timedwait(&sampler->wake, &sampler->mutex, &then) != ETIMEDOUT)
    ;
  bool go_on = !sampler->stop;
  pthread_mutex_unlock(&sampler->mutex);
  return go_on;
}

static void *work(void *argument)
{
  dyno_memory_sampler *sampler = argument;
  uint64_t next = dyno_clock_ns();
  do {
    take_sample(sampler);
    uint64_t now = dyno_clock_ns();
    next += sampler->period_ns;
    if (next < now) /* stopped for a while: no samples to catch up */
      next = now + sampler->period_ns;
  } while (sleep_until(sampler, next));
  take_sample(sampler);
  return NULL;
}

static void release(dyno_memory_sampler *sampler)
{
  pthread_cond_destroy(&sampler->wake);
  pthread_mutex_destroy(&sampler->mutex);
  const int files[] = {sampler->file, sampler->statm, sampler->status};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (files[i] >= 0)
      close(files[i]);
  free(sampler->path);
  free(sampler);
}

static dyno_status begin(dyno_memory_sampler *sampler, const char *path, dyno_error *error)
{
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&sampler->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&sampler->mutex, NULL);
  sampler->path = strdup(path);
  if (sampler->path == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "memory sampler: out of memory");
  sampler->file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (sampler->file < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot be appended to: %s", path, strerror(errno));
  sampler->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  sampler->status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  int failure = pthread_create(&sampler->thread, NULL, work, sampler);
  return failure == 0
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                         "cannot start a thread that watches memory: %s", strerror(failure));
}

dyno_status dyno_memory_sampler_start(dyno_memory_sampler **sampler,
                                      const dyno_memory_sampler_options *options, dyno_error *error)
{
  *sampler = NULL;
  dyno_memory_sampler *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "memory sampler: out of memory");
  unsigned period_ms = options->period_ms == 0 ? DEFAULT_PERIOD_MS : options->period_ms;
  made->engine = options->engine;
  made->started_ns = options->started_ns;
  made->period_ns = (uint64_t)period_ms * 1000000;
  made->page = (uint64_t)sysconf(_SC_PAGESIZE);
  made->file = made->statm = made->status = -1;
  dyno_status status = begin(made, options->path, error);
  if (status != DYNO_OK)
    release(made);
  else
    *sampler = made;
  return status;
}

void dyno_memory_sampler_set_case(dyno_memory_sampler *sampler, const char *name)
{
  atomic_store(&sampler->name, name);
}

dyno_status dyno_memory_sampler_stop(dyno_memory_sampler **sampler, dyno_error *error)
{
  dyno_memory_sampler *stopping = *sampler;
  if (stopping == NULL)
    return DYNO_OK;
  pthread_mutex_lock(&stopping->mutex);
  stopping->stop = true;
  pthread_cond_signal(&stopping->wake);
  pthread_mutex_unlock(&stopping->mutex);
  pthread_join(stopping->thread, NULL);
  if (fsync(stopping->file) != 0 && errno != EINVAL && stopping->failure == 0)
    stopping->failure = errno; /* EINVAL: not a file that can be synced */
  dyno_status status = stopping->failure == 0
                           ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_IO, "%s: cannot be written: %s",
                                       stopping->path, strerror(stopping->failure));
  release(stopping);
  *sampler = NULL;
  return status;
}
