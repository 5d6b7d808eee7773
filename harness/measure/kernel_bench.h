/* Benchmarks of kernel variants: all that can compute a problem, in turns, against the ceilings of
 * the machine in the same minute.
 *
 * Two conditions. Cold: weights, KV blocks and what else a model streams are taken from a pool of
 * copies that is several times the largest cache, in order, so that every pass comes from memory;
 * activations and outputs of a matmul stay warm, as they do within a token. Warm: the same copy
 * again and again, after a pass that is not timed; what fits into a cache comes from there.
 *
 * A sample is the mean time of as many consecutive calls as fill about two milliseconds. A round
 * takes one sample of every variant, in random order, and one of each ceiling: a plain read of
 * the very pages that the variants of a layout use, in the same condition, and the arithmetic
 * that they use. Medians over the rounds are held against each other. */
#ifndef DYNO_HARNESS_MEASURE_KERNEL_BENCH_H
#define DYNO_HARNESS_MEASURE_KERNEL_BENCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/counters.h"
#include "harness/measure/statistics.h"
#include "kernels/cost.h"
#include "kernels/registry.h"

typedef enum dyno_bench_condition {
  DYNO_BENCH_COLD,
  DYNO_BENCH_WARM,
  DYNO_BENCH_CONDITION_COUNT
} dyno_bench_condition;

/* "cold", "warm". */
const char *dyno_bench_condition_name(dyno_bench_condition condition);

typedef struct dyno_bench_options {
  unsigned rounds;       /* samples of each variant, at least 3 */
  unsigned threads;      /* 0 counts as 1 */
  int cpu;               /* where to stay; negative: choose */
  uint64_t seed;         /* of the operands and of the order within rounds */
  double sample_seconds; /* what the calls of a sample add up to, if one alone does not */
  /* The longest a call may take. Of a variant that takes longer, fewer rows are measured, and
   * their time is scaled up by their share of the work. */
  double call_seconds;
  size_t memory; /* the most that operands may take, in bytes; 0: three quarters of what is free */
  bool counters; /* count instructions and cycles, in samples of their own */
  const volatile sig_atomic_t *stop; /* set by a signal handler to end early; may be NULL */
} dyno_bench_options;

#define DYNO_BENCH_DEFAULTS                                                                        \
  ((dyno_bench_options){.rounds = 15,                                                              \
                        .threads = 1,                                                              \
                        .cpu = -1,                                                                 \
                        .seed = 1,                                                                 \
                        .sample_seconds = 0.002,                                                   \
                        .call_seconds = 0.05})

enum { DYNO_BENCH_INSTRUCTIONS, DYNO_BENCH_CYCLES, DYNO_BENCH_COUNTERS };

/* What was measured of one variant on one problem in one condition. */
typedef struct dyno_bench_result {
  const dyno_kernel *kernel;
  dyno_problem problem;
  dyno_bench_condition condition;
  unsigned threads;
  dyno_cost cost;
  dyno_summary seconds; /* of one call of the whole problem */
  size_t disturbed;     /* samples during which the first thread lost its CPU to another program */
  size_t calls;         /* per sample */
  size_t rows, rows_measured;
  size_t copies;           /* of what is streamed */
  double working_set;      /* bytes that one pass through all copies streams */
  double huge_pages;       /* share of the memory on huge pages; NaN when unknown */
  double bytes_per_second; /* cost over the median time, as the next one */
  double macs_per_second;
  double read_ceiling;          /* bytes per second, median; NaN when not measured */
  const char *read_ceiling_by;  /* the loop: "read__avx2"; NULL likewise */
  double mac_ceiling;           /* multiply-accumulates per second, median */
  const char *mac_ceiling_by;   /* "mac_i8__avx512vnni" */
  double read_share, mac_share; /* of the ceilings */
  /* The time that the slower of the two ceilings would allow, over the time taken (Williams et
   * al. 2009): 1 is all that the machine can do. */
  double attainment;
  bool memory_bound; /* that slower one is the read ceiling */
  /* The fastest of its problem and condition; or not told from it: its median lies in the
   * confidence interval of the fastest one's. */
  bool fastest, tied;
  dyno_counter_value counters[DYNO_BENCH_COUNTERS]; /* per call, if asked for */
} dyno_bench_result;

typedef struct dyno_bench dyno_bench;

/* Gets ready: pins the calling thread, starts the workers, finds the cache and the memory. *bench
 * is NULL on failure. The registry must outlive it. */
dyno_status dyno_bench_open(dyno_bench **bench, const dyno_registry *registry,
                            const dyno_bench_options *options, dyno_error *error);

/* Sets *bench to NULL; NULL is fine. Threads stay pinned. */
void dyno_bench_close(dyno_bench **bench);

/* The CPU that thread 0 stays on, and the bytes of the largest cache. */
int dyno_bench_cpu(const dyno_bench *bench);
size_t dyno_bench_cache(const dyno_bench *bench);

/* Measures the variants [count], all usable for the problem, under a condition, and writes a
 * result for each, in their order. MEMORY when the operands do not fit; UNSUPPORTED when they
 * cannot be made; INTERRUPTED when stopped. */
dyno_status dyno_bench_run(dyno_bench *bench, dyno_bench_result *results,
                           const dyno_kernel *const *kernels, size_t count,
                           const dyno_problem *problem, dyno_bench_condition condition,
                           dyno_error *error);

#endif
