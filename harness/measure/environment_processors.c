/* What the processors are, and how fast they may run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/measure/environment_internal.h"
#include "kernels/base/clock.h"
#include "kernels/base/cpu.h"

#define CPUS "/sys/devices/system/cpu"

static void look_at_processors(dyno_finding *finding, const dyno_surroundings *around)
{
  const dyno_topology *topology = &around->topology;
  dyno_cpu cpu;
  char text[DYNO_SYSTEM_LINE];
  dyno_cpu_list online;
  if (!around->topology_known) {
    dyno_finding_set(finding, "n/a (the affinity mask cannot be read)");
    return;
  }
  dyno_cpu_detect(&cpu);
  dyno_finding_set(finding, "%s, %u cores, %u threads", cpu.name, topology->core_count,
                   topology->cpu_count);
  unsigned all = 0;
  if (dyno_sys_line(text, around->roots, "devices/system/cpu/online") &&
      dyno_cpu_list_parse(&online, text))
    for (unsigned i = 0; i < DYNO_MOST_CPUS; i++)
      all += online.has[i];
  if (all > topology->cpu_count) {
    dyno_finding_set(finding, "%s, %u cores, %u threads, of %u of the machine", cpu.name,
                     topology->core_count, topology->cpu_count, all);
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "taskset -pc 0-%u $$, unless the others are busy or not ours to use",
                        all - 1);
  }
}

static void look_at_tier(dyno_finding *finding, const dyno_surroundings *around)
{
  dyno_cpu cpu;
  (void)around;
  dyno_cpu_detect(&cpu);
  dyno_finding_set(finding, "%s", dyno_isa_name(cpu.isa));
  for (int isa = (int)cpu.isa + 1; isa < DYNO_ISA_COUNT; isa++)
    if (cpu.missing[isa] != NULL) {
      dyno_finding_set(finding, "%s; %s needs %s", dyno_isa_name(cpu.isa),
                       dyno_isa_name((dyno_isa)isa), cpu.missing[isa]);
      break;
    }
  if (cpu.isa == DYNO_ISA_REF)
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                        "only the portable kernels run here; in a virtual machine, ask for the "
                        "host's CPU model (qemu: -cpu host)");
}

static void look_at_hypervisor(dyno_finding *finding, const dyno_surroundings *around)
{
  char path[DYNO_SYSTEM_PATH], line[4096];
  bool guest = false;
  dyno_proc_path(path, around->roots, "cpuinfo");
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    dyno_finding_set(finding, "n/a (no /proc/cpuinfo)");
    return;
  }
  while (!guest && fgets(line, sizeof line, file) != NULL)
    guest = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL;
  fclose(file);
  dyno_finding_set(finding, guest ? "virtual machine" : "none seen");
  if (guest)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "compare only what was measured in turns, in the same minutes: `dyno "
                        "compare`; or take a dedicated host");
}

/* Counts the processors with each content of a file of theirs, as "performance" or "performance
 * (3), powersave (1)". True when some of them have one that is not `wanted`. */
static bool count_contents(dyno_finding *finding, const dyno_surroundings *around, const char *file,
                           const char *wanted, const char *missing)
{
  enum { KINDS = 4 };
  char kind[KINDS][32], line[DYNO_SYSTEM_LINE];
  unsigned count[KINDS] = {0}, kinds = 0;
  bool other = false;
  for (unsigned i = 0; i < around->topology.cpu_count; i++) {
    unsigned k = 0;
    if (!dyno_sys_line(line, around->roots, "devices/system/cpu/cpu%u/%s", around->topology.cpus[i],
                       file))
      continue;
    line[sizeof kind[0] - 1] = '\0';
    while (k < kinds && strcmp(kind[k], line) != 0)
      k++;
    if (k == KINDS)
      continue;
    if (k == kinds)
      strcpy(kind[kinds++], line);
    count[k]++;
    other = other || strcmp(line, wanted) != 0;
  }
  size_t length = 0;
  for (unsigned k = 0; k < kinds && length < sizeof finding->value; k++)
    length +=
        (size_t)snprintf(finding->value + length, sizeof finding->value - length,
                         kinds == 1 ? "%s%s" : "%s%s (%u)", k > 0 ? ", " : "", kind[k], count[k]);
  if (kinds == 0)
    dyno_finding_set(finding, "n/a (%s)", missing);
  return other;
}

static void look_at_governor(dyno_finding *finding, const dyno_surroundings *around)
{
  if (count_contents(finding, around, "cpufreq/scaling_governor", "performance",
                     "the system does not set the clock; in a virtual machine its host does"))
    dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                        "echo performance | sudo tee " CPUS "/cpu*/cpufreq/scaling_governor");
}

static void look_at_boost(dyno_finding *finding, const dyno_surroundings *around)
{
  char line[DYNO_SYSTEM_LINE];
  const char *command = NULL;
  if (dyno_sys_line(line, around->roots, "devices/system/cpu/intel_pstate/no_turbo")) {
    command = strcmp(line, "0") == 0 ? "echo 1 | sudo tee " CPUS "/intel_pstate/no_turbo" : NULL;
  } else if (dyno_sys_line(line, around->roots, "devices/system/cpu/cpufreq/boost")) {
    command = strcmp(line, "1") == 0 ? "echo 0 | sudo tee " CPUS "/cpufreq/boost" : NULL;
  } else {
    dyno_finding_set(finding, "n/a (the system does not tell)");
    return;
  }
  dyno_finding_set(finding, command != NULL ? "on" : "off");
  if (command != NULL)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE, "%s: slower, but steadier", command);
}

