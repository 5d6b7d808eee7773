/* The process's control groups, and how much CPU time they grant. */
#ifndef DYNO_RUNTIME_THREADS_CGROUP_H
#define DYNO_RUNTIME_THREADS_CGROUP_H

/* Called with a folder of a group, in version 1 or 2 of the interface. */
typedef void dyno_cgroup_visit(void *context, const char *folder, int version);

/* Calls visit with the folders of the process's group, and then of each group above it up to the
 * root, in every hierarchy that can hold `controller` ("cpu", "memory"): that of version 2, and
 * the one that version 1 has mounted for it. membership is a file like /proc/self/cgroup, root
 * the folder where the hierarchies are mounted, usually /sys/fs/cgroup. A folder need not exist: in
 * a container the group's path is often the host's, and only the root is there. */
void dyno_cgroup_visit_folders(const char *membership, const char *root, const char *controller,
                               dyno_cgroup_visit *visit, void *context);

/* The tightest quota from the process's control group up to the root, in processors; 0 without
 * one. Version 2 (cpu.max) and version 1 (cpu.cfs_quota_us of the cpu controller) are understood.
 * What cannot be read counts as no quota. */
double dyno_cgroup_quota(const char *membership, const char *root);

#endif
