/* What a benchmark should know of the machine before it believes a number: each thing with its
 * value, why it matters, and, where it could be better, the command that mends it. Nothing is
 * changed, and no such command is run. */
#ifndef DYNO_HARNESS_MEASURE_ENVIRONMENT_H
#define DYNO_HARNESS_MEASURE_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

#include "harness/measure/interference.h"
#include "harness/measure/system_files.h"
#include "kernels/base/status.h"
#include "runtime/engine.h"
#include "runtime/threads/pool.h"

typedef enum dyno_severity {
  DYNO_SEVERITY_FINE,
  DYNO_SEVERITY_NOTE,    /* could be better, or steadier */
  DYNO_SEVERITY_WARNING, /* makes results slower, or less certain */
  DYNO_SEVERITY_UNFIT,   /* what is measured here is not worth keeping */
  DYNO_SEVERITY_COUNT
} dyno_severity;

/* "fine", "note", "warning", "unfit". */
const char *dyno_severity_name(dyno_severity severity);

typedef struct dyno_finding {
  const char *name; /* "governor" */
  const char *why;  /* it matters: a sentence */
  char value[240];  /* "performance"; "n/a (reason)" where the system does not tell */
  char advice[480]; /* what to do about it; "" when it is fine */
  dyno_severity severity;
} dyno_finding;

typedef struct dyno_environment {
  dyno_finding *items; /* [count] */
  size_t count;
} dyno_environment;

/* What a machine did while it was watched. */
typedef struct dyno_watch {
  double seconds;            /* 0: it was not */
  dyno_interference during;  /* differences */
  double read_one, read_all; /* bytes/s of a plain read with one and with all threads, or NaN */
  size_t read_threads;       /* of read_all */
} dyno_watch;

/* All zero or NULL: the system we run on, nothing known of a model, and not watched. */
typedef struct dyno_environment_options {
  dyno_roots roots;
  const char *affinity;   /* a list of processors; NULL: of the calling thread */
  char *const *variables; /* "NAME=value", ends with NULL; NULL: those of the process */
  uint64_t model_bytes;   /* that are going to be loaded; 0: unknown, or loaded already */
  const dyno_engine_placement *placement; /* of a model that is loaded; NULL: none is */
  const dyno_watch *watch;                /* NULL: not watched */
} dyno_environment_options;

/* Looks at everything; to be freed. MEMORY, and *environment is empty. */
dyno_status dyno_environment_gather(dyno_environment *environment,
                                    const dyno_environment_options *options, dyno_error *error);

void dyno_environment_free(dyno_environment *environment);

/* The worst that was found; FINE when there is nothing. */
dyno_severity dyno_environment_worst(const dyno_environment *environment);

/* Reads memory of several times the largest cache for about `seconds` with all threads of the
 * pool, and with one, and tells what else happened on the machine meanwhile. The memory is no more
 * than a quarter of what is available. MEMORY. */
dyno_status dyno_watch_machine(dyno_watch *watch, dyno_pool *pool, dyno_isa isa, double seconds,
                               dyno_error *error);

#endif
