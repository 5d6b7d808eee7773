/* The model that a benchmark runs, and what it is given to do. */
#ifndef DYNO_HARNESS_MEASURE_BENCH_MODEL_H
#define DYNO_HARNESS_MEASURE_BENCH_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "harness/measure/cases.h"
#include "runtime/engine.h"
#include "runtime/sample/sampler.h"
#include "runtime/text/harmony.h"

/* An open engine and what text needs. The harmony points into the tokenizer. */
typedef struct dyno_bench_model {
  dyno_engine *engine; /* owned, as is the rest */
  dyno_tokenizer *tokenizer;
  dyno_harmony harmony;
  dyno_sampler *sampler; /* greedy */
} dyno_bench_model;

/* Takes the engine, which dyno_bench_model_close closes, on failure too. NOT_FOUND or UNSUPPORTED
 * when the model brings no tokenizer, or none that knows the chat format; MEMORY. */
dyno_status dyno_bench_model_open(dyno_bench_model *model, dyno_engine *engine, dyno_error *error);

void dyno_bench_model_close(dyno_bench_model *model);

/* Appends the tokens of a conversation that a user begins, up to where the model answers: what
 * `dyno run` sends, without a date. */
dyno_status dyno_bench_prompt_tokens(dyno_tokens *tokens, const dyno_bench_model *model,
                                     const char *prompt, dyno_effort effort, dyno_error *error);

/* The token that `dyno run` would choose next, greedily. WRONG_OUTPUT when logits are no numbers.
 */
dyno_status dyno_bench_choose(int32_t *id, const dyno_bench_model *model, dyno_sequence *sequence,
                              dyno_error *error);

/* One prompt of a case as speed runs have it. */
typedef struct dyno_bench_work {
  size_t case_index; /* among the cases */
  const dyno_testcase *from;
  const dyno_testcase_prompt *prompt;
  size_t prompt_tokens;
  dyno_tokens trace; /* the answer that is fed: the final channel's header, and the trace's tokens
                        again and again */
} dyno_bench_work;

/* All prompts of the cases, case after case. */
typedef struct dyno_bench_works {
  dyno_bench_work *works;
  size_t count;
  size_t longest; /* tokens of prompt and answer together, the most there are */
} dyno_bench_works;

/* A share of the cases' answers: `scale` of their tokens, but no less than 8 of those that have as
 * many. USAGE when the model's context is too short for one; MEMORY. On failure *works is empty. */
dyno_status dyno_bench_works_make(dyno_bench_works *works, const dyno_bench_model *model,
                                  const dyno_testcases *cases, double scale, dyno_error *error);

void dyno_bench_works_free(dyno_bench_works *works);

/* The work of a case's iteration: its prompts are taken in turn. */
const dyno_bench_work *dyno_bench_works_of(const dyno_bench_works *works,
                                           const dyno_testcases *cases, size_t case_index,
                                           size_t iteration);

/* The answer's tokens of a case, scaled. */
size_t dyno_bench_scaled_tokens(size_t tokens, double scale);

#endif
