/* What is found on machines as they are, and what is said about it. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/measure/environment.h"
#include "harness/report/environment_report.h"
#include "tests/unit/system_tree.h"

/* Two sockets of two cores with two threads, well kept. */
static system_tree good_machine(void)
{
  system_tree made = system_tree_make();
  for (int cpu = 0; cpu < 8; cpu++) {
    char siblings[32];
    snprintf(siblings, sizeof siblings, "%d,%d", cpu % 4, cpu % 4 + 4);
    system_tree_put(&made, siblings, "sys/devices/system/cpu/cpu%d/topology/core_cpus_list", cpu);
    system_tree_put(&made, "performance", "sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor",
                    cpu);
    system_tree_put(&made, "0",
                    "sys/devices/system/cpu/cpu%d/thermal_throttle/package_throttle_count", cpu);
  }
  system_tree_put(&made, "0-7", "sys/devices/system/cpu/online");
  system_tree_put(&made, "1", "sys/devices/system/cpu/intel_pstate/no_turbo");
  system_tree_put(&made, "on", "sys/devices/system/cpu/smt/control");
  system_tree_put(&made, "", "sys/devices/system/cpu/isolated");
  system_tree_put(&made, "0-1", "sys/devices/system/node/online");
  system_tree_put(&made, "0,1,4,5", "sys/devices/system/node/node0/cpulist");
  system_tree_put(&made, "2,3,6,7", "sys/devices/system/node/node1/cpulist");
  system_tree_put(&made, "10 21", "sys/devices/system/node/node0/distance");
  system_tree_put(&made, "21 10", "sys/devices/system/node/node1/distance");
  system_tree_put(&made, "tsc", "sys/devices/system/clocksource/clocksource0/current_clocksource");
  system_tree_put(&made, "always [madvise] never", "sys/kernel/mm/transparent_hugepage/enabled");
  system_tree_put(&made, "always defer [madvise] never",
                  "sys/kernel/mm/transparent_hugepage/defrag");
  system_tree_put(&made, "0", "proc/sys/kernel/numa_balancing");
  system_tree_put(&made, "0.02 0.10 0.20 1/200 4711", "proc/loadavg");
  system_tree_put(&made, "flags\t\t: fpu vme de", "proc/cpuinfo");
  system_tree_put(&made, "Name:\tdyno\nTracerPid:\t0", "proc/self/status");
  static const char *const resources[] = {"cpu", "memory", "io"};
  for (size_t i = 0; i < 3; i++)
    system_tree_put(&made, "some avg10=0.00 avg60=0.10 avg300=0.00 total=123", "proc/pressure/%s",
                    resources[i]);
  system_tree_put(&made,
                  "MemTotal: 33554432 kB\nMemFree: 20971520 kB\nMemAvailable: 25165824 kB\n"
                  "SwapTotal: 1048576 kB\nSwapFree: 1048576 kB\nHugePages_Total: 0\n"
                  "HugePages_Free: 0\nHugepagesize: 2048 kB",
                  "proc/meminfo");
  system_tree_put(&made,
                  "Node 0, zone   Normal 1 2 3 4 5 6 7 8 9 1024 4096\n"
                  "Node 1, zone   Normal 1 2 3 4 5 6 7 8 9 0 512",
                  "proc/buddyinfo");
  return made;
}

static dyno_environment gather(const system_tree *of, dyno_environment_options options)
{
  dyno_environment environment;
  static char *none[] = {NULL};
  options.roots = (dyno_roots){of->proc, of->sys};
  options.affinity = "0-7";
  if (options.variables == NULL)
    options.variables = none;
  cr_assert(dyno_environment_gather(&environment, &options, NULL) == DYNO_OK, "memory");
  return environment;
}

static const dyno_finding *find(const dyno_environment *in, const char *name)
{
  for (size_t i = 0; i < in->count; i++)
    if (strcmp(in->items[i].name, name) == 0)
      return &in->items[i];
  cr_assert(false, "there is no '%s'", name);
  return NULL;
}

static void expect(const dyno_environment *in, const char *name, const char *value,
                   dyno_severity severity)
{
  const dyno_finding *finding = find(in, name);
  cr_assert(strstr(finding->value, value) != NULL, "%s: '%s' is not in '%s'", name, value,
            finding->value);
  cr_assert(finding->severity == severity, "%s ('%s') is rated %s: %s", name, finding->value,
            dyno_severity_name(finding->severity), finding->advice);
}

/* Those that look at this process, not at the tree. */
static const char *const of_this_process[] = {"build", "priority", "instruction sets", "counters"};

