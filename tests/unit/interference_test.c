/* What is read of the machine's and the process's troubles, and what their difference is. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/measure/interference.h"
#include "kernels/base/clock.h"
#include "tests/unit/system_tree.h"

#define ZEROS "avg10=0.00 avg60=0.00 avg300=0.00"

static system_tree machine(void)
{
  system_tree made = system_tree_make();
  system_tree_put(&made, "cpu  10 20 30 40 50 60 70 80 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0", "proc/stat");
  system_tree_put(&made, "some " ZEROS " total=1000\nfull " ZEROS " total=7", "proc/pressure/cpu");
  system_tree_put(&made, "some avg10=77.11 avg60=25.19 avg300=10.52 total=2000",
                  "proc/pressure/io");
  system_tree_put(&made, "0::/outer/inner", "proc/self/cgroup");
  system_tree_put(&made, "some " ZEROS " total=3", "sys/fs/cgroup/outer/inner/cpu.pressure");
  system_tree_put(&made, "some " ZEROS " total=4", "sys/fs/cgroup/outer/cpu.pressure");
  system_tree_put(&made, "usage_usec 5\nuser_usec 4", "sys/fs/cgroup/outer/inner/cpu.stat");
  system_tree_put(&made, "usage_usec 5\nnr_throttled 2\nthrottled_usec 17",
                  "sys/fs/cgroup/outer/cpu.stat");
  return made;
}

static dyno_interference read_tree(const system_tree *from)
{
  const dyno_roots roots = {from->proc, from->sys};
  dyno_interference_meter meter;
  dyno_interference now;
  dyno_interference_open(&meter, &roots);
  dyno_interference_read(&meter, &now);
  dyno_interference_close(&meter);
  return now;
}

static void expect(const dyno_interference *of, dyno_disturbance what, int64_t wanted)
{
  cr_assert(of->value[what] == wanted, "%s is %" PRId64 ", not %" PRId64,
            dyno_disturbance_name(what), of->value[what], wanted);
}

Test(interference, reads_what_the_system_tells)
{
  system_tree of = machine();
  dyno_interference now = read_tree(&of);
  expect(&now, DYNO_STEAL_NS, 80 * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK)));
  expect(&now, DYNO_PRESSURE_CPU_NS, 1000000);
  expect(&now, DYNO_PRESSURE_MEMORY_NS, DYNO_NOT_TOLD); /* there is no such file */
  expect(&now, DYNO_PRESSURE_IO_NS, 2000000);
  expect(&now, DYNO_GROUP_PRESSURE_CPU_NS, 3000); /* of the innermost group */
  expect(&now, DYNO_GROUP_PRESSURE_IO_NS, DYNO_NOT_TOLD);
  expect(&now, DYNO_THROTTLED_NS, 17000); /* of the first that has a quota */
  system_tree_remove(&of);
}

Test(interference, reads_version_1_of_control_groups)
{
  system_tree of = machine();
  system_tree_put(&of, "4:cpu,cpuacct:/docker", "proc/self/cgroup");
  system_tree_put(&of, "nr_periods 9\nnr_throttled 1\nthrottled_time 123456789",
                  "sys/fs/cgroup/cpu,cpuacct/docker/cpu.stat");
  dyno_interference now = read_tree(&of);
  expect(&now, DYNO_THROTTLED_NS, 123456789);
  expect(&now, DYNO_GROUP_PRESSURE_CPU_NS, DYNO_NOT_TOLD);
  system_tree_remove(&of);
}

Test(interference, what_makes_no_sense_is_not_told)
{
  static const char *const stats[] = {"",
                                      "cpu",
                                      "cpu  1 2 3 4 5 6 7",
                                      "cpu  1 2 3 4 5 6 7 -",
                                      "cpu  1 2 3 4 5 6 7 18446744073709551615",
                                      "\xff"};
  static const char *const pressures[] = {"", "some", "some " ZEROS, "full " ZEROS " total=1",
                                          "some " ZEROS " total=18446744073709551615"};
  for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
    system_tree of = machine();
    system_tree_put(&of, stats[i], "proc/stat");
    dyno_interference now = read_tree(&of);
    expect(&now, DYNO_STEAL_NS, DYNO_NOT_TOLD);
    system_tree_remove(&of);
  }
  for (size_t i = 0; i < sizeof pressures / sizeof *pressures; i++) {
    system_tree of = machine();
    system_tree_put(&of, pressures[i], "proc/pressure/cpu");
    dyno_interference now = read_tree(&of);
    expect(&now, DYNO_PRESSURE_CPU_NS, DYNO_NOT_TOLD);
    system_tree_remove(&of);
  }
}

Test(interference, without_any_file_only_the_process_is_known)
{
  system_tree of = system_tree_make();
  dyno_interference now = read_tree(&of);
  for (dyno_disturbance i = DYNO_STEAL_NS; i <= DYNO_THROTTLED_NS; i++)
    expect(&now, i, DYNO_NOT_TOLD);
  for (dyno_disturbance i = DYNO_VOLUNTARY_SWITCHES; i < DYNO_DISTURBANCE_COUNT; i++)
    cr_assert(now.value[i] >= 0, "%s is %" PRId64, dyno_disturbance_name(i), now.value[i]);
  system_tree_remove(&of);
}

Test(interference, a_difference_needs_both_sides_and_is_never_negative)
{
  dyno_interference before = {{0}}, after = {{0}};
  before.value[DYNO_STEAL_NS] = 50;
  after.value[DYNO_STEAL_NS] = 40;
  before.value[DYNO_MINOR_FAULTS] = 50;
  after.value[DYNO_MINOR_FAULTS] = 53;
  before.value[DYNO_PRESSURE_IO_NS] = DYNO_NOT_TOLD;
  after.value[DYNO_PRESSURE_IO_NS] = 1;
  after.value[DYNO_PRESSURE_CPU_NS] = DYNO_NOT_TOLD;
  dyno_interference difference = dyno_interference_between(&before, &after);
  expect(&difference, DYNO_STEAL_NS, 0);
  expect(&difference, DYNO_MINOR_FAULTS, 3);
  expect(&difference, DYNO_PRESSURE_IO_NS, DYNO_NOT_TOLD);
  expect(&difference, DYNO_PRESSURE_CPU_NS, DYNO_NOT_TOLD);
}

Test(interference, sees_what_this_process_does)
{
  enum { PAGES = 256, PAGE = 4096 };
  dyno_interference_meter meter;
  dyno_interference before, after;
  dyno_interference_open(&meter, NULL);
  dyno_interference_read(&meter, &before);
  volatile char *pages =
      mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert(pages != MAP_FAILED, "memory");
  madvise((void *)pages, PAGES * PAGE, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < PAGES; i++)
    pages[i * PAGE] = 1;
  usleep(1000);
  uint64_t begin = dyno_clock_ns();
  do
    dyno_interference_read(&meter, &after);
  while (dyno_clock_ns() - begin < 20000000);
  dyno_interference_close(&meter);
  dyno_interference difference = dyno_interference_between(&before, &after);
  cr_assert(difference.value[DYNO_MINOR_FAULTS] >= PAGES, "%" PRId64 " faults",
            difference.value[DYNO_MINOR_FAULTS]);
  cr_assert(difference.value[DYNO_VOLUNTARY_SWITCHES] >= 1, "it slept");
  cr_assert(difference.value[DYNO_CPU_NS] > 0, "it worked");
  cr_assert(difference.value[DYNO_SYSTEM_NS] <= difference.value[DYNO_CPU_NS], "a part");
}
