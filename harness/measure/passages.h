/* Sequences of tokens that ways of computing are compared on. */
#ifndef DYNO_HARNESS_MEASURE_PASSAGES_H
#define DYNO_HARNESS_MEASURE_PASSAGES_H

#include "harness/measure/items.h"
#include "runtime/engine.h"
#include "runtime/text/buffer.h"

typedef struct dyno_passage {
  size_t begin, end; /* in the tokens */
  /* Where an answer begins, counted from the passage's own begin: what greedy decoding is asked to
   * go on from. */
  size_t prompt;
} dyno_passage;

typedef struct dyno_passages {
  dyno_tokens tokens;
  dyno_passage *passages; /* owned */
  size_t count;
  int32_t stop; /* the token that ends an answer; -1: none is known */
} dyno_passages;

/* All three cut what is longer than the context, or than 512 tokens, into pieces, and ask for what
 * follows the first half of each; items are conversations of their own, asked for the answer. On
 * failure *passages is empty. NOT_FOUND, IO, FORMAT, MEMORY; USAGE when there is nothing. */
dyno_status dyno_passages_read_text(dyno_passages *passages, const char *path,
                                    const dyno_engine *engine, dyno_error *error);
dyno_status dyno_passages_random(dyno_passages *passages, size_t count, uint64_t seed,
                                 const dyno_engine *engine, dyno_error *error);
dyno_status dyno_passages_of_items(dyno_passages *passages, const dyno_items *items,
                                   const dyno_engine *engine, dyno_error *error);

/* Frees and zeroes. */
void dyno_passages_free(dyno_passages *passages);

/* The tokens of a passage, and how many. */
static inline const int32_t *dyno_passage_tokens(const dyno_passages *passages, size_t index)
{
  return passages->tokens.ids + passages->passages[index].begin;
}

static inline size_t dyno_passage_length(const dyno_passages *passages, size_t index)
{
  return passages->passages[index].end - passages->passages[index].begin;
}

/* The passage of prompt `index` of `prompts` (at most as many as passages), spread evenly. */
static inline size_t dyno_passage_of_prompt(const dyno_passages *passages, size_t index,
                                            size_t prompts)
{
  return index * passages->count / prompts;
}

#endif
