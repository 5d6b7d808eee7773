#include "harness/measure/respond.h"

#include <stdlib.h>
#include <string.h>

#include "harness/measure/logits.h"
#include "harness/measure/structure.h"

dyno_status dyno_responder_open(dyno_responder *r, const dyno_engine_options *options,
                                dyno_error *error)
{
  dyno_engine_options alone = *options;
  alone.registry.threads = 1;
  *r = (dyno_responder){0};
  dyno_status status = dyno_engine_open(&r->engine, &alone, error);
  if (status == DYNO_OK)
    status = dyno_engine_tokenizer(&r->tokenizer, r->engine, error);
  if (status == DYNO_OK)
    status = dyno_harmony_create(&r->harmony, r->tokenizer, error);
  if (status != DYNO_OK)
    return status;
  r->vocab = dyno_engine_config(r->engine)->vocab;
  r->context = dyno_engine_config(r->engine)->context_length;
  if (r->context > 4096)
    r->context = 4096; /* more than any item has; the rest would only take memory */
  return dyno_sequence_open(&r->sequence, r->engine, r->context, error);
}

void dyno_responder_close(dyno_responder *r)
{
  dyno_tokens_free(&r->tokens);
  dyno_sequence_close(&r->sequence);
  dyno_tokenizer_free(r->tokenizer);
  dyno_engine_close(&r->engine);
}