Test(environment, a_well_kept_machine_needs_no_advice)
{
  system_tree of = good_machine();
  dyno_environment environment = gather(&of, (dyno_environment_options){0});
  for (size_t i = 0; i < environment.count; i++) {
    const dyno_finding *finding = &environment.items[i];
    bool own = false;
    for (size_t j = 0; j < sizeof of_this_process / sizeof *of_this_process; j++)
      own = own || strcmp(finding->name, of_this_process[j]) == 0;
    cr_assert(finding->value[0] != '\0' && finding->why[0] != '\0', "%s says nothing",
              finding->name);
    cr_assert((finding->advice[0] != '\0') == (finding->severity != DYNO_SEVERITY_FINE),
              "%s: advice goes with a rating", finding->name);
    cr_assert(own || finding->severity == DYNO_SEVERITY_FINE, "%s: %s: %s", finding->name,
              finding->value, finding->advice);
  }
  expect(&environment, "processors", "4 cores, 8 threads", DYNO_SEVERITY_FINE);
  expect(&environment, "hyper-threads", "4 siblings, on", DYNO_SEVERITY_FINE);
  expect(&environment, "nodes", "2, distances 10 21, 21 10", DYNO_SEVERITY_FINE);
  expect(&environment, "memory", "24.0 GiB available of 32.0 GiB", DYNO_SEVERITY_FINE);
  expect(&environment, "fragmentation", "20.0 GiB of 20.0 GiB", DYNO_SEVERITY_FINE);
  expect(&environment, "isolated processors", "none", DYNO_SEVERITY_FINE);
  expect(&environment, "steal", "n/a (not watched)", DYNO_SEVERITY_FINE);
  dyno_environment_free(&environment);
  system_tree_remove(&of);
}

/* One file of the good machine, changed. */
static const struct {
  const char *path, *content, *name, *value, *advice;
  dyno_severity severity;
} flaws[] = {
    {"sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave", "governor",
     "performance (7), powersave (1)",
     "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
     DYNO_SEVERITY_WARNING},
    {"sys/devices/system/cpu/intel_pstate/no_turbo", "0", "boost", "on",
     "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo", DYNO_SEVERITY_NOTE},
    {"sys/devices/system/cpu/isolated", "2-3", "isolated processors", "2-3; 2 of them are ours", "",
     DYNO_SEVERITY_FINE},
    {"sys/devices/system/cpu/isolated", "8-9", "isolated processors", "8-9; 0 of them are ours",
     "taskset -c 8-9", DYNO_SEVERITY_NOTE},
    {"sys/devices/system/cpu/online", "0-15", "processors", "8 threads, of 16 of the machine",
     "taskset", DYNO_SEVERITY_NOTE},
    {"sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock", "hpet",
     "tsc", DYNO_SEVERITY_WARNING},
    {"sys/devices/system/cpu/cpu2/thermal_throttle/package_throttle_count", "17", "heat",
     "throttled 17 times", "cool", DYNO_SEVERITY_NOTE},
    {"proc/cpuinfo", "flags : fpu hypervisor lahf_lm", "hypervisor", "virtual machine", "compare",
     DYNO_SEVERITY_NOTE},
    {"proc/loadavg", "3.24 2.05 2.07 4/150 7325", "load", "3.24 in a minute, 2.05 in five, 4",
     "top", DYNO_SEVERITY_WARNING},
    {"proc/pressure/cpu", "some avg10=7.50 avg60=1.00 avg300=0.00 total=1", "processor pressure",
     "7.5 % in 10 s, 1 % in a minute", "top", DYNO_SEVERITY_WARNING},
    {"proc/pressure/cpu", "some avg10=77.11 avg60=25.19 avg300=0.00 total=1", "processor pressure",
     "77.1 %", "top", DYNO_SEVERITY_UNFIT},
    {"proc/pressure/memory", "some avg10=12.00 avg60=1.00 avg300=0.00 total=1", "memory pressure",
     "12 %", "free memory", DYNO_SEVERITY_UNFIT},
    {"proc/pressure/io", "some avg10=12.00 avg60=1.00 avg300=0.00 total=1", "disk pressure", "12 %",
     "disk", DYNO_SEVERITY_WARNING},
    {"proc/self/status", "Name:\tdyno\nTracerPid:\t815", "tracer", "process 815", "debugger",
     DYNO_SEVERITY_UNFIT},
    {"proc/sys/kernel/numa_balancing", "1", "automatic balancing", "on",
     "sysctl kernel.numa_balancing=0", DYNO_SEVERITY_WARNING},
    {"sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]",
     "transparent huge pages", "never",
     "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled", DYNO_SEVERITY_WARNING},
    {"sys/kernel/mm/transparent_hugepage/defrag", "always madvise [never]",
     "transparent huge pages", "defragmentation: never", "defrag", DYNO_SEVERITY_NOTE},
    {"proc/buddyinfo", "Node 0, zone Normal 999999 9 9 9 9 9 9 9 9 1 1", "fragmentation",
     "6.00 MiB of 20.0 GiB", "compact_memory", DYNO_SEVERITY_NOTE},
};

