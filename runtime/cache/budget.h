/* One account of what all caches hold: nothing is kept that was not taken from it first, so that
 * the limit is never exceeded.
 *
 * dyno_budget_take, _give and the readers may be called by any thread at any time. */
#ifndef DYNO_RUNTIME_CACHE_BUDGET_H
#define DYNO_RUNTIME_CACHE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/cache/options.h"

typedef struct dyno_budget {
  uint64_t limit;     /* bytes */
  uint64_t threshold; /* bytes that idle time evicts down to; <= limit */
  atomic_uint_fast64_t used, peak;
  atomic_uint_fast64_t refused; /* times that something was not to be had */
} dyno_budget;

/* Sets the limits: the options', else those of $CACHE_SIZE_MB (a number of MiB, 1 to
 * DYNO_CACHE_MOST_SIZE) and $CACHE_EVICTION_THRESHOLD (DYNO_CACHE_LEAST_THRESHOLD to 1), else the
 * defaults. USAGE, naming the variable or the option, when one is out of its range. */
dyno_status dyno_budget_open(dyno_budget *budget, const dyno_cache_options *options,
                             dyno_error *error);

/* What is compressed has half of what caches may hold: restoring takes a hundredth of computing, so
 * that most of what is kept may as well be compressed. */
#define DYNO_BUDGET_LEVEL3_SHARE 0.5

/* Makes an account of its own of a share of the limit, with the same threshold: together they never
 * pass what the limit was. Before anything is taken. */
void dyno_budget_split(dyno_budget *part, dyno_budget *budget, double share);

/* Takes that many bytes, or none: false when the limit would be passed. */
bool dyno_budget_take(dyno_budget *budget, uint64_t bytes);

/* Gives back what was taken. */
void dyno_budget_give(dyno_budget *budget, uint64_t bytes);

uint64_t dyno_budget_used(const dyno_budget *budget);

/* The bytes that idle time should evict: what lies above the threshold. */
uint64_t dyno_budget_excess(const dyno_budget *budget);

#endif
