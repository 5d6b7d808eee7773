/* The checks that make up an environment, for the files that hold them. */
#ifndef DYNO_HARNESS_MEASURE_ENVIRONMENT_INTERNAL_H
#define DYNO_HARNESS_MEASURE_ENVIRONMENT_INTERNAL_H

#include <stdbool.h>

#include "harness/measure/environment.h"
#include "runtime/threads/topology.h"

/* What several checks look at. */
typedef struct dyno_surroundings {
  const dyno_environment_options *options;
  const dyno_roots *roots;
  dyno_topology topology;
  bool topology_known;
  char meminfo[8192];      /* "" when it cannot be read */
  const dyno_watch *watch; /* NULL: not watched */
} dyno_surroundings;

typedef void dyno_environment_look(dyno_finding *finding, const dyno_surroundings *around);

typedef struct dyno_environment_check {
  const char *name, *why;
  dyno_environment_look *look; /* finding has name, why, an empty value and no advice */
} dyno_environment_check;

/* Tables that end with a NULL name. */
extern const dyno_environment_check dyno_processor_checks[];
extern const dyno_environment_check dyno_load_checks[];
extern const dyno_environment_check dyno_memory_checks[];
extern const dyno_environment_check dyno_program_checks[];

void dyno_finding_set(dyno_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Rates the finding, unless it is rated worse already, and says what to do. */
void dyno_finding_advise(dyno_finding *finding, dyno_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
