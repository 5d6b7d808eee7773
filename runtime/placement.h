/* Switches for where threads and weights are put. None changes a result. */
#ifndef DYNO_RUNTIME_PLACEMENT_H
#define DYNO_RUNTIME_PLACEMENT_H

/* How the threads of a pool hand work over and wait for it. */
typedef enum dyno_pool_kind {
  DYNO_POOL_SPIN,  /* by atomics: whoever waits spins for some microseconds, then sleeps */
  DYNO_POOL_MUTEX, /* by a mutex and condition variables: the plain way, to compare with */
  DYNO_POOL_KIND_COUNT
} dyno_pool_kind;

#endif
