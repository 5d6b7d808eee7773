/* A recorded pattern of allocations run on the buddy allocator and on the system's malloc, in
 * turns. */
#ifndef DYNO_HARNESS_MEASURE_ALLOCATION_REPLAY_H
#define DYNO_HARNESS_MEASURE_ALLOCATION_REPLAY_H

#include <signal.h>
#include <stdbool.h>

#include "harness/measure/allocation_trace.h"
#include "harness/measure/statistics.h"

enum { DYNO_REPLAY_MOST_ROUNDS = 10000 };

typedef struct dyno_replay_options {
  size_t rounds; /* 1 to DYNO_REPLAY_MOST_ROUNDS */
  dyno_pages pages;
  const volatile sig_atomic_t *stop; /* not 0: no more rounds; may be NULL */
} dyno_replay_options;

/* Nanoseconds of an operation (an allocation or a release), by medians of rounds. */
typedef struct dyno_replay_figures {
  dyno_summary buddy, malloc_;
  double ratio;           /* median over the rounds of buddy / malloc */
  dyno_interval interval; /* 95 %, of that median; NaN with too few rounds */
} dyno_replay_figures;

typedef struct dyno_replay {
  dyno_replay_figures calls;   /* the calls alone */
  dyno_replay_figures touched; /* and a write to each page of each block that was taken */
  size_t rounds;
  /* Of the buddy allocator at the trace's peak: bytes as asked for, as given, and in huge pages
   * that blocks were in. */
  uint64_t peak, given, held;
} dyno_replay;

/* Runs the trace in `rounds` rounds: in each, both allocators run it once with calls alone and once
 * touching, the one first that was last the round before. One round before is not counted. Blocks
 * of alignments up to 64 come from malloc() itself there, the others from posix_memalign(). MEMORY
 * when either has none, UNAVAILABLE when the trace holds more at once than half of what is
 * available. */
dyno_status dyno_allocation_replay(dyno_replay *replay, const dyno_allocation_trace *trace,
                                   const dyno_replay_options *options, dyno_error *error);

#endif
