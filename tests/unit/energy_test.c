/* RAPL counters as Linux shows them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/measure/energy.h"
#include "tests/unit/system_tree.h"

static void put_zone(const system_tree *in, unsigned zone, const char *name, const char *energy)
{
  system_tree_put(in, name, "sys/class/powercap/intel-rapl:%u/name", zone);
  system_tree_put(in, energy, "sys/class/powercap/intel-rapl:%u/energy_uj", zone);
  system_tree_put(in, "262143328850", "sys/class/powercap/intel-rapl:%u/max_energy_range_uj", zone);
}

static dyno_energy_meter open_tree(const system_tree *of)
{
  const dyno_roots roots = {of->proc, of->sys};
  dyno_energy_meter meter;
  dyno_energy_open(&meter, &roots);
  return meter;
}

Test(energy, adds_the_packages_and_no_other_zone)
{
  system_tree of = system_tree_make();
  put_zone(&of, 0, "package-0", "1000000");
  put_zone(&of, 1, "package-1", "2000000");
  put_zone(&of, 2, "psys", "3000000");
  dyno_energy_meter meter = open_tree(&of);
  double joules;
  cr_assert(meter.count == 2 && meter.reason[0] == '\0', "%u packages: %s", meter.count,
            meter.reason);
  cr_assert(dyno_energy_read(&meter, &joules) && joules <= 0, "nothing yet");
  put_zone(&of, 0, "package-0", "3500000");
  put_zone(&of, 1, "package-1", "2250000");
  put_zone(&of, 2, "psys", "90000000");
  cr_assert(dyno_energy_read(&meter, &joules) && fabs(joules - 2.75) < 1e-9, "%g", joules);
  cr_assert(dyno_energy_read(&meter, &joules) && fabs(joules - 2.75) < 1e-9, "%g again", joules);
  dyno_energy_close(&meter);
  system_tree_remove(&of);
}

Test(energy, a_counter_begins_anew_at_its_range)
{
  system_tree of = system_tree_make();
  put_zone(&of, 0, "package-0", "262143328000");
  dyno_energy_meter meter = open_tree(&of);
  double joules;
  put_zone(&of, 0, "package-0", "149");
  cr_assert(dyno_energy_read(&meter, &joules) && fabs(joules - 1e-3) < 1e-9, "%g J", joules);
  dyno_energy_close(&meter);
  system_tree_remove(&of);
}

Test(energy, without_counters_it_says_so)
{
  system_tree of = system_tree_make();
  dyno_energy_meter meter = open_tree(&of);
  double joules;
  cr_assert(strncmp(meter.reason, "unsupported: ", 13) == 0, "%s", meter.reason);
  cr_assert(!dyno_energy_read(&meter, &joules), "nothing to read");
  dyno_energy_close(&meter);
  system_tree_remove(&of);
}

Test(energy, one_package_that_cannot_be_read_leaves_no_sum)
{
  system_tree of = system_tree_make();
  put_zone(&of, 0, "package-0", "1000000");
  put_zone(&of, 1, "package-1", "nonsense");
  dyno_energy_meter meter = open_tree(&of);
  double joules;
  cr_assert(strncmp(meter.reason, "error: ", 7) == 0, "%s", meter.reason);
  cr_assert(!dyno_energy_read(&meter, &joules), "a part is no sum");
  put_zone(&of, 1, "package-1", "2000000");
  char path[128];
  snprintf(path, sizeof path, "%s/class/powercap/intel-rapl:1/energy_uj", of.sys);
  chmod(path, 0);
  meter = open_tree(&of);
  if (access(path, R_OK) != 0) /* root may read it */
    cr_assert(strncmp(meter.reason, "denied: ", 8) == 0, "%s", meter.reason);
  dyno_energy_close(&meter);
  system_tree_remove(&of);
}

Test(energy, a_counter_that_runs_backwards_without_a_range_ends_it)
{
  system_tree of = system_tree_make();
  put_zone(&of, 0, "package-0", "1000000");
  system_tree_put(&of, "0", "sys/class/powercap/intel-rapl:0/max_energy_range_uj");
  dyno_energy_meter meter = open_tree(&of);
  double joules;
  put_zone(&of, 0, "package-0", "17");
  cr_assert(!dyno_energy_read(&meter, &joules), "%g", joules);
  cr_assert(meter.reason[0] != '\0', "says why");
  cr_assert(!dyno_energy_read(&meter, &joules), "for good");
  dyno_energy_close(&meter);
  system_tree_remove(&of);
}
