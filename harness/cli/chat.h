/* A conversation with a model in the harmony format, on a terminal or for one question. */
#ifndef DYNO_HARNESS_CLI_CHAT_H
#define DYNO_HARNESS_CLI_CHAT_H

#include <stdbool.h>

#include "harness/cli/generate.h"
#include "harness/measure/rounding.h"
#include "runtime/text/harmony.h"

/* What a conversation needs; all borrowed. */
typedef struct dyno_chat_setup {
  dyno_engine *engine;
  dyno_sequence *sequence;
  dyno_sampler *sampler;
  const dyno_tokenizer *tokenizer;
  dyno_effort effort;
  const char *developer;         /* instructions, or NULL */
  const char *current_date;      /* "2025-08-05", or NULL */
  size_t most_tokens;            /* of an answer */
  bool show_analysis;            /* dimmed, before the answer */
  bool color;                    /* stdout understands it */
  bool statistics;               /* printed on stderr after each answer */
  const dyno_rounding *rounding; /* printed there, too; or NULL */
} dyno_chat_setup;

/* Answers one question on stdout. */
dyno_status dyno_chat_once(const dyno_chat_setup *setup, const char *question, dyno_error *error);

/* Reads questions with line editing until the end of input (Ctrl-D). Ctrl-C stops an answer, or
 * empties the line. */
dyno_status dyno_chat_loop(const dyno_chat_setup *setup, dyno_error *error);

#endif
