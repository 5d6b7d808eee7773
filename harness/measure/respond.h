/* One engine that answers held-out items, one after the other. */
#ifndef DYNO_HARNESS_MEASURE_RESPOND_H
#define DYNO_HARNESS_MEASURE_RESPOND_H

#include "harness/measure/quality.h"
#include "runtime/text/harmony.h"

/* Belongs to one thread. */
typedef struct dyno_responder {
  dyno_engine *engine;
  dyno_tokenizer *tokenizer;
  dyno_harmony harmony;
  dyno_sequence *sequence;
  dyno_tokens tokens; /* of the item at hand */
  size_t vocab, context;
} dyno_responder;

/* Opens the model with one thread. Whatever it returns, the responder is to be closed. */
dyno_status dyno_responder_open(dyno_responder *responder, const dyno_engine_options *options,
                                dyno_error *error);

void dyno_responder_close(dyno_responder *responder);

/* Fills *answer, whose `said` is the caller's to free. */
dyno_status dyno_responder_answer(dyno_answer *answer, dyno_responder *responder,
                                  const dyno_item *item, dyno_error *error);

/* The tokens of the item's whole conversation, appended; *answer is where the model's part
 * begins, *text where the prompt does. */
dyno_status dyno_item_tokens(dyno_tokens *tokens, size_t *text, size_t *answer,
                             const dyno_item *item, const dyno_harmony *harmony, dyno_error *error);

#endif
