#include "harness/measure/greedy.h"

#include <stdlib.h>
#include <xxhash.h>

#include "harness/measure/logits.h"

dyno_status dyno_greedy_continue(dyno_tokens *tokens, dyno_engine *engine,
                                 const dyno_passages *passages, size_t passage, size_t most,
                                 dyno_error *error)
{
  const dyno_model_config *config = dyno_engine_config(engine);
  const size_t prompt = passages->passages[passage].prompt;
  size_t room = config->context_length > prompt ? config->context_length - prompt : 0;
  size_t wanted = most < room ? most : room;
  dyno_sequence *sequence = NULL;
  tokens->count = 0;
  dyno_status status = dyno_tokens_reserve(tokens, prompt + wanted, error);
  for (size_t i = 0; i < prompt && status == DYNO_OK; i++)
    status = dyno_tokens_push(tokens, dyno_passage_tokens(passages, passage)[i], error);
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequence, engine, prompt + wanted, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, tokens->ids, prompt, NULL, NULL, error);
  for (size_t made = 0; made < wanted && status == DYNO_OK; made++) {
    int32_t next = dyno_argmax(dyno_sequence_logits(sequence), config->vocab);
    status = dyno_tokens_push(tokens, next, error);
    if (next == passages->stop || made + 1 == wanted)
      break;
    if (status == DYNO_OK)
      status = dyno_sequence_append(sequence, &next, 1, NULL, NULL, error);
  }
  dyno_sequence_close(&sequence);
  return status;
}

typedef struct listening {
  const int32_t *tokens;
  size_t count, prompt, vocab;
  size_t differs; /* the first position whose token is another; count: none is */
} listening;

static void listen(void *context, size_t position, const float *logits)
{
  listening *l = context;
  size_t next = position + 1;
  if (next < l->prompt || next >= l->count || l->differs < l->count)
    return;
  if (dyno_argmax(logits, l->vocab) != l->tokens[next])
    l->differs = next;
}

dyno_status dyno_greedy_compare(dyno_greedy *greedy, dyno_engine *engine, const int32_t *tokens,
                                size_t count, size_t prompt, dyno_error *error)
{
  listening l = {tokens, count, prompt, dyno_engine_config(engine)->vocab, count};
  dyno_sequence *sequence = NULL;
  double *longer = realloc(greedy->agreed, (greedy->count + 1) * sizeof *longer);
  if (longer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "greedy continuations: out of memory");
  greedy->agreed = longer;
  dyno_status status = dyno_sequence_open(&sequence, engine, count, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, tokens, count, listen, &l, error);
  dyno_sequence_close(&sequence);
  if (status != DYNO_OK)
    return status;
  greedy->agreed[greedy->count++] = (double)(l.differs - prompt);
  greedy->same += l.differs == count;
  greedy->tokens += count - prompt;
  return DYNO_OK;
}

typedef struct hashing {
  XXH3_state_t *state;
  size_t bytes;
} hashing;

static void hash(void *context, size_t position, const float *logits)
{
  const hashing *h = context;
  (void)position;
  XXH3_64bits_update(h->state, logits, h->bytes);
}

/* One run in passes of `step` tokens. */
static dyno_status hash_run(uint64_t *result, hashing *h, dyno_engine *engine,
                            const int32_t *tokens, size_t count, size_t step, dyno_error *error)
{
  dyno_sequence *sequence;
  dyno_status status = dyno_sequence_open(&sequence, engine, count, error);
  XXH3_64bits_reset(h->state);
  for (size_t at = 0; at < count && status == DYNO_OK; at += step)
    status = dyno_sequence_append(sequence, tokens + at, count - at < step ? count - at : step,
                                  hash, h, error);
  *result = XXH3_64bits_digest(h->state);
  dyno_sequence_close(&sequence);
  return status;
}

dyno_status dyno_repeat_runs(size_t *same, dyno_engine *engine, const int32_t *tokens, size_t count,
                             size_t runs, dyno_error *error)
{
  hashing h = {XXH3_createState(), dyno_engine_config(engine)->vocab * sizeof(float)};
  uint64_t first = 0, result = 0;
  dyno_status status =
      h.state != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "runs: out of memory");
  *same = 0;
  for (size_t run = 0; run < runs && status == DYNO_OK; run++) {
    /* All at once, in halves, in thirds, ... */
    status = hash_run(&result, &h, engine, tokens, count, (count + run) / (run + 1), error);
    first = run == 0 ? result : first;
    *same += result == first;
  }
  XXH3_freeState(h.state);
  return status;
}

void dyno_greedy_free(dyno_greedy *greedy)
{
  free(greedy->agreed);
  *greedy = (dyno_greedy){0};
}
