/* What else runs on the machine, and what the process is allowed of it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/measure/environment_internal.h"

/* The part of the watched time, of so many processors. */
static double share(const dyno_surroundings *around, dyno_disturbance of, unsigned processors)
{
  int64_t value = around->watch->during.value[of];
  return (double)value * 1e-9 / around->watch->seconds / (processors > 0 ? processors : 1);
}

static void look_at_quota(dyno_finding *finding, const dyno_surroundings *around)
{
  const dyno_topology *topology = &around->topology;
  if (!around->topology_known || topology->quota <= 0) {
    dyno_finding_set(finding, "none");
    return;
  }
  dyno_finding_set(finding, "%.3g processors", topology->quota);
  if (topology->quota < topology->core_count)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                        "give the container as many processors as the %u cores it sees (cpu.max, "
                        "docker --cpus), or bind it to fewer (--cpuset-cpus)",
                        topology->core_count);
}

static void look_at_throttling(dyno_finding *finding, const dyno_surroundings *around)
{
  if (around->watch == NULL) {
    dyno_finding_set(finding, "n/a (not watched)");
    return;
  }
  if (around->watch->during.value[DYNO_THROTTLED_NS] == DYNO_NOT_TOLD) {
    dyno_finding_set(finding, "n/a (no control group counts it)");
    return;
  }
  double part = share(around, DYNO_THROTTLED_NS, around->topology.cpu_count);
  dyno_finding_set(finding, "%.2g %% of the time", part * 100);
  if (part > 0)
    dyno_finding_advise(finding, part > 0.01 ? DYNO_SEVERITY_UNFIT : DYNO_SEVERITY_WARNING,
                        "raise the quota (cpu.max), or use fewer threads: --threads");
}

static void look_at_steal(dyno_finding *finding, const dyno_surroundings *around)
{
  if (around->watch == NULL) {
    dyno_finding_set(finding, "n/a (not watched)");
    return;
  }
  if (around->watch->during.value[DYNO_STEAL_NS] == DYNO_NOT_TOLD) {
    dyno_finding_set(finding, "n/a (the system does not tell)");
    return;
  }
  double part = share(around, DYNO_STEAL_NS, around->topology.cpu_count);
  dyno_finding_set(finding, "%.2g %% of %.2g s", part * 100, around->watch->seconds);
  if (part >= 0.01)
    dyno_finding_advise(finding, part >= 0.05 ? DYNO_SEVERITY_UNFIT : DYNO_SEVERITY_WARNING,
                        "the host's processors are oversold: wait, or move to another host");
}

/* Advice at these averages over ten seconds, in percent. */
typedef struct pressure_bounds {
  double warning, unfit;
  const char *advice;
} pressure_bounds;

static void look_at_pressure(dyno_finding *finding, const dyno_surroundings *around,
                             const char *resource, const pressure_bounds *bounds)
{
  char line[DYNO_SYSTEM_LINE];
  double now, minute;
  if (!dyno_proc_line(line, around->roots, "pressure/%s", resource) ||
      sscanf(line, "some avg10=%lf avg60=%lf", &now, &minute) != 2) {
    dyno_finding_set(finding, "n/a (no /proc/pressure; boot with psi=1)");
    return;
  }
  dyno_finding_set(finding, "%.3g %% in 10 s, %.3g %% in a minute", now, minute);
  if (now >= bounds->unfit)
    dyno_finding_advise(finding, DYNO_SEVERITY_UNFIT, "%s", bounds->advice);
  else if (now >= bounds->warning)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING, "%s", bounds->advice);
}

static void look_at_cpu_pressure(dyno_finding *finding, const dyno_surroundings *around)
{
  const pressure_bounds bounds = {5, 25, "stop what else runs: top -o %CPU"};
  look_at_pressure(finding, around, "cpu", &bounds);
}

static void look_at_memory_pressure(dyno_finding *finding, const dyno_surroundings *around)
{
  const pressure_bounds bounds = {1, 10, "free memory: top -o %MEM"};
  look_at_pressure(finding, around, "memory", &bounds);
}

static void look_at_io_pressure(dyno_finding *finding, const dyno_surroundings *around)
{
  const pressure_bounds bounds = {10, 60, "wait for the disk: iotop -oa"};
  look_at_pressure(finding, around, "io", &bounds);
}

static void look_at_load(dyno_finding *finding, const dyno_surroundings *around)
{
  char line[DYNO_SYSTEM_LINE];
  double minute, five;
  unsigned running;
  if (!dyno_proc_line(line, around->roots, "loadavg") ||
      sscanf(line, "%lf %lf %*f %u", &minute, &five, &running) != 3) {
    dyno_finding_set(finding, "n/a (no /proc/loadavg)");
    return;
  }
  dyno_finding_set(finding, "%.3g in a minute, %.3g in five, %u running now", minute, five,
                   running);
  if (running > 1 && minute >= 0.5) /* one of them is this program */
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING, "stop what else runs: top -o %%CPU");
}

static void look_at_priority(dyno_finding *finding, const dyno_surroundings *around)
{
  (void)around;
  errno = 0;
  int niceness = getpriority(PRIO_PROCESS, 0);
  if (errno != 0) {
    dyno_finding_set(finding, "n/a (the system does not tell)");
    return;
  }
  dyno_finding_set(finding, "nice %d", niceness);
  if (niceness > 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                        "start it without nice; sudo renice -n 0 -p $$ for this shell");
}

static void look_at_tracer(dyno_finding *finding, const dyno_surroundings *around)
{
  char path[DYNO_SYSTEM_PATH], text[4096];
  int64_t tracer = 0;
  dyno_proc_path(path, around->roots, "self/status");
  FILE *file = fopen(path, "re");
  size_t length = 0;
  if (file != NULL) {
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
  }
  text[length] = '\0';
  if (!dyno_keyed_number(&tracer, text, "TracerPid")) {
    dyno_finding_set(finding, "n/a (the system does not tell)");
    return;
  }
  dyno_finding_set(finding, tracer == 0 ? "none" : "process %lld", (long long)tracer);
  if (tracer != 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_UNFIT, "run it without a debugger or strace");
}

const dyno_environment_check dyno_load_checks[] = {
    {"quota", "A control group that has used its share is stopped for the rest of the period.",
     look_at_quota},
    {"throttling", "Time in which the quota was used up is time without work.", look_at_throttling},
    {"steal", "Time in which the hypervisor ran somebody else on our processors.", look_at_steal},
    {"processor pressure", "Tasks waited for a processor: somebody competes for it.",
     look_at_cpu_pressure},
    {"memory pressure", "Tasks waited for memory: pages of weights may be thrown out.",
     look_at_memory_pressure},
    {"disk pressure", "Tasks waited for a disk: loading will, too.", look_at_io_pressure},
    {"load", "Other programs take processor time, caches and memory bandwidth.", look_at_load},
    {"priority", "A program that is nice to others yields to all of them.", look_at_priority},
    {"tracer", "A debugger stops the program at every system call.", look_at_tracer},
    {0},
};
