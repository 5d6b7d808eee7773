/* What is read from sysfs and control groups, on trees as systems have them, and as they do not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/threads/cgroup.h"
#include "runtime/threads/topology.h"
#include "tests/unit/system_tree.h"

static dyno_topology read_tree(const system_tree *from, const char *affinity)
{
  dyno_topology topology;
  dyno_error error = {0};
  const dyno_topology_sources sources = {from->sys, from->cgroups, from->membership, affinity};
  cr_assert(dyno_topology_read(&topology, &sources, &error) == DYNO_OK, "%s", error.message);
  return topology;
}

/* Two sockets of 8 cores with two threads each, numbered as Linux does on such machines: 0-7 and
 * 16-23 on the first, 8-15 and 24-31 on the second. */
static system_tree two_sockets(void)
{
  system_tree made = system_tree_make();
  char siblings[32];
  for (int cpu = 0; cpu < 32; cpu++) {
    snprintf(siblings, sizeof siblings, "%d,%d", cpu % 16, cpu % 16 + 16);
    system_tree_put(&made, siblings, "sys/devices/system/cpu/cpu%d/topology/core_cpus_list", cpu);
  }
  system_tree_put(&made, "0-1", "sys/devices/system/node/online");
  system_tree_put(&made, "0-7,16-23", "sys/devices/system/node/node0/cpulist");
  system_tree_put(&made, "8-15,24-31", "sys/devices/system/node/node1/cpulist");
  return made;
}

Test(topology, sees_cores_and_nodes_of_two_sockets)
{
  system_tree of = two_sockets();
  dyno_topology t = read_tree(&of, "0-31");
  cr_assert(t.cpu_count == 32 && t.core_count == 16 && t.node_count == 2, "%u, %u, %u", t.cpu_count,
            t.core_count, t.node_count);
  cr_assert(t.cores_known && t.nodes_known && t.quota <= 0, "all is known");
  cr_assert(dyno_topology_threads(&t) == 16, "hyper-threads get no thread");
  for (unsigned i = 0; i < 32; i++) {
    cr_assert(t.cpus[i] == i && t.core[i] == i % 16, "processor %u is on core %u", i, t.core[i]);
    cr_assert(t.node[i] == i % 16 / 8, "processor %u is on node %u", i, t.node[i]);
  }
  system_tree_remove(&of);
}

/* The affinity mask: processors, then what is left of cores and nodes. */
Test(topology, honours_the_affinity_mask)
{
  static const struct {
    const char *mask;
    unsigned cpus, cores, nodes, first_system_node;
  } cases[] = {
      {"0-15", 16, 16, 2, 0}, {"8-15,24-31", 16, 8, 1, 1}, {"3,19", 2, 1, 1, 0},
      {"7-8", 2, 2, 2, 0},    {"31", 1, 1, 1, 1},
  };
  system_tree of = two_sockets();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_topology t = read_tree(&of, cases[i].mask);
    cr_assert(t.cpu_count == cases[i].cpus && t.core_count == cases[i].cores &&
                  t.node_count == cases[i].nodes,
              "%s: %u, %u, %u", cases[i].mask, t.cpu_count, t.core_count, t.node_count);
    cr_assert(t.system_nodes[0] == cases[i].first_system_node, "%s: node %u", cases[i].mask,
              t.system_nodes[0]);
    cr_assert(dyno_topology_threads(&t) == cases[i].cores, "%s", cases[i].mask);
  }
  system_tree_remove(&of);
}

Test(topology, places_threads_node_by_node_and_cores_first)
{
  static const struct {
    unsigned threads;
    unsigned cpus[20];
  } cases[] = {
      {1, {0}},
      {2, {0, 8}},
      {5, {0, 1, 2, 8, 9}},
      {16, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
      {20, {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25}},
  };
  system_tree of = two_sockets();
  dyno_topology t = read_tree(&of, "0-31");
  unsigned place[32];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert(dyno_topology_place(place, &t, cases[i].threads), "%u threads", cases[i].threads);
    for (unsigned j = 0; j < cases[i].threads; j++)
      cr_assert(t.cpus[place[j]] == cases[i].cpus[j], "%u threads: thread %u is on processor %u",
                cases[i].threads, j, t.cpus[place[j]]);
  }
  cr_assert(dyno_topology_place(place, &t, 32), "as many as there are");
  cr_assert(!dyno_topology_place(place, &t, 33), "and no more");
  system_tree_remove(&of);
}

