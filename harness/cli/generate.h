/* One answer: the prompt through the model, then token after token, with the times. */
#ifndef DYNO_HARNESS_CLI_GENERATE_H
#define DYNO_HARNESS_CLI_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/engine.h"
#include "runtime/sample/sampler.h"
#include "runtime/text/buffer.h"

typedef struct dyno_generation {
  size_t prompt_tokens; /* that had to be run; those in the sequence already do not count, */
  size_t reused_tokens; /* nor those that the cache had */
  size_t answer_tokens;
  uint64_t prefill_ns;     /* all of the prompt */
  uint64_t decode_ns;      /* all tokens of the answer after the first */
  uint64_t first_token_ns; /* from the start to the first token */
  bool interrupted;        /* by Ctrl-C */
} dyno_generation;

/* Called with each token; false ends the answer. */
typedef bool dyno_token_visit(void *context, int32_t id);

/* Appends the prompt to the sequence (at least one token) and generates at most `most` tokens, or
 * until visit says so, Ctrl-C comes, or the sequence is full. The tokens are appended to answer;
 * the last one has not been through the model. The sampler is told of all tokens. */
dyno_status dyno_generate(dyno_generation *generation, dyno_tokens *answer, dyno_sequence *sequence,
                          dyno_sampler *sampler, const int32_t *prompt, size_t count, size_t most,
                          dyno_token_visit *visit, void *context, dyno_error *error);

/* Prints speed, first token, memory, and the kernels that were chosen. */
void dyno_print_generation(FILE *stream, const dyno_generation *generation,
                           const dyno_engine *engine, const dyno_sequence *sequence);

#endif
