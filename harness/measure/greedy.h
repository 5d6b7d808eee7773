/* How long two ways of computing say the same: greedy continuations, up to the first token in which
 * they differ. */
#ifndef DYNO_HARNESS_MEASURE_GREEDY_H
#define DYNO_HARNESS_MEASURE_GREEDY_H

#include "harness/measure/passages.h"

/* Of each continuation: how many tokens came before the first that differs; all of them where none
 * does. */
typedef struct dyno_greedy {
  double *agreed; /* owned [count] */
  size_t count;
  size_t same;   /* continuations without a difference */
  size_t tokens; /* of all continuations by the reference */
} dyno_greedy;

/* Makes *tokens the prompt of a passage and what the engine finds likeliest after it: at most
 * `most` tokens, no more than the context holds, and none after the passages' stop. USAGE, MEMORY.
 */
dyno_status dyno_greedy_continue(dyno_tokens *tokens, dyno_engine *engine,
                                 const dyno_passages *passages, size_t passage, size_t most,
                                 dyno_error *error);

/* Compares what the engine would have said after the first `prompt` tokens with the others. As long
 * as it agrees, greedy decoding sees the same tokens, so that one pass over all tells. */
dyno_status dyno_greedy_compare(dyno_greedy *greedy, dyno_engine *engine, const int32_t *tokens,
                                size_t count, size_t prompt, dyno_error *error);

/* Runs the tokens `runs` times, cut into passes of other lengths each time, and counts in *same the
 * runs that gave the logits of the first, bit for bit, at every position. */
dyno_status dyno_repeat_runs(size_t *same, dyno_engine *engine, const int32_t *tokens, size_t count,
                             size_t runs, dyno_error *error);

/* Frees and zeroes. */
void dyno_greedy_free(dyno_greedy *greedy);

#endif