/* What a message of this channel and text looks like behind "<|start|>assistant". */
static dyno_status push_answer(dyno_tokens *tokens, const dyno_harmony *harmony, const char *text,
                               dyno_error *error)
{
  const char *channel = dyno_channel_name(DYNO_CHANNEL_FINAL);
  dyno_status status = dyno_tokens_push(tokens, harmony->marker[DYNO_HARMONY_CHANNEL], error);
  if (status == DYNO_OK)
    status =
        dyno_tokenizer_encode(harmony->tokenizer, tokens, channel, strlen(channel), false, error);
  if (status == DYNO_OK)
    status = dyno_tokens_push(tokens, harmony->marker[DYNO_HARMONY_MESSAGE], error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(harmony->tokenizer, tokens, text, strlen(text), false, error);
  if (status == DYNO_OK)
    status = dyno_tokens_push(tokens, harmony->marker[DYNO_HARMONY_RETURN], error);
  return status;
}

/* Behind the second <|message|>, which is the user's. */
static size_t user_text(const dyno_tokens *tokens, size_t from, int32_t message)
{
  size_t at = from;
  for (int seen = 0; at < tokens->count && seen < 2; at++)
    seen += tokens->ids[at] == message;
  return at;
}

dyno_status dyno_item_tokens(dyno_tokens *tokens, size_t *text, size_t *answer,
                             const dyno_item *item, const dyno_harmony *harmony, dyno_error *error)
{
  const dyno_message message = {DYNO_ROLE_USER, DYNO_CHANNEL_NONE, item->prompt,
                                strlen(item->prompt)};
  const dyno_conversation conversation = {DYNO_EFFORT_MEDIUM, NULL, &message, 1};
  size_t from = tokens->count;
  dyno_status status = dyno_harmony_render(harmony, tokens, &conversation, error);
  *text = user_text(tokens, from, harmony->marker[DYNO_HARMONY_MESSAGE]);
  *answer = tokens->count;
  return status == DYNO_OK ? push_answer(tokens, harmony, item->answer, error) : status;
}

/* Looks at the logits of every position while the right answer goes through. */
typedef struct grader {
  const dyno_responder *responder;
  dyno_answer *answer;
  size_t text, from; /* where the prompt begins, and the answer */
  bool greedy;       /* every token of the answer was the likeliest */
} grader;

static void add(dyno_loss *loss, double nats)
{
  loss->nats += nats;
  loss->tokens++;
}

static void grade(void *context, size_t position, const float *logits)
{
  grader *g = context;
  const dyno_tokens *tokens = &g->responder->tokens;
  size_t next = position + 1, vocab = g->responder->vocab;
  if (next < g->text || next >= tokens->count)
    return;
  int32_t right = tokens->ids[next];
  double nats = dyno_log_sum_exp(logits, vocab) - (double)logits[right];
  add(&g->answer->text, nats);
  add(&g->answer->positions[dyno_quality_range(next, DYNO_QUALITY_POSITIONS)], nats);
  if (next < g->from)
    return;
  add(&g->answer->answer, nats);
  g->greedy = g->greedy && dyno_argmax(logits, vocab) == right;
}

/* What the model says to the first `prompt` tokens, greedily: the text of its final message. */
static dyno_status respond(dyno_bytes *said, dyno_responder *r, size_t prompt, size_t most,
                           dyno_error *error)
{
  dyno_harmony_parser parser;
  dyno_harmony_delta delta = {0};
  dyno_bytes piece = {0};
  dyno_harmony_parser_start(&parser, &r->harmony);
  dyno_sequence_clear(r->sequence);
  dyno_status status = dyno_sequence_append(r->sequence, r->tokens.ids, prompt, NULL, NULL, error);
  for (size_t made = 0; status == DYNO_OK && made < most && !delta.stops; made++) {
    int32_t id = dyno_argmax(dyno_sequence_logits(r->sequence), r->vocab);
    piece.count = 0;
    status = dyno_harmony_parser_push(&parser, &delta, &piece, id, error);
    if (status == DYNO_OK && delta.channel == DYNO_CHANNEL_FINAL)
      status = dyno_bytes_append(said, piece.data, piece.count, error);
    if (dyno_sequence_length(r->sequence) == dyno_sequence_capacity(r->sequence))
      break;
    if (status == DYNO_OK && !delta.stops)
      status = dyno_sequence_append(r->sequence, &id, 1, NULL, NULL, error);
  }
  dyno_bytes_free(&piece);
  return status == DYNO_OK ? dyno_bytes_append(said, "", 1, error) : status;
}

/* The right answer may also be said in other tokens, or another answer be as good: only the text
 * itself tells. */
static dyno_status hear(dyno_answer *answer, dyno_responder *r, size_t prompt, dyno_error *error)
{
  size_t length = r->tokens.count - prompt, room = r->context - prompt;
  size_t most = 2 * length + 64 < room ? 2 * length + 64 : room;
  dyno_bytes said = {0};
  dyno_status status = respond(&said, r, prompt, most, error);
  if (status == DYNO_OK)
    answer->said = said.data;
  else
    dyno_bytes_free(&said);
  return status;
}

dyno_status dyno_responder_answer(dyno_answer *answer, dyno_responder *r, const dyno_item *item,
                                  dyno_error *error)
{
  grader g = {.responder = r, .answer = answer, .greedy = true};
  *answer = (dyno_answer){.why = ""};
  r->tokens.count = 0;
  dyno_status status = dyno_item_tokens(&r->tokens, &g.text, &g.from, item, &r->harmony, error);
  if (status == DYNO_OK && r->tokens.count > r->context)
    status = dyno_fail(error, DYNO_ERROR_USAGE,
                       "a held-out item (%s) has %zu tokens; the model's context is %zu",
                       item->family, r->tokens.count, r->context);
  dyno_sequence_clear(r->sequence);
  if (status == DYNO_OK)
    status = dyno_sequence_append(r->sequence, r->tokens.ids, r->tokens.count, grade, &g, error);
  if (status == DYNO_OK && !g.greedy)
    status = hear(answer, r, g.from, error);
  if (status != DYNO_OK)
    return status;
  answer->exact = g.greedy || strcmp(answer->said, item->answer) == 0;
  if (item->rule != NULL)
    status = dyno_structure_check(&answer->structured, &answer->why, item->rule,
                                  g.greedy ? item->answer : answer->said, error);
  if (answer->exact) {
    free(answer->said);
    answer->said = NULL;
  }
  return status;
}
