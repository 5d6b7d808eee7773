/* The counter passes: a case's prompt and answer once more for every group of counters that fits
 * the PMU, and yet once more with a look at the counters after each op. Their speed is no
 * measurement. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_COUNTERS_H
#define DYNO_HARNESS_MEASURE_BENCH_COUNTERS_H

#include "harness/measure/bench_model.h"
#include "harness/measure/counters.h"

/* Tokens of an answer that are counted, at most: figures are per token. */
enum { DYNO_BENCH_COUNTED_TOKENS = 64, DYNO_BENCH_MOST_COUNTERS = 64 };

/* What to count, and in which pass. */
typedef struct dyno_bench_counter_plan {
  char *text; /* owned; the names' strings, where they are not those of a set */
  const char *names[DYNO_BENCH_MOST_COUNTERS];
  size_t pass[DYNO_BENCH_MOST_COUNTERS]; /* ascends */
  size_t count, passes;
} dyno_bench_counter_plan;

/* From what --counters says: "default" or NULL, "none", or names with commas between. USAGE when a
 * name is unknown or there twice, or there are too many; MEMORY. On failure *plan is empty. */
dyno_status dyno_bench_counter_plan_make(dyno_bench_counter_plan *plan, const char *list,
                                         const dyno_perf *perf, dyno_error *error);

void dyno_bench_counter_plan_free(dyno_bench_counter_plan *plan);

/* A row of counters.jsonl. */
typedef struct dyno_bench_count {
  bool decode;         /* the phase; else prefill */
  const char *op;      /* of dyno_probe_op_name; NULL: the whole phase */
  const char *counter; /* of the plan */
  size_t pass, tokens; /* tokens of the phase */
  dyno_counter_value value;
} dyno_bench_count;

typedef struct dyno_bench_counts {
  dyno_bench_count *rows; /* [count] */
  size_t count, capacity;
} dyno_bench_counts;

/* Runs the work for all passes, first whole phases, then by op, and counts what the threads of the
 * engine's pool do. A counter that cannot be had has a row in each phase that says why, and none
 * by op. What happens between two ops counts for the later one. perf may be NULL. MEMORY,
 * WRONG_OUTPUT. Free the counts on failure too. */
dyno_status dyno_bench_count_work(dyno_bench_counts *counts, const dyno_bench_model *model,
                                  const dyno_bench_work *work, const dyno_bench_counter_plan *plan,
                                  const dyno_perf *perf, dyno_error *error);

void dyno_bench_counts_free(dyno_bench_counts *counts);

#endif