/* One node, and kernels before 5.4 with their name for it. */
Test(topology, sees_one_node)
{
  system_tree of = system_tree_make();
  for (int cpu = 0; cpu < 4; cpu++)
    system_tree_put(&of, cpu < 2 ? "0-1" : "2-3",
                    "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  system_tree_put(&of, "0", "sys/devices/system/node/online");
  system_tree_put(&of, "0-3", "sys/devices/system/node/node0/cpulist");
  dyno_topology t = read_tree(&of, "0-3");
  cr_assert(t.core_count == 2 && t.node_count == 1 && t.cores_known && t.nodes_known, "%u, %u",
            t.core_count, t.node_count);
  cr_assert(t.core[0] == 0 && t.core[1] == 0 && t.core[2] == 1 && t.core[3] == 1, "pairs");
  system_tree_remove(&of);
}

Test(topology, does_without_sysfs)
{
  system_tree of = system_tree_make();
  dyno_topology t = read_tree(&of, "2,5");
  cr_assert(t.cpu_count == 2 && t.core_count == 2 && t.node_count == 1, "%u, %u, %u", t.cpu_count,
            t.core_count, t.node_count);
  cr_assert(!t.cores_known && !t.nodes_known && t.quota <= 0, "nothing is known");
  system_tree_remove(&of);
}

/* Contents that are no lists, or contradict one another. */
static const char *const hostile_lists[] = {
    "",     "x",    "0-",  "-1", "3-1", "0,,1", "0-31,", "0x1", " 0-31", "0-99999999999999999999",
    "1-31", "0 31", "\xff"};

Test(topology, hostile_contents_leave_a_plain_machine)
{
  for (size_t i = 0; i < sizeof hostile_lists / sizeof *hostile_lists; i++) {
    system_tree of = two_sockets();
    system_tree_put(&of, hostile_lists[i], "sys/devices/system/cpu/cpu0/topology/core_cpus_list");
    system_tree_put(&of, hostile_lists[i], "sys/devices/system/node/node0/cpulist");
    dyno_topology t = read_tree(&of, "0-31");
    cr_assert(!t.cores_known && t.core_count == 32, "'%s': %u cores", hostile_lists[i],
              t.core_count);
    cr_assert(!t.nodes_known && t.node_count == 1, "'%s': %u nodes", hostile_lists[i],
              t.node_count);
    system_tree_remove(&of);
  }
}

Test(topology, a_long_line_is_refused)
{
  system_tree of = two_sockets();
  char *longest = malloc(20001);
  cr_assert(longest != NULL, "memory");
  for (size_t i = 0; i < 20000; i++)
    longest[i] = i % 2 == 0 ? '0' : ',';
  longest[19999] = '\0';
  system_tree_put(&of, longest, "sys/devices/system/node/online");
  cr_assert(!read_tree(&of, "0-31").nodes_known, "not believed");
  free(longest);
  system_tree_remove(&of);
}

/* A processor on two nodes; one on none; a node that is online and has no folder. */
Test(topology, contradictions_leave_one_node)
{
  static const struct {
    const char *online, *first, *second;
  } cases[] = {{"0-1", "0-31", "8-15"}, {"0-1", "0-7", "8-15"}, {"0-5", "0-15", "16-31"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    system_tree of = two_sockets();
    system_tree_put(&of, cases[i].online, "sys/devices/system/node/online");
    system_tree_put(&of, cases[i].first, "sys/devices/system/node/node0/cpulist");
    system_tree_put(&of, cases[i].second, "sys/devices/system/node/node1/cpulist");
    dyno_topology t = read_tree(&of, "0-31");
    cr_assert(!t.nodes_known && t.node_count == 1, "case %zu: %u nodes", i, t.node_count);
    system_tree_remove(&of);
  }
}

Test(topology, a_mask_beyond_what_is_counted_is_an_error)
{
  dyno_topology topology;
  static const char *const masks[] = {"", "1024-2000", "0-x"};
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
    dyno_error error = {0};
    const dyno_topology_sources sources = {.affinity = masks[i]};
    cr_assert(dyno_topology_read(&topology, &sources, &error) != DYNO_OK, "'%s'", masks[i]);
    cr_assert(error.message[0] != '\0', "'%s' has no message", masks[i]);
  }
}

Test(topology, reads_the_system)
{
  dyno_topology topology;
  dyno_error error = {0};
  cr_assert(dyno_topology_detect(&topology, &error) == DYNO_OK, "%s", error.message);
  cr_assert(topology.cpu_count >= 1 && topology.node_count >= 1, "at least the one we run on");
  for (unsigned i = 1; i < topology.cpu_count; i++)
    cr_assert(topology.cpus[i] > topology.cpus[i - 1], "ascending");
  cr_assert(dyno_topology_threads(&topology) >= 1 &&
                dyno_topology_threads(&topology) <= topology.core_count,
            "%u threads", dyno_topology_threads(&topology));
}

Test(topology, a_quota_limits_the_threads)
{
  dyno_topology topology = {.cpu_count = 16, .core_count = 8};
  static const struct {
    double quota;
    unsigned threads;
  } cases[] = {{0, 8},   {1e-9, 1}, {0.5, 1}, {1, 1},   {1.4, 1},
               {1.6, 2}, {2.5, 3},  {7.9, 8}, {100, 8}, {1e300, 8}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    topology.quota = cases[i].quota;
    cr_assert(dyno_topology_threads(&topology) == cases[i].threads, "quota %g gives %u threads",
              cases[i].quota, dyno_topology_threads(&topology));
  }
}

/* Of two files in a control group, by version; "" leaves a file out. */
static const struct {
  const char *membership;
  const char *paths[3], *contents[3];
  double quota;
} quotas[] = {
    {"0::/a/b", {"a/b/cpu.max"}, {"150000 100000"}, 1.5},
    {"0::/a/b", {"a/b/cpu.max", "a/cpu.max"}, {"max 100000", "50000 100000"}, 0.5},
    {"0::/a/b", {"a/b/cpu.max", "a/cpu.max"}, {"100000 100000", "400000 100000"}, 1},
    {"0::/", {"cpu.max"}, {"300000 100000"}, 3},
    {"0::/../..", {"cpu.max"}, {"200000 100000"}, 2},
    {"0::/gone/from/here", {"cpu.max"}, {"200000 100000"}, 2},
    {"0::/..a", {"..a/cpu.max"}, {"200000 100000"}, 2},
    {"4:memory:/m\n3:cpu,cpuacct:/docker/x\n0::/",
     {"cpu,cpuacct/docker/x/cpu.cfs_quota_us", "cpu,cpuacct/docker/x/cpu.cfs_period_us"},
     {"250000", "100000"},
     2.5},
    {"3:cpuacct,cpu:/x",
     {"cpu/x/cpu.cfs_quota_us", "cpu/x/cpu.cfs_period_us"},
     {"25000", "50000"},
     0.5},
    {"1:cpu:/", {"cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"}, {"-1", "100000"}, 0},
    {"1:cpu:/", {"cpu/cpu.cfs_quota_us"}, {"100000"}, 0},
    {"1:cpuset:/", {"cpuset/cpu.cfs_quota_us", "cpuset/cpu.cfs_period_us"}, {"1", "1"}, 0},
    {"0::/", {"cpu.max"}, {"max 100000"}, 0},
    {"0::/", {"cpu.max"}, {""}, 0},
    {"0::/", {"cpu.max"}, {"100000"}, 0},
    {"0::/", {"cpu.max"}, {"100000 0"}, 0},
    {"0::/", {"cpu.max"}, {"-5 100000"}, 0},
    {"0::/", {"cpu.max"}, {"nan 100000"}, 0},
    {"0::/", {"cpu.max"}, {"inf 100000"}, 0},
    {"1:cpu:/\n0::/a", {"unified/a/cpu.max"}, {"100000 50000"}, 2},
    {"0::relative", {"relative/cpu.max"}, {"100000 100000"}, 0},
    {"", {"cpu.max"}, {"100000 100000"}, 0},
    {"nonsense", {"cpu.max"}, {"100000 100000"}, 0},
};

Test(cgroup, finds_the_tightest_quota)
{
  for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
    system_tree of = system_tree_make();
    system_tree_put(&of, quotas[i].membership, "proc/self/cgroup");
    for (size_t j = 0; j < 3 && quotas[i].paths[j] != NULL; j++)
      system_tree_put(&of, quotas[i].contents[j], "sys/fs/cgroup/%s", quotas[i].paths[j]);
    double quota = dyno_cgroup_quota(of.membership, of.cgroups);
    cr_assert(quota >= quotas[i].quota && quota <= quotas[i].quota, "case %zu ('%s'): %g", i,
              quotas[i].membership, quota);
    system_tree_remove(&of);
  }
}

Test(cgroup, no_files_are_no_quota)
{
  cr_assert(dyno_cgroup_quota("/nonexistent", "/nonexistent") <= 0, "none");
}
