/* What a gate is worth on this host: gates with a slow-down that was put there, and with none.
 *
 * Arm B is this program with a busy wait after every step, a fraction of the step's own time; at 0
 * everything a gate calls a regression is a false alarm. */
#ifndef DYNO_HARNESS_COMPARE_SELFTEST_H
#define DYNO_HARNESS_COMPARE_SELFTEST_H

#include "harness/compare/gate.h"
#include "harness/compare/source.h"

enum { DYNO_SELFTEST_MOST_DROPS = 16 };

/* A gate that was run. */
typedef struct dyno_selftest_trial {
  double drop; /* loss of speed that was put in, as a fraction: 0.05 */
  bool loaded; /* beside stress-ng */
  uint64_t seed;
  dyno_gate_verdict verdict;
  char reason[400];
  size_t rounds;
  double seconds; /* in all: loading, warming up and restarts too */
  double sigma;   /* of a round's log-ratio, of the geometric mean; NaN with too few rounds */
  unsigned threads;
  char tier[32], commit[33]; /* commit: with a '+' when files differed from it */
} dyno_selftest_trial;

typedef struct dyno_selftest_options {
  dyno_gate_options gate;
  dyno_worker_arms arms;                  /* the slowdowns are set by the test */
  double drops[DYNO_SELFTEST_MOST_DROPS]; /* losses of speed, as fractions: 0.05 */
  size_t drop_count, trials;              /* of each drop and load */
  bool quiet, loaded;                     /* which loads; loaded needs stress-ng */
  unsigned load_processors;               /* that stress-ng keeps busy */
  const volatile sig_atomic_t *stop;
  /* How many trials of a drop and load there are already; NULL: none. */
  size_t (*done)(void *context, double drop, bool loaded);
  /* Takes a gate that was run; what it fails with ends the test. */
  dyno_status (*take)(void *context, const dyno_selftest_trial *trial, dyno_error *error);
  void *context; /* of both */
  void (*progress)(void *context, size_t done, size_t all, const char *label);
  void *progress_context;
} dyno_selftest_options;

/* Runs all gates that are missing, drops and loads in turn, so that hours of the day meet all of
 * them. INTERRUPTED: what was done was taken. UNAVAILABLE when stress-ng is missing and was asked
 * for. */
dyno_status dyno_selftest_run(const dyno_selftest_options *options, dyno_error *error);

#endif
