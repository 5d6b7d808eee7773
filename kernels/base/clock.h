/* The clock that every duration is taken from. */
#ifndef DYNO_KERNELS_BASE_CLOCK_H
#define DYNO_KERNELS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since an arbitrary start; never runs backwards, is not slewed to another rate by
 * more than NTP's 500 ppm, and keeps counting while the thread waits. Thread-safe. */
static inline uint64_t dyno_clock_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#endif
