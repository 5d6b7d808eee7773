#include "harness/measure/passages.h"

#include <stdlib.h>
#include <string.h>

#include "harness/measure/respond.h"
#include "runtime/text/file.h"

enum { PIECE_TOKENS = 512, MOST_TEXT = 64 << 20 };

static dyno_status out_of_memory(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "tokens to compare on: out of memory");
}

static dyno_status add(dyno_passages *p, dyno_passage passage, dyno_error *error)
{
  dyno_passage *longer = realloc(p->passages, (p->count + 1) * sizeof *longer);
  if (longer == NULL)
    return out_of_memory(error);
  p->passages = longer;
  p->passages[p->count++] = passage;
  return DYNO_OK;
}

/* Each piece is a sequence of its own, so that long inputs fit any context. */
static dyno_status cut(dyno_passages *p, const dyno_engine *engine, dyno_error *error)
{
  size_t context = dyno_engine_config(engine)->context_length;
  size_t piece = context < PIECE_TOKENS ? context : PIECE_TOKENS;
  dyno_status status = DYNO_OK;
  for (size_t at = 0; at < p->tokens.count && status == DYNO_OK; at += piece) {
    size_t end = p->tokens.count - at < piece ? p->tokens.count : at + piece;
    status = add(p, (dyno_passage){at, end, (end - at + 1) / 2}, error);
  }
  return status;
}

static dyno_status finish(dyno_passages *p, dyno_status status, const char *what, dyno_error *error)
{
  if (status == DYNO_OK && p->count == 0)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "%s: there is nothing to compare on", what);
  if (status != DYNO_OK)
    dyno_passages_free(p);
  return status;
}

dyno_status dyno_passages_read_text(dyno_passages *passages, const char *path,
                                    const dyno_engine *engine, dyno_error *error)
{
  char *text = NULL;
  size_t count;
  dyno_tokenizer *tokenizer = NULL;
  *passages = (dyno_passages){.stop = -1};
  dyno_status status = dyno_file_read(&text, &count, path, MOST_TEXT, error);
  if (status == DYNO_OK)
    status = dyno_engine_tokenizer(&tokenizer, engine, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(tokenizer, &passages->tokens, text, count, false, error);
  if (status == DYNO_OK)
    status = cut(passages, engine, error);
  dyno_tokenizer_free(tokenizer);
  free(text);
  return finish(passages, status, path, error);
}

dyno_status dyno_passages_random(dyno_passages *passages, size_t count, uint64_t seed,
                                 const dyno_engine *engine, dyno_error *error)
{
  uint64_t vocab = dyno_engine_config(engine)->vocab, state = seed;
  *passages = (dyno_passages){.stop = -1};
  dyno_status status = dyno_tokens_reserve(&passages->tokens, count, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    /* SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" */
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    status = dyno_tokens_push(&passages->tokens, (int32_t)((z ^ z >> 31) % vocab), error);
  }
  if (status == DYNO_OK)
    status = cut(passages, engine, error);
  return finish(passages, status, "random tokens", error);
}

dyno_status dyno_passages_of_items(dyno_passages *passages, const dyno_items *items,
                                   const dyno_engine *engine, dyno_error *error)
{
  dyno_tokenizer *tokenizer = NULL;
  dyno_harmony harmony;
  *passages = (dyno_passages){.stop = -1};
  dyno_status status = dyno_engine_tokenizer(&tokenizer, engine, error);
  if (status == DYNO_OK)
    status = dyno_harmony_create(&harmony, tokenizer, error);
  if (status == DYNO_OK)
    passages->stop = harmony.marker[DYNO_HARMONY_RETURN];
  for (size_t i = 0; i < items->count && status == DYNO_OK; i++) {
    size_t text, answer, begin = passages->tokens.count;
    status = dyno_item_tokens(&passages->tokens, &text, &answer, &items->items[i], &harmony, error);
    if (status == DYNO_OK)
      status = add(passages, (dyno_passage){begin, passages->tokens.count, answer - begin}, error);
  }
  dyno_tokenizer_free(tokenizer);
  return finish(passages, status, "items", error);
}

void dyno_passages_free(dyno_passages *passages)
{
  dyno_tokens_free(&passages->tokens);
  free(passages->passages);
  *passages = (dyno_passages){0};
}
