/* What of this process is in memory, as the kernel tells it: the mappings of /proc/self/smaps, by
 * what they are for. */
#ifndef DYNO_HARNESS_MEASURE_PROCESS_MAP_H
#define DYNO_HARNESS_MEASURE_PROCESS_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef enum dyno_mapping_kind {
  DYNO_MAPPING_PROGRAM,   /* the file that runs */
  DYNO_MAPPING_LIBRARY,   /* shared objects, and what the system has below /usr */
  DYNO_MAPPING_FILE,      /* other files: the model's */
  DYNO_MAPPING_STACK,     /* of all threads: what lies above a guard page */
  DYNO_MAPPING_HEAP,      /* that malloc has by brk */
  DYNO_MAPPING_KERNEL,    /* vdso, vvar and the like */
  DYNO_MAPPING_ANONYMOUS, /* everything else */
  DYNO_MAPPING_KINDS
} dyno_mapping_kind;

typedef struct dyno_process_map {
  uint64_t resident[DYNO_MAPPING_KINDS];
  uint64_t total; /* of /proc/self/smaps_rollup, read just after */
} dyno_process_map;

/* UNAVAILABLE when the kernel does not tell. */
dyno_status dyno_process_map_read(dyno_process_map *map, dyno_error *error);

/* Says what a mapping is: path as smaps has it ("" for none), program the path of the file that
 * runs; guarded: a mapping without any rights ends where it begins. */
dyno_mapping_kind dyno_mapping_classify(const char *path, const char *program, bool guarded);

#endif
