/* What a measurement must know of the machine, and do to it, before it starts. */
#ifndef DYNO_HARNESS_MEASURE_HOST_H
#define DYNO_HARNESS_MEASURE_HOST_H

#include <stddef.h>

#include "kernels/base/status.h"

/* Keeps the calling thread on one CPU: `cpu`, or, when that is negative, the last one that the
 * process may use (the first ones serve most interrupts), or the first one if several threads are
 * going to work, because the workers of a pool take those after it. *pinned is the CPU.
 * UNAVAILABLE when the system refuses. */
dyno_status dyno_pin_thread(int *pinned, int cpu, unsigned threads, dyno_error *error);

/* What the system calls itself; "unknown" when it does not say. */
enum { DYNO_HOST_NAME = 65 };
void dyno_host_name(char name[DYNO_HOST_NAME]);

/* Bytes of the largest cache that CPU 0 has a part in, as the system states them; 0 when it does
 * not. */
size_t dyno_largest_cache(void);

/* Bytes of memory that can be had without swapping (MemAvailable, and less where a control group
 * allows less); 0 when the system does not say. */
size_t dyno_available_memory(void);

/* Which part of what has been touched of [data, data + bytes) lies on transparent huge pages: 0
 * to 1, and NaN when the system does not say. A mapping that reaches beyond is taken as even. */
double dyno_huge_page_share(const void *data, size_t bytes);

/* Prefers memory of the node of the thread that touches a page first, whatever policy the process
 * was started under (numactl --interleave). Does nothing without libnuma or on one node. Call it
 * before the first touch. */
void dyno_prefer_local_memory(void *data, size_t bytes);

#endif
