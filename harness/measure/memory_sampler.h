/* Memory over time: a thread that appends a line to memory.jsonl about ten times a second
 * (docs/results-format.md).
 *
 * It reads what costs microseconds: the resident set from /proc/self/statm, the engine's own sums,
 * what malloc holds. Where weights are is looked up page by page, which takes longer: only when the
 * resident set has changed by a hundredth or a case ended, and for at most a thousandth of the
 * time. It stays on no processor. */
#ifndef DYNO_HARNESS_MEASURE_MEMORY_SAMPLER_H
#define DYNO_HARNESS_MEASURE_MEMORY_SAMPLER_H

#include <stdint.h>

#include "runtime/engine.h"

typedef struct dyno_memory_sampler dyno_memory_sampler;

typedef struct dyno_memory_sampler_options {
  const char *path;          /* appended to, made where it is not there */
  int64_t started_ns;        /* CLOCK_REALTIME that t_ns counts from */
  const dyno_engine *engine; /* to be open until the sampler is stopped; NULL: none */
  unsigned period_ms;        /* 0: 100 */
} dyno_memory_sampler_options;

/* Starts the thread. MEMORY, IO when the file cannot be opened, UNAVAILABLE when the thread cannot
 * be started; then *sampler is NULL. options->path need not outlive the call. */
dyno_status dyno_memory_sampler_start(dyno_memory_sampler **sampler,
                                      const dyno_memory_sampler_options *options,
                                      dyno_error *error);

/* Which case runs from now on; NULL between cases. The name must live until the sampler is
 * stopped. */
void dyno_memory_sampler_set_case(dyno_memory_sampler *sampler, const char *name);

/* Takes a last sample, ends the thread, syncs the file and sets *sampler to NULL; NULL is fine.
 * IO when a line could not be written, at any time. */
dyno_status dyno_memory_sampler_stop(dyno_memory_sampler **sampler, dyno_error *error);

#endif