static void look_at_smt(dyno_finding *finding, const dyno_surroundings *around)
{
  const dyno_topology *topology = &around->topology;
  char control[DYNO_SYSTEM_LINE];
  dyno_sys_line(control, around->roots, "devices/system/cpu/smt/control");
  if (!around->topology_known || !topology->cores_known)
    dyno_finding_set(finding, "n/a (the system does not tell which threads share a core)");
  else if (topology->cpu_count == topology->core_count)
    dyno_finding_set(finding, "none%s%s", control[0] != '\0' ? ", " : "", control);
  else
    dyno_finding_set(finding, "%u siblings%s%s", topology->cpu_count - topology->core_count,
                     control[0] != '\0' ? ", " : "", control);
  /* Not a fault: dyno takes one thread of each core. */
}

static void look_at_isolated(dyno_finding *finding, const dyno_surroundings *around)
{
  char line[DYNO_SYSTEM_LINE], path[DYNO_SYSTEM_PATH];
  dyno_cpu_list isolated;
  dyno_sys_path(path, around->roots, "devices/system/cpu/isolated");
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    dyno_finding_set(finding, "n/a (the system does not tell)");
    return;
  }
  fclose(file);
  dyno_sys_line(line, around->roots, "devices/system/cpu/isolated");
  if (line[0] == '\0' || !dyno_cpu_list_parse(&isolated, line)) {
    dyno_finding_set(finding, "none");
    return;
  }
  unsigned ours = 0;
  for (unsigned i = 0; i < around->topology.cpu_count; i++)
    ours += isolated.has[around->topology.cpus[i]];
  dyno_finding_set(finding, "%s; %u of them are ours", line, ours);
  if (ours == 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE, "taskset -c %s dyno ...", line);
}

static void look_at_clock(dyno_finding *finding, const dyno_surroundings *around)
{
  enum { READS = 1000 };
  static const char *const fast[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page",
                                     "arch_sys_counter"};
  char line[DYNO_SYSTEM_LINE];
  uint64_t begin = dyno_clock_ns();
  for (int i = 0; i < READS - 1; i++)
    dyno_clock_ns();
  double each = (double)(dyno_clock_ns() - begin) / READS;
  if (!dyno_sys_line(line, around->roots,
                     "devices/system/clocksource/clocksource0/current_clocksource")) {
    dyno_finding_set(finding, "n/a (the system does not tell), %.0f ns a look", each);
    return;
  }
  dyno_finding_set(finding, "%s, %.0f ns a look", line, each);
  for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
    if (strcmp(line, fast[i]) == 0)
      return;
  dyno_finding_advise(finding, DYNO_SEVERITY_WARNING,
                      "echo tsc | sudo tee "
                      "/sys/devices/system/clocksource/clocksource0/current_clocksource, if it is "
                      "among the available ones; else boot with tsc=reliable");
}

static void look_at_heat(dyno_finding *finding, const dyno_surroundings *around)
{
  char line[DYNO_SYSTEM_LINE];
  unsigned long long throttled = 0;
  bool told = false;
  for (unsigned i = 0; i < around->topology.cpu_count; i++)
    if (dyno_sys_line(line, around->roots,
                      "devices/system/cpu/cpu%u/thermal_throttle/package_throttle_count",
                      around->topology.cpus[i])) {
      unsigned long long count = strtoull(line, NULL, 10);
      throttled = count > throttled ? count : throttled;
      told = true;
    }
  if (!told) {
    dyno_finding_set(finding, "n/a (the system does not count)");
    return;
  }
  dyno_finding_set(finding, "throttled %llu times since boot", throttled);
  if (throttled > 0)
    dyno_finding_advise(finding, DYNO_SEVERITY_NOTE,
                        "cool it better; if the count grows while you measure, results are those "
                        "of a hot machine");
}

const dyno_environment_check dyno_processor_checks[] = {
    {"processors", "Threads and rows are shared out over the cores that the process may use.",
     look_at_processors},
    {"instruction sets", "The kernels of a tier are several times as fast as those below it.",
     look_at_tier},
    {"hypervisor", "Guests share memory bandwidth with neighbours that nothing shows.",
     look_at_hypervisor},
    {"governor", "A governor that saves power raises the clock too late.", look_at_governor},
    {"boost", "The clock above the nominal one depends on heat and on what neighbours do.",
     look_at_boost},
    {"hyper-threads", "Two threads of a core share its vector units; dyno uses one of them.",
     look_at_smt},
    {"isolated processors", "On isolated processors nothing else is scheduled.", look_at_isolated},
    {"clock", "A slow clock source costs a system call at each look.", look_at_clock},
    {"heat", "A processor that is too hot lowers its clock.", look_at_heat},
    {0},
};