Test(environment, a_flaw_is_seen_rated_and_mended)
{
  for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
    system_tree of = good_machine();
    system_tree_put(&of, flaws[i].content, "%s", flaws[i].path);
    dyno_environment environment = gather(&of, (dyno_environment_options){0});
    expect(&environment, flaws[i].name, flaws[i].value, flaws[i].severity);
    const dyno_finding *finding = find(&environment, flaws[i].name);
    cr_assert(strstr(finding->advice, flaws[i].advice) != NULL, "%s: '%s'", flaws[i].name,
              finding->advice);
    cr_assert(dyno_environment_worst(&environment) >= flaws[i].severity, "the worst");
    dyno_environment_free(&environment);
    system_tree_remove(&of);
  }
}

Test(environment, memory_is_held_against_the_model_and_the_control_group)
{
  static const struct {
    uint64_t gigabytes;
    const char *limit;
    const char *value;
    dyno_severity severity;
  } cases[] = {
      {12, "max", "24.0 GiB available of 32.0 GiB; the model has 12.0 GiB", DYNO_SEVERITY_FINE},
      {23, "max", "the model has 23.0 GiB", DYNO_SEVERITY_WARNING},
      {25, "max", "the model has 25.0 GiB", DYNO_SEVERITY_UNFIT},
      {12, "10737418240", "9.00 GiB available of 32.0 GiB, as much as the control group leaves",
       DYNO_SEVERITY_UNFIT},
      {0, "10737418240", "9.00 GiB available", DYNO_SEVERITY_FINE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    system_tree of = good_machine();
    system_tree_put(&of, "0::/box", "proc/self/cgroup");
    system_tree_put(&of, cases[i].limit, "sys/fs/cgroup/box/memory.max");
    system_tree_put(&of, "3221225472", "sys/fs/cgroup/box/memory.current");
    system_tree_put(&of, "anon 1\ninactive_file 1073741824\nactive_file 1073741824",
                    "sys/fs/cgroup/box/memory.stat");
    dyno_environment environment =
        gather(&of, (dyno_environment_options){.model_bytes = cases[i].gigabytes << 30});
    expect(&environment, "memory", cases[i].value, cases[i].severity);
    dyno_environment_free(&environment);
    system_tree_remove(&of);
  }
}

Test(environment, what_was_watched_is_rated)
{
  system_tree of = good_machine();
  dyno_watch watch = {.seconds = 2, .read_one = 20e9, .read_all = 15e9, .read_threads = 2};
  watch.during.value[DYNO_STEAL_NS] = 1600000000; /* of 8 processors for 2 s: a tenth */
  watch.during.value[DYNO_THROTTLED_NS] = 16000000;
  dyno_environment environment = gather(&of, (dyno_environment_options){.watch = &watch});
  expect(&environment, "steal", "10 % of 2 s", DYNO_SEVERITY_UNFIT);
  expect(&environment, "throttling", "0.1 % of the time", DYNO_SEVERITY_WARNING);
  expect(&environment, "read bandwidth", "15.0 GB/s with 2 threads, 20.0 GB/s with one",
         DYNO_SEVERITY_WARNING);
  dyno_environment_free(&environment);
  watch.during.value[DYNO_STEAL_NS] = DYNO_NOT_TOLD;
  watch.read_all = NAN;
  environment = gather(&of, (dyno_environment_options){.watch = &watch});
  expect(&environment, "steal", "n/a (the system does not tell)", DYNO_SEVERITY_FINE);
  expect(&environment, "read bandwidth", "n/a (not measured)", DYNO_SEVERITY_FINE);
  dyno_environment_free(&environment);
  system_tree_remove(&of);
}

Test(environment, a_quota_below_the_cores_is_told)
{
  system_tree of = good_machine();
  system_tree_put(&of, "0::/", "proc/self/cgroup");
  system_tree_put(&of, "150000 100000", "sys/fs/cgroup/cpu.max");
  dyno_environment environment = gather(&of, (dyno_environment_options){0});
  expect(&environment, "quota", "1.5 processors", DYNO_SEVERITY_WARNING);
  dyno_environment_free(&environment);
  system_tree_remove(&of);
}

Test(environment, variables_and_pages_of_a_loaded_model)
{
  system_tree of = good_machine();
  char arena[] = "MALLOC_ARENA_MAX=2", preload[] = "LD_PRELOAD=libjemalloc.so", path[] = "PATH=/";
  char *variables[] = {path, arena, preload, NULL};
  const dyno_engine_placement placement = {.weights = UINT64_C(12) << 30,
                                           .resident = UINT64_C(12) << 30,
                                           .huge = UINT64_C(3) << 30,
                                           .nodes_used = 1};
  dyno_environment environment =
      gather(&of, (dyno_environment_options){.variables = variables, .placement = &placement});
  expect(&environment, "variables", "MALLOC_ARENA_MAX=2 LD_PRELOAD=libjemalloc.so",
         DYNO_SEVERITY_NOTE);
  expect(&environment, "weights on huge pages", "25.0 % of 12.0 GiB", DYNO_SEVERITY_NOTE);
  expect(&environment, "nodes", "2, distances", DYNO_SEVERITY_NOTE);
  dyno_environment_free(&environment);
  system_tree_remove(&of);
}

/* Nothing there, and nonsense everywhere: no value is made up. */
Test(environment, a_system_that_does_not_tell_is_not_blamed)
{
  static const char *const nonsense[] = {
      NULL, "", "\xff\xfe", "-1", "99999999999999999999999999", "some avg10=x", "[", "]["};
  static const char *const paths[] = {"sys/devices/system/cpu/online",
                                      "sys/devices/system/cpu/isolated",
                                      "sys/devices/system/node/online",
                                      "sys/kernel/mm/transparent_hugepage/enabled",
                                      "sys/fs/cgroup/memory.max",
                                      "sys/fs/cgroup/memory.current",
                                      "proc/self/cgroup",
                                      "proc/loadavg",
                                      "proc/meminfo",
                                      "proc/buddyinfo",
                                      "proc/pressure/cpu",
                                      "proc/cpuinfo",
                                      "proc/self/status"};
  for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
    system_tree of = system_tree_make();
    for (size_t p = 0; p < sizeof paths / sizeof *paths && nonsense[i] != NULL; p++)
      system_tree_put(&of, nonsense[i], "%s", paths[p]);
    dyno_environment environment = gather(&of, (dyno_environment_options){.model_bytes = 1});
    static const char *const unknown[] = {
        "governor",           "boost", "load",  "memory", "swap",  "transparent huge pages",
        "processor pressure", "heat",  "nodes", "energy", "tracer"};
    for (size_t u = 0; u < sizeof unknown / sizeof *unknown; u++)
      expect(&environment, unknown[u], "n/a (", DYNO_SEVERITY_FINE);
    dyno_environment_free(&environment);
    system_tree_remove(&of);
  }
}

