/* The files under /proc and /sys that tell of the machine, below roots that tests can move. */
#ifndef DYNO_HARNESS_MEASURE_SYSTEM_FILES_H
#define DYNO_HARNESS_MEASURE_SYSTEM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/threads/cgroup.h"

/* Where the system's trees are; NULL stands for /proc and /sys. Control groups are looked for in
 * SYS/fs/cgroup, those of the process in PROC/self/cgroup. The strings must outlive their use. */
typedef struct dyno_roots {
  const char *proc, *sys;
} dyno_roots;

enum { DYNO_SYSTEM_PATH = 4096, DYNO_SYSTEM_LINE = 512 };

/* The path of a file below a root; cut, and so not to be found, when it is too long. */
void dyno_proc_path(char path[DYNO_SYSTEM_PATH], const dyno_roots *roots, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void dyno_sys_path(char path[DYNO_SYSTEM_PATH], const dyno_roots *roots, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads the first line of a file there, without its end, into text [DYNO_SYSTEM_LINE]; false, and
 * "", when it cannot be read or is longer. */
bool dyno_proc_line(char text[DYNO_SYSTEM_LINE], const dyno_roots *roots, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool dyno_sys_line(char text[DYNO_SYSTEM_LINE], const dyno_roots *roots, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The number that follows `key` and then blanks or a colon, at the start of a line of text:
 * "MemAvailable:  123 kB" or "throttled_usec 17". False without one, or beyond INT64_MAX. */
bool dyno_keyed_number(int64_t *number, const char *text, const char *key);

/* Calls visit with each folder of the process's control groups (runtime/threads/cgroup.h). */
void dyno_roots_visit_groups(const dyno_roots *roots, const char *controller,
                             dyno_cgroup_visit *visit, void *context);

#endif
