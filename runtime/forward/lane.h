/* One thread's way through a forward pass.
 *
 * All threads of the pool run the whole pass, each its part of every step, and meet in barriers.
 * Steps that are rows of numbers for each token (norms, rounding, routing) are shared out by token;
 * for a single token every thread does them all, into buffers of its own, because that is quicker
 * than to wait for another. Matrices are shared out by row (shares.h). */
#ifndef DYNO_RUNTIME_FORWARD_LANE_H
#define DYNO_RUNTIME_FORWARD_LANE_H

#include "kernels/base/clock.h"
#include "runtime/forward/workspace.h"
#include "runtime/probe.h"

/* What all threads of a pass have in common. */
typedef struct dyno_pass {
  dyno_workspace *workspace;
  const dyno_model *model;
  const dyno_probe *probe; /* NULL: nobody measures */
  size_t m;                /* tokens */
  size_t position;         /* of the first */
} dyno_pass;

typedef struct dyno_lane {
  const dyno_pass *pass;
  const dyno_model *model;
  dyno_workspace *workspace;
  dyno_own *own;
  dyno_stream *stream; /* the tokens' rows: the workspace's, or for a single token our own */
  unsigned thread, threads;
  int layer;          /* for the probe; -1 outside layers */
  size_t m;           /* tokens of the pass */
  size_t first, last; /* those whose rows in stream we compute */
  size_t claims;      /* counters used up by the steps so far: the same number on all threads */
} dyno_lane;

/* Enters a pass, as thread `thread` of `threads`. */
dyno_lane dyno_lane_enter(const dyno_pass *pass, unsigned thread, unsigned threads);

/* Waits for all threads. */
void dyno_lane_meet(const dyno_lane *lane);

/* Waits for all threads where each has computed the rows of its tokens only, so that the rows of
 * all tokens are there. */
void dyno_lane_meet_tokens(const dyno_lane *lane);

/* The next number of a counter that all threads of `node` share, from 0 on. A counter is used for
 * one step: `step` is what dyno_lane_claim_step returned, once on every thread. */
size_t dyno_lane_claim_step(dyno_lane *lane);
size_t dyno_lane_claim(const dyno_lane *lane, size_t step, unsigned node);

/* Shows rows to the probe, if it wants them; of effect on the first thread only. After a meeting,
 * so that all of them are there. */
void dyno_lane_show(const dyno_lane *lane, const dyno_probe_rows *rows);

/* The clock, or 0 where nobody asks how long ops take. */
static inline uint64_t dyno_lane_clock(const dyno_lane *lane)
{
  const dyno_probe *probe = lane->pass->probe;
  return probe == NULL || probe->event == NULL ? 0 : dyno_clock_ns();
}

/* Tells the probe, which there is, of an op that began at begin_ns and is over. */
void dyno_lane_tell(const dyno_lane *lane, dyno_probe_op op, const dyno_kernel *kernel,
                    uint64_t begin_ns, uint64_t bytes, uint64_t macs);

/* The same for ops that read neither weights nor keys and values; of no effect without a probe. */
static inline void dyno_lane_done(const dyno_lane *lane, dyno_probe_op op,
                                  const dyno_kernel *kernel, uint64_t begin_ns)
{
  if (lane->pass->probe != NULL)
    dyno_lane_tell(lane, op, kernel, begin_ns, 0, 0);
}

#endif
