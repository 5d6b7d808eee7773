/* How much CPU time the process's control groups grant. */
#ifndef DYNO_RUNTIME_THREADS_CGROUP_H
#define DYNO_RUNTIME_THREADS_CGROUP_H

/* The tightest quota from the process's control group up to the root, in processors; 0 without
 * one. membership is a file like /proc/self/cgroup, root the folder where the hierarchies are
 * mounted, usually /sys/fs/cgroup. Version 2 (cpu.max) and version 1 (cpu.cfs_quota_us of the cpu
 * controller) are understood. What cannot be read counts as no quota: in a container the group's
 * path is often the host's, and only the root is there. */
double dyno_cgroup_quota(const char *membership, const char *root);

#endif