Test(environment, the_json_has_null_where_nothing_is_to_be_done)
{
  dyno_finding items[] = {
      {.name = "a", .why = "because", .value = "fine \"as\" it is"},
      {.name = "b", .why = "so", .value = "bad", .advice = "mend", .severity = DYNO_SEVERITY_UNFIT},
  };
  const dyno_environment environment = {items, 2};
  json_t *list = dyno_environment_json(&environment);
  cr_assert(json_array_size(list) == 2, "two");
  const json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);
  cr_assert(json_is_null(json_object_get(first, "advice")), "nothing to be done");
  cr_assert(strcmp(json_string_value(json_object_get(first, "value")), items[0].value) == 0,
            "value");
  cr_assert(strcmp(json_string_value(json_object_get(second, "advice")), "mend") == 0, "advice");
  cr_assert(strcmp(json_string_value(json_object_get(second, "severity")), "unfit") == 0, "rated");
  json_decref(list);
}

Test(environment, watches_this_machine)
{
  dyno_pool *pool;
  dyno_watch watch;
  dyno_error error = {0};
  cr_assert(dyno_pool_open(&pool, 1, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_watch_machine(&watch, pool, DYNO_ISA_REF, 0.01, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(watch.seconds > 0 && watch.read_one > 0 && watch.read_all > 0, "%g s, %g and %g B/s",
            watch.seconds, watch.read_one, watch.read_all);
  cr_assert(watch.read_threads == 1 && watch.during.value[DYNO_CPU_NS] > 0, "it worked");
  dyno_pool_close(&pool);
}
