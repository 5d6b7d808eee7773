/* What this machine can do at most, measured beside what kernels make of it.
 *
 * A ceiling drifts with the clock and with the neighbours of a shared machine, so it is not
 * measured once: whoever times kernels takes a sample of the ceiling in every round, and holds the
 * medians against each other. A probe is prepared once and samples in milliseconds. All threads of
 * the pool work at once, each on its own part. */
#ifndef DYNO_HARNESS_MEASURE_CEILINGS_H
#define DYNO_HARNESS_MEASURE_CEILINGS_H

#include <stddef.h>

#include "kernels/ceiling/ceiling.h"
#include "runtime/threads/pool.h"

typedef struct dyno_ceiling_probe {
  const dyno_ceiling *loop; /* the fastest of its kind; NULL when there is nothing to measure */
  const void *buffer;       /* what a read probe reads; else operands */
  size_t iterations;        /* of one pass, all threads together */
  size_t passes;            /* of one sample */
} dyno_ceiling_probe;

/* Prepares a probe of the plain read of buffer [bytes], aligned to 64: tries the loops of all
 * tiers up to isa and keeps the fastest. A sample makes as many passes as fill `seconds`, at
 * least one. Nothing is measured of less than one unit of the loop. Whether the bytes come from
 * memory or from a cache is the caller's affair: it is a matter of how many there are and of who
 * read what before. */
void dyno_ceiling_probe_read(dyno_ceiling_probe *probe, dyno_pool *pool, dyno_isa isa,
                             const void *buffer, size_t bytes, double seconds);

/* Prepares a probe of multiply-accumulates: `kind`, or what serves in its place when that is
 * faster (float for bfloat16). A sample takes about `seconds`. */
void dyno_ceiling_probe_mac(dyno_ceiling_probe *probe, dyno_pool *pool, dyno_isa isa,
                            dyno_ceiling_kind kind, double seconds);

/* Runs one sample: bytes or multiply-accumulates per second; NaN when there is nothing to
 * measure. */
double dyno_ceiling_probe_sample(const dyno_ceiling_probe *probe, dyno_pool *pool);

#endif
