/* Lists of processors or nodes as sysfs writes them: "0-3,8,10-11". */
#ifndef DYNO_RUNTIME_THREADS_CPU_LIST_H
#define DYNO_RUNTIME_THREADS_CPU_LIST_H

#include <stdbool.h>
#include <stddef.h>

enum { DYNO_MOST_CPUS = 1024 };

typedef struct dyno_cpu_list {
  bool has[DYNO_MOST_CPUS];
} dyno_cpu_list;

/* Reads a list up to its end or the end of its line. Numbers from DYNO_MOST_CPUS on are left out;
 * an empty list is fine. False, and an empty list, when it is anything else than a list. */
bool dyno_cpu_list_parse(dyno_cpu_list *list, const char *text);

/* Reads the file's first line into text [size], without its end. False when it cannot be read, or
 * does not fit. */
bool dyno_read_line(char *text, size_t size, const char *path);

#endif
