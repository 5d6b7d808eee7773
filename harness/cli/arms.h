/* The options of verbs that compare two arms, and what they come to. */
#ifndef DYNO_HARNESS_CLI_ARMS_H
#define DYNO_HARNESS_CLI_ARMS_H

#include "harness/cli/engine_options.h"
#include "harness/compare/source.h"
#include "harness/measure/switches.h"

enum { DYNO_ARMS_MOST_SWITCHES = 32, DYNO_ARM_TEXT = 512 };

/* --a, --b, --a-bin, --b-bin, --timeout, --cases, --prompt, --tokens, --chunk, --seed,
 * --divergence, --slowdown, and an engine's options, which are those of both arms: an argp child
 * whose input is a dyno_arms_arguments, zero-initialised by its owner and freed with
 * dyno_arms_free. */
typedef struct dyno_arms_arguments {
  dyno_engine_arguments engine;
  dyno_compare_options compare;
  const char *switches[DYNO_COMPARE_ARMS][DYNO_ARMS_MOST_SWITCHES];
  size_t switch_count[DYNO_COMPARE_ARMS];
  double slowdown; /* of B */
  /* Programs of workers; with one given, the other arm is a worker of this program. Neither: both
   * arms are engines of this process. */
  const char *programs[DYNO_COMPARE_ARMS];
  double timeout; /* for a worker's answer, in seconds */
  /* What follows is made by dyno_arms_prepare. */
  dyno_settings settings[DYNO_COMPARE_ARMS];
  char *models[DYNO_COMPARE_ARMS];                  /* paths; owned */
  char described[DYNO_COMPARE_ARMS][DYNO_ARM_TEXT]; /* "isa=avx2", "as given" */
  dyno_local_arms local;
  dyno_worker_arms workers;
  dyno_compare_source source;
} dyno_arms_arguments;

extern const struct argp dyno_arms_parser;

/* Has both arms be workers of this program unless others were given. */
#define DYNO_THIS_PROGRAM "/proc/self/exe"

/* Settles what both arms are. USAGE, NOT_FOUND, MEMORY. The arguments must stay where they are. */
dyno_status dyno_arms_prepare(dyno_arms_arguments *arguments, dyno_error *error);

void dyno_arms_free(dyno_arms_arguments *arguments);

#endif
