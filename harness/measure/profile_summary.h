/* Where the time of a pass went: what a recorder kept, added up by op and kernel.
 *
 * Every thread's time is accounted for: it runs ops, it waits for the others, or it does what no
 * event covers ("between ops"). All three add up to threads * wall_seconds, by construction. */
#ifndef DYNO_HARNESS_MEASURE_PROFILE_SUMMARY_H
#define DYNO_HARNESS_MEASURE_PROFILE_SUMMARY_H

#include <stddef.h>

#include "harness/measure/profile_recorder.h"
#include "kernels/ceiling/ceiling.h"
#include "kernels/kernel.h"

/* The ceilings of the minute, bytes or multiply-accumulates per second: of one thread, and of all
 * threads of the run together. NaN where not measured. */
typedef struct dyno_profile_ceilings {
  double one[DYNO_CEILING_KIND_COUNT], all[DYNO_CEILING_KIND_COUNT];
} dyno_profile_ceilings;

typedef struct dyno_profile_row {
  const char *op;
  const dyno_kernel *kernel; /* NULL for what has none */
  size_t calls;              /* of all threads */
  unsigned threads;          /* that took part */
  double seconds;            /* of all threads together */
  double slowest_seconds;    /* of the thread that spent most */
  /* What threads spent waiting for one that was still busy with this. */
  double waited_seconds;
  double bytes, macs;
  double bytes_per_second, macs_per_second; /* over seconds / threads */
  double imbalance; /* the slowest thread's time over the mean of those that took part, less 1 */
  /* Only of ops that stream weights or keys and values, once ceilings are known: the one that
   * limits them, DYNO_CEILING_KIND_COUNT for none, and the time it allows over the time taken. */
  dyno_ceiling_kind limit;
  double attained;
} dyno_profile_row;

typedef struct dyno_profile_summary {
  unsigned threads;
  double wall_seconds;
  size_t events, lost;
  dyno_profile_row *rows; /* owned; those that took the most time first */
  size_t row_count;
  /* Of all threads together, as in the rows. */
  double op_seconds, barrier_seconds, between_seconds;
  double bytes, macs;
  /* The time that the ceilings allow for all rows that have a limit, over wall_seconds; NaN when
   * none has. */
  double attained;
} dyno_profile_summary;

/* The op under which threads report the time that they waited for each other. */
#define DYNO_PROFILE_BARRIER "barrier"

/* Adds up all events of the recorder, which are those of wall_seconds; the events of a thread do
 * not overlap. MEMORY; *summary is zeroed then. Kernels are pointed to, op names too. */
dyno_status dyno_profile_summarize(dyno_profile_summary *summary,
                                   const dyno_profile_recorder *recorder, double wall_seconds,
                                   dyno_error *error);

/* Fills in limits and what was attained. A roofline: the time that the slower of memory and
 * arithmetic allows (Williams, Waterman and Patterson 2009). */
void dyno_profile_hold_against(dyno_profile_summary *summary,
                               const dyno_profile_ceilings *ceilings);

/* The arithmetic that a kernel does. */
dyno_ceiling_kind dyno_profile_arithmetic(const dyno_kernel *kernel);

/* Frees and zeroes; a zeroed summary is fine. */
void dyno_profile_summary_free(dyno_profile_summary *summary);

#endif
