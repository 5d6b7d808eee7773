/* How the rows of matrices are shared out between threads.
 *
 * A step multiplies one matrix, or a few, each with the tokens of its groups. Their rows are cut
 * into shares: as many as there are threads that hold half of the work, as many that hold a
 * quarter, and so on. A thread claims the next one when it is through with the last. So it reads
 * long stretches of memory, and still a thread that is held up does less, and all end at nearly the
 * same time: processors of a shared machine differ by a half in what they read in a moment. Where
 * memory has nodes, each node's threads keep to its part of every matrix. A row is computed by one
 * thread alone, so that none of this shows in the result. */
#ifndef DYNO_RUNTIME_FORWARD_SHARES_H
#define DYNO_RUNTIME_FORWARD_SHARES_H

#include "runtime/forward/lane.h"
#include "runtime/model/linear.h"

/* A matrix, or one for each group of tokens, times them. */
typedef struct dyno_matmul {
  const dyno_linear *linear;
  const dyno_kernel *kernel;
  dyno_matmul_args args;
} dyno_matmul;

/* Rows [row0, row1) of one group's matrix. */
typedef struct dyno_span {
  size_t matmul, group, row0, row1;
} dyno_span;

/* A walk over the spans that a thread computes. */
typedef struct dyno_shares {
  dyno_lane *lane;
  const dyno_matmul *matmuls;
  size_t count, granule;
  size_t most_cells; /* rows times tokens of a span, unless a granule is more; 0: no limit */
  size_t step;       /* to claim shares with */
  unsigned rounds;   /* of as many shares as our node has threads; each has half of the last's */
  dyno_span at, end; /* what is left of the share at hand: from at.row0 on, up to end's */
} dyno_shares;

/* Starts the walk over `count` matmuls, whose spans begin at multiples of granule. It is a step
 * that all threads must take. */
dyno_shares dyno_shares_of(dyno_lane *lane, const dyno_matmul *matmuls, size_t count,
                           size_t granule, size_t most_cells);

/* The span that dyno_shares_next will give, claimed already; its size is not limited by most_cells.
 * False when there is none left. */
bool dyno_shares_peek(dyno_shares *shares, dyno_span *span);

/* The next span; false when there is none left. */
bool dyno_shares_next(dyno_shares *shares, dyno_span *span);

#endif
