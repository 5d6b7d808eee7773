#include "harness/measure/environment.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/environment_internal.h"

static const dyno_environment_check *const tables[] = {
    dyno_processor_checks,
    dyno_load_checks,
    dyno_memory_checks,
    dyno_program_checks,
};
enum { TABLES = sizeof tables / sizeof *tables };

const char *dyno_severity_name(dyno_severity severity)
{
  static const char *const names[DYNO_SEVERITY_COUNT] = {
      [DYNO_SEVERITY_FINE] = "fine",
      [DYNO_SEVERITY_NOTE] = "note",
      [DYNO_SEVERITY_WARNING] = "warning",
      [DYNO_SEVERITY_UNFIT] = "unfit",
  };
  return names[severity];
}

void dyno_finding_set(dyno_finding *finding, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(finding->value, sizeof finding->value, format, arguments);
  va_end(arguments);
}

void dyno_finding_advise(dyno_finding *finding, dyno_severity severity, const char *format, ...)
{
  va_list arguments;
  if (severity <= finding->severity)
    return;
  finding->severity = severity;
  va_start(arguments, format);
  vsnprintf(finding->advice, sizeof finding->advice, format, arguments);
  va_end(arguments);
}

static void read_meminfo(dyno_surroundings *around)
{
  char path[DYNO_SYSTEM_PATH];
  dyno_proc_path(path, around->roots, "meminfo");
  FILE *file = fopen(path, "re");
  size_t length = 0;
  if (file != NULL) {
    length = fread(around->meminfo, 1, sizeof around->meminfo - 1, file);
    fclose(file);
  }
  around->meminfo[length] = '\0';
}

static void look_around(dyno_surroundings *around, const dyno_environment_options *options)
{
  *around = (dyno_surroundings){.options = options, .roots = &options->roots};
  if (options->watch != NULL && options->watch->seconds > 0)
    around->watch = options->watch;
  read_meminfo(around);
  char sysfs[DYNO_SYSTEM_PATH], cgroups[DYNO_SYSTEM_PATH], membership[DYNO_SYSTEM_PATH];
  dyno_sys_path(sysfs, around->roots, ".");
  dyno_sys_path(cgroups, around->roots, "fs/cgroup");
  dyno_proc_path(membership, around->roots, "self/cgroup");
  const dyno_topology_sources sources = {sysfs, cgroups, membership, options->affinity};
  around->topology_known = dyno_topology_read(&around->topology, &sources, NULL) == DYNO_OK;
}

dyno_status dyno_environment_gather(dyno_environment *environment,
                                    const dyno_environment_options *options, dyno_error *error)
{
  size_t count = 0;
  for (size_t t = 0; t < TABLES; t++)
    for (const dyno_environment_check *check = tables[t]; check->name != NULL; check++)
      count++;
  dyno_surroundings *around = malloc(sizeof *around);
  *environment = (dyno_environment){calloc(count, sizeof *environment->items), 0};
  if (around == NULL || environment->items == NULL) {
    free(around);
    dyno_environment_free(environment);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "environment: out of memory");
  }
  look_around(around, options);
  for (size_t t = 0; t < TABLES; t++)
    for (const dyno_environment_check *check = tables[t]; check->name != NULL; check++) {
      dyno_finding *finding = &environment->items[environment->count++];
      finding->name = check->name;
      finding->why = check->why;
      check->look(finding, around);
    }
  free(around);
  return DYNO_OK;
}

void dyno_environment_free(dyno_environment *environment)
{
  free(environment->items);
  *environment = (dyno_environment){0};
}

dyno_severity dyno_environment_worst(const dyno_environment *environment)
{
  dyno_severity worst = DYNO_SEVERITY_FINE;
  for (size_t i = 0; i < environment->count; i++)
    if (environment->items[i].severity > worst)
      worst = environment->items[i].severity;
  return worst;
}
