/* How far a benchmark is: what its files hold already, and what is left to do. */
#ifndef DYNO_HARNESS_CLI_BENCH_STATE_H
#define DYNO_HARNESS_CLI_BENCH_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "harness/measure/bench_model.h"
#include "harness/measure/bench_schedule.h"

/* What the iterations of one prompt chose. */
typedef struct dyno_bench_seen {
  bool there;
  uint64_t hash;
} dyno_bench_seen;

typedef struct dyno_bench_state {
  const dyno_testcases *cases;
  const dyno_bench_works *works;
  dyno_bench_schedule schedule;
  bool *slot_done;       /* [schedule.count] */
  dyno_bench_seen *seen; /* [works->count] */
  bool *text_done;       /* [works->count] */
  bool *ops_done;        /* [cases->count] */
  bool *counters_done;   /* [cases->count] */
  size_t *warmups;       /* [cases->count]; so far, those beyond the schedule too */
  size_t samples;        /* so far */
  size_t run;            /* how often it was gone on with */
  dyno_status wrong;     /* WRONG_OUTPUT when hashes of earlier samples differ */
} dyno_bench_state;

/* Of a run that has not begun. The cases and works must outlive it. MEMORY. Free it on failure
 * too. */
dyno_status dyno_bench_state_make(dyno_bench_state *state, const dyno_testcases *cases,
                                  const dyno_bench_works *works, size_t warmup, size_t iterations,
                                  uint64_t seed, dyno_error *error);

void dyno_bench_state_free(dyno_bench_state *state);

/* Visitors of dyno_results_log_open that take in a line of samples.jsonl, ops.jsonl,
 * counters.jsonl, texts.jsonl; context is the state. */
bool dyno_bench_state_add_sample(void *state, const json_t *line);
bool dyno_bench_state_add_op(void *state, const json_t *line);
bool dyno_bench_state_add_counter(void *state, const json_t *line);
bool dyno_bench_state_add_text(void *state, const json_t *line);

/* Takes in the hash of an iteration. WRONG_OUTPUT when another one of the same prompt had another
 * hash. */
dyno_status dyno_bench_state_check_hash(dyno_bench_state *state, const dyno_bench_work *work,
                                        uint64_t hash, dyno_error *error);

#endif
