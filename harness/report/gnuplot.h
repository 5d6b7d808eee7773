/* Runs gnuplot on a script that comes with dyno, as a process of its own and without a shell. */
#ifndef DYNO_HARNESS_REPORT_GNUPLOT_H
#define DYNO_HARNESS_REPORT_GNUPLOT_H

#include <stdbool.h>

#include "kernels/base/status.h"

typedef struct dyno_gnuplot_run {
  const char *script;           /* its name, among those in plots/ */
  const char *folder;           /* where it runs: arguments that are paths start there */
  const char *const *arguments; /* ends in NULL; ARG1, ARG2, ... of the script */
  bool to_stdout;               /* what it prints goes to stdout instead of nowhere */
} dyno_gnuplot_run;

/* Waits for the end, for a minute at most. The user's own gnuplot settings do not count.
 * UNAVAILABLE when gnuplot is not installed, saying how to get it; NOT_FOUND for the script; else
 * IO, with gnuplot's complaint. Not for use beside other waits for child processes of this one. */
dyno_status dyno_gnuplot(const dyno_gnuplot_run *run, dyno_error *error);

#endif
