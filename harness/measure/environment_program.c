/* The program itself, what it can count, and what the memory gave it. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "harness/measure/counters.h"
#include "harness/measure/energy.h"
#include "harness/measure/environment_internal.h"
#include "harness/report/units.h"

static void look_at_build(dyno_finding *finding, const dyno_surroundings *around)
{
  (void)around;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
  static const bool sanitized = true;
#else
  static const bool sanitized = false;
#endif
#ifdef __OPTIMIZE__
  static const bool optimized = true;
#else
  static const bool optimized = false;
#endif
#ifdef __clang__
  static const char compiler[] = __VERSION__;
#else
  static const char compiler[] = "gcc " __VERSION__;
#endif
  dyno_finding_set(finding, "%s, %s, %s%s", PACKAGE_STRING, compiler,
                   optimized ? "optimized" : "not optimized", sanitized ? ", sanitized" : "");
  if (!optimized || sanitized)
    dyno_finding_advise(finding, DYNO_SEVERITY_UNFIT,
                        "./configure CFLAGS='-O2 -g' && make clean && make");
}

static void look_at_kernel(dyno_finding *finding, const dyno_surroundings *around)
{
  struct utsname name;
  (void)around;
  if (uname(&name) != 0)
    dyno_finding_set(finding, "n/a (the system does not tell)");
  else
    dyno_finding_set(finding, "%.60s %.60s %.60s", name.sysname, name.release, name.machine);
}

static const char *variable(const dyno_surroundings *around, const char *name)
{
  char *const *all = around->options->variables != NULL ? around->options->variables : environ;
  size_t length = strlen(name);
  for (; all != NULL && *all != NULL; all++)
    if (strncmp(*all, name, length) == 0 && (*all)[length] == '=')
      return *all + length + 1;
  return NULL;
}

static void look_at_variables(dyno_finding *finding, const dyno_surroundings *around)
{
  static const char *const names[] = {"MALLOC_ARENA_MAX",         "MALLOC_MMAP_THRESHOLD_",
                                      "GLIBC_TUNABLES",           "CACHE_SIZE_MB",
                                      "CACHE_EVICTION_THRESHOLD", "LD_PRELOAD"};
  size_t length = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = variable(around, names[i]);
    if (value != NULL && length < sizeof finding->value)
      length += (size_t)snprintf(finding->value + length, sizeof finding->value - length,
                                 "%s%s=%.40s", length > 0 ? " " : "", names[i], value);
  }
  if (length == 0)
    dyno_finding_set(finding, "none is set, and none is needed");
  if (variable(around, "LD_PRELOAD") != NULL)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE, "unset LD_PRELOAD");
}

/* Tries each counter that a benchmark would take here by default. */
static void look_at_counters(dyno_finding *finding, const dyno_surroundings *around)
{
  static const char *const software[] = {"page-faults", "task-clock"};
  dyno_counters *counters;
  dyno_cpu cpu;
  char line[DYNO_SYSTEM_LINE];
  size_t count = 0, hardware = 0, hardware_had = 0, software_had = 0;
  const char *missing = "";
  dyno_cpu_detect(&cpu);
  const dyno_counter_set *set = dyno_counter_default_set(&cpu);
  while (count < sizeof set->names / sizeof *set->names && set->names[count] != NULL)
    count++;
  if (dyno_counters_open(&counters, set->names, count, NULL) != DYNO_OK) {
    dyno_finding_set(finding, "n/a (out of memory)");
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const char *reason = dyno_counters_reason(counters, i);
    bool soft = strcmp(set->names[i], software[0]) == 0 || strcmp(set->names[i], software[1]) == 0;
    hardware += !soft;
    hardware_had += !soft && reason[0] == '\0';
    software_had += soft && reason[0] == '\0';
    if (!soft && missing[0] == '\0')
      missing = reason;
  }
  dyno_proc_line(line, around->roots, "sys/kernel/perf_event_paranoid");
  if (hardware_had > 0)
    dyno_finding_set(finding, "T2: %zu of %zu for %s; perf_event_paranoid %s", hardware_had,
                     hardware, set->title, line[0] != '\0' ? line : "n/a");
  else
    dyno_finding_set(finding, "T1: bytes and MACs that dyno counts%s; none of %zu for %s (%s)",
                     software_had > 0 ? ", page faults" : "", hardware, set->title, missing);
  if (strncmp(missing, "denied", 6) == 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE, "sudo sysctl kernel.perf_event_paranoid=1");
  dyno_counters_close(&counters);
}

static void look_at_energy(dyno_finding *finding, const dyno_surroundings *around)
{
  dyno_energy_meter meter;
  dyno_energy_open(&meter, around->roots);
  if (meter.count > 0)
    dyno_finding_set(finding, "%u packages", meter.count);
  else
    dyno_finding_set(finding, "n/a (%s)", meter.reason);
  if (strncmp(meter.reason, "denied", 6) == 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj");
  dyno_energy_close(&meter);
}

static void look_at_bandwidth(dyno_finding *finding, const dyno_surroundings *around)
{
  char one[DYNO_UNIT_TEXT], all[DYNO_UNIT_TEXT];
  if (around->watch == NULL || isnan(around->watch->read_all)) {
    dyno_finding_set(finding, "n/a (not measured)");
    return;
  }
  dyno_format_rate(one, around->watch->read_one, "B/s");
  dyno_format_rate(all, around->watch->read_all, "B/s");
  dyno_finding_set(finding, "%s with %zu threads, %s with one", all, around->watch->read_threads,
                   one);
  if (around->watch->read_threads > 1 && around->watch->read_all < around->watch->read_one * 0.9)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                        "more threads read less than one: something else uses the memory; wait, "
                        "or try --threads=1");
}

const dyno_environment_check dyno_program_checks[] = {
    {"build", "Without optimization every figure is that of another program.", look_at_build},
    {"kernel", "Linux 6.1 collapses pages of files to huge ones, 6.7 tells where they are.",
     look_at_kernel},
    {"variables", "Some change how memory is taken; weights do not come from malloc.",
     look_at_variables},
    {"counters", "Without counters of the core, bytes and MACs that dyno counts have to do.",
     look_at_counters},
    {"energy", "Joules per token, where the packages count them.", look_at_energy},
    {"read bandwidth", "Decoding can be no faster than the weights are read.", look_at_bandwidth},
    {0},
};
