#include "harness/measure/interference.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const resources[3] = {"cpu", "memory", "io"};

const char *dyno_disturbance_name(dyno_disturbance disturbance)
{
  static const char *const names[DYNO_DISTURBANCE_COUNT] = {
      [DYNO_CPU_NS] = "cpu_ns",
      [DYNO_SYSTEM_NS] = "system_ns",
      [DYNO_STEAL_NS] = "steal_ns",
      [DYNO_PRESSURE_CPU_NS] = "pressure_cpu_ns",
      [DYNO_PRESSURE_MEMORY_NS] = "pressure_memory_ns",
      [DYNO_PRESSURE_IO_NS] = "pressure_io_ns",
      [DYNO_GROUP_PRESSURE_CPU_NS] = "group_pressure_cpu_ns",
      [DYNO_GROUP_PRESSURE_MEMORY_NS] = "group_pressure_memory_ns",
      [DYNO_GROUP_PRESSURE_IO_NS] = "group_pressure_io_ns",
      [DYNO_THROTTLED_NS] = "throttled_ns",
      [DYNO_VOLUNTARY_SWITCHES] = "voluntary_switches",
      [DYNO_INVOLUNTARY_SWITCHES] = "involuntary_switches",
      [DYNO_MINOR_FAULTS] = "minor_faults",
      [DYNO_MAJOR_FAULTS] = "major_faults",
  };
  return names[disturbance];
}

/* Reads a file of /proc or of a control group anew, into text [size]; "" when it cannot. */
static void read_again(char *text, size_t size, int file)
{
  ssize_t length = file < 0 ? -1 : pread(file, text, size - 1, 0);
  text[length > 0 ? length : 0] = '\0';
}

/* The CPU time in the first lines of /proc/stat: user nice system idle iowait irq softirq steal. */
static int64_t read_steal(const dyno_interference_meter *meter)
{
  char text[512];
  unsigned long long steal;
  read_again(text, sizeof text, meter->stat);
  if (sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1 ||
      steal > (unsigned long long)(INT64_MAX / meter->tick_ns))
    return DYNO_NOT_TOLD;
  return (int64_t)steal * meter->tick_ns;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS" */
static int64_t read_pressure(int file)
{
  char text[256];
  unsigned long long total;
  read_again(text, sizeof text, file);
  if (sscanf(text, "some avg10=%*f avg60=%*f avg300=%*f total=%llu", &total) != 1 ||
      total > INT64_MAX / 1000)
    return DYNO_NOT_TOLD;
  return (int64_t)total * 1000;
}

/* Microseconds in version 2 of control groups, nanoseconds in version 1. */
static int64_t read_throttled(int file)
{
  char text[1024];
  int64_t time;
  read_again(text, sizeof text, file);
  if (dyno_keyed_number(&time, text, "throttled_usec"))
    return time > INT64_MAX / 1000 ? DYNO_NOT_TOLD : time * 1000;
  return dyno_keyed_number(&time, text, "throttled_time") ? time : DYNO_NOT_TOLD;
}

static int open_file(const char *path)
{
  return open(path, O_RDONLY | O_CLOEXEC);
}

static void keep_first(int *file, const char *folder, const char *name)
{
  char path[DYNO_SYSTEM_PATH];
  int length = snprintf(path, sizeof path, "%s/%s", folder, name);
  if (*file < 0 && length > 0 && (size_t)length < sizeof path)
    *file = open_file(path);
}

/* The innermost group that tells; in version 1 none tells of pressure. */
static void open_group(void *context, const char *folder, int version)
{
  dyno_interference_meter *meter = context;
  (void)version;
  for (size_t i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s.pressure", resources[i]);
    keep_first(&meter->group_pressure[i], folder, name);
  }
  if (meter->group_cpu >= 0)
    return;
  keep_first(&meter->group_cpu, folder, "cpu.stat");
  /* Without the controller there is a cpu.stat that does not tell of throttling. */
  if (meter->group_cpu >= 0 && read_throttled(meter->group_cpu) == DYNO_NOT_TOLD) {
    close(meter->group_cpu);
    meter->group_cpu = -1;
  }
}

void dyno_interference_open(dyno_interference_meter *meter, const dyno_roots *roots)
{
  char path[DYNO_SYSTEM_PATH];
  long ticks = sysconf(_SC_CLK_TCK);
  *meter = (dyno_interference_meter){
      .group_pressure = {-1, -1, -1},
      .group_cpu = -1,
      .tick_ns = 1000000000 / (ticks > 0 ? ticks : 100),
  };
  dyno_proc_path(path, roots, "stat");
  meter->stat = open_file(path);
  for (size_t i = 0; i < 3; i++) {
    dyno_proc_path(path, roots, "pressure/%s", resources[i]);
    meter->pressure[i] = open_file(path);
  }
  dyno_roots_visit_groups(roots, "cpu", open_group, meter);
}

static void close_file(int *file)
{
  if (*file >= 0)
    close(*file);
  *file = -1;
}

void dyno_interference_close(dyno_interference_meter *meter)
{
  close_file(&meter->stat);
  close_file(&meter->group_cpu);
  for (size_t i = 0; i < 3; i++) {
    close_file(&meter->pressure[i]);
    close_file(&meter->group_pressure[i]);
  }
}

static int64_t nanoseconds(struct timeval of)
{
  return (int64_t)of.tv_sec * 1000000000 + (int64_t)of.tv_usec * 1000;
}

static void read_usage(dyno_interference *now)
{
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0)
    return;
  now->value[DYNO_CPU_NS] = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  now->value[DYNO_SYSTEM_NS] = nanoseconds(usage.ru_stime);
  now->value[DYNO_VOLUNTARY_SWITCHES] = usage.ru_nvcsw;
  now->value[DYNO_INVOLUNTARY_SWITCHES] = usage.ru_nivcsw;
  now->value[DYNO_MINOR_FAULTS] = usage.ru_minflt;
  now->value[DYNO_MAJOR_FAULTS] = usage.ru_majflt;
}

void dyno_interference_read(const dyno_interference_meter *meter, dyno_interference *now)
{
  for (size_t i = 0; i < DYNO_DISTURBANCE_COUNT; i++)
    now->value[i] = DYNO_NOT_TOLD;
  now->value[DYNO_STEAL_NS] = read_steal(meter);
  for (size_t i = 0; i < 3; i++) {
    now->value[DYNO_PRESSURE_CPU_NS + i] = read_pressure(meter->pressure[i]);
    now->value[DYNO_GROUP_PRESSURE_CPU_NS + i] = read_pressure(meter->group_pressure[i]);
  }
  now->value[DYNO_THROTTLED_NS] = read_throttled(meter->group_cpu);
  read_usage(now);
}

dyno_interference dyno_interference_between(const dyno_interference *before,
                                            const dyno_interference *after)
{
  dyno_interference difference;
  for (size_t i = 0; i < DYNO_DISTURBANCE_COUNT; i++) {
    int64_t from = before->value[i], to = after->value[i];
    if (from == DYNO_NOT_TOLD || to == DYNO_NOT_TOLD)
      difference.value[i] = DYNO_NOT_TOLD;
    else
      difference.value[i] = to > from ? to - from : 0;
  }
  return difference;
}
