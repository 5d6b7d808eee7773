/* What the machine can do at most under an open engine: multiply-accumulates, which hold for
 * minutes, and a plain read of the very pages that the weights lie in, which does not and is
 * sampled again and again. */
#ifndef DYNO_HARNESS_MEASURE_ENGINE_CEILINGS_H
#define DYNO_HARNESS_MEASURE_ENGINE_CEILINGS_H

#include "harness/measure/profile_read.h"
#include "kernels/ceiling/ceiling.h"
#include "runtime/engine.h"

/* Zero-initialise. */
typedef struct dyno_engine_ceilings {
  dyno_weight_pages *pages; /* owned */
  size_t page_count;
  dyno_profile_reader *reader; /* owned */
  /* Multiply-accumulates per second of one thread and of all together; NaN where not measured. */
  double mac_one[DYNO_CEILING_KIND_COUNT], mac_all[DYNO_CEILING_KIND_COUNT];
} dyno_engine_ceilings;

/* Measures arithmetic with the engine's pool, in some tens of milliseconds, and gets ready to read
 * about `bytes` of its weights in a sample. The engine must outlive it. Close it on failure too.
 * MEMORY, or UNSUPPORTED when there are too few weights to read. */
dyno_status dyno_engine_ceilings_open(dyno_engine_ceilings *ceilings, dyno_engine *engine,
                                      size_t bytes, dyno_error *error);

void dyno_engine_ceilings_close(dyno_engine_ceilings *ceilings);

#endif
