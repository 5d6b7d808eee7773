/* A recorded pattern of allocations (docs/memory.md), read from a file that anybody may have
 * written. */
#ifndef DYNO_HARNESS_MEASURE_ALLOCATION_TRACE_H
#define DYNO_HARNESS_MEASURE_ALLOCATION_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/memory/allocator.h"

/* Takes a block for a slot, or releases the slot's block: bytes is 0 then. */
typedef struct dyno_trace_step {
  uint64_t bytes;
  uint32_t slot;
  uint32_t alignment;
  dyno_purpose purpose;
} dyno_trace_step;

typedef struct dyno_allocation_trace {
  dyno_trace_step *steps;
  size_t count;
  size_t slots;     /* numbers of slots are below it */
  size_t allocated; /* steps that take a block */
  uint64_t peak;    /* the most bytes that are taken at once */
} dyno_allocation_trace;

/* Reads a trace; blocks that it never releases are released at its end, so that it can be run again
 * and again. NOT_FOUND, IO, MEMORY, and FORMAT, naming the line, for anything but a trace of 1 to
 * 16 million steps; then *trace is zeroed. */
dyno_status dyno_allocation_trace_read(dyno_allocation_trace *trace, const char *path,
                                       dyno_error *error);

void dyno_allocation_trace_free(dyno_allocation_trace *trace);

#endif
