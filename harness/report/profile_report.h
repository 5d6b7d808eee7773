/* What `dyno profile` found: a table for people, JSON for programs (docs/profile.md describes it),
 * folded stacks for flame graphs, and a trace for Perfetto and about:tracing. */
#ifndef DYNO_HARNESS_REPORT_PROFILE_REPORT_H
#define DYNO_HARNESS_REPORT_PROFILE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "harness/measure/host.h"
#include "harness/measure/profile.h"

typedef struct dyno_profile_report {
  const char *model;     /* as it was asked for */
  char *path;            /* what that led to; owned, as the next one */
  char *dialect;         /* of its file */
  const char *precision; /* "fast" */
  const dyno_cpu *cpu;   /* not owned */
  size_t batch;          /* tokens in one pass of a prefill; 0: the engine's default */
  bool text;             /* tokens are of a text, not random */
  dyno_profile_options options;
  char started[32]; /* UTC, ISO 8601 */
  char host[DYNO_HOST_NAME];
  size_t cache;           /* bytes of the largest cache */
  dyno_profile_run *runs; /* owned, as what is in them */
  size_t run_count;
  double seconds; /* that it all took */
  bool interrupted;
} dyno_profile_report;

/* Sets started, host and cache. */
void dyno_profile_report_begin(dyno_profile_report *report);

/* Frees and zeroes. */
void dyno_profile_report_free(dyno_profile_report *report);

/* Writes the report to a stream. IO or MEMORY. */
typedef dyno_status dyno_profile_writer(const dyno_profile_report *report, FILE *stream,
                                        dyno_error *error);

dyno_profile_writer dyno_profile_report_table;
dyno_profile_writer dyno_profile_report_json;

/* Lines of "phase;op;kernel MICROSECONDS", of all threads together, as flamegraph.pl, inferno and
 * speedscope read them; where there are several runs, their threads stand first. */
dyno_profile_writer dyno_profile_report_folded;

/* The trace event format, as an array: a process for each run, a track for each thread and one for
 * the engine's calls. */
dyno_profile_writer dyno_profile_report_trace;

/* Writes a file that appears whole or not at all. */
dyno_status dyno_profile_report_save(const dyno_profile_report *report, const char *path,
                                     dyno_profile_writer *write, dyno_error *error);

/* "prefill 512", "decode 64 at 4096"; unique within a run. */
#define DYNO_PROFILE_PHASE_TEXT 64
void dyno_profile_phase_name(char text[DYNO_PROFILE_PHASE_TEXT], const dyno_profile_phase *phase);

/* The kernel of a row, or "-". */
const char *dyno_profile_kernel_name(const dyno_kernel *kernel);

#endif
