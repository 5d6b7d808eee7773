#include "config.h"

#include "runtime/text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text/bpe.h"
#include "runtime/text/file.h"
#include "runtime/text/pretokenize.h"
#include "runtime/text/special.h"
#include "runtime/text/unicode.h"
#include "runtime/text/vocabulary_internal.h"

struct dyno_tokenizer {
  dyno_vocabulary *vocabulary; /* owned */
  dyno_unicode *unicode;       /* owned */
  dyno_special_index special;
};

dyno_status dyno_tokenizer_create(dyno_tokenizer **tokenizer, dyno_vocabulary **vocabulary,
                                  dyno_error *error)
{
  *tokenizer = NULL;
  dyno_tokenizer *made = calloc(1, sizeof *made);
  if (made == NULL) {
    dyno_vocabulary_free(*vocabulary);
    *vocabulary = NULL;
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for a tokenizer");
  }
  made->vocabulary = *vocabulary;
  *vocabulary = NULL;
  dyno_status status = dyno_vocabulary_index(made->vocabulary, error);
  if (status == DYNO_OK)
    status = dyno_special_index_create(&made->special, made->vocabulary, error);
  if (status == DYNO_OK)
    status = dyno_unicode_create(&made->unicode, error);
  if (status != DYNO_OK) {
    dyno_tokenizer_free(made);
    return status;
  }
  *tokenizer = made;
  return DYNO_OK;
}

void dyno_tokenizer_free(dyno_tokenizer *tokenizer)
{
  if (tokenizer == NULL)
    return;
  dyno_special_index_free(&tokenizer->special);
  dyno_vocabulary_free(tokenizer->vocabulary);
  free(tokenizer->unicode);
  free(tokenizer);
}

/* The largest file of either kind that is read; o200k's are 3.6 MB and 28 MB. */
enum { FILE_BYTES = 64 << 20 };

typedef dyno_status add_file(dyno_vocabulary *vocabulary, const char *text, size_t count,
                             const char *name, dyno_error *error);

static dyno_status open_file(dyno_tokenizer **tokenizer, const char *path, add_file *add,
                             bool harmony, dyno_error *error)
{
  *tokenizer = NULL;
  dyno_vocabulary *vocabulary = NULL;
  char *text = NULL;
  size_t count = 0;
  dyno_status status = dyno_file_read(&text, &count, path, FILE_BYTES, error);
  if (status == DYNO_OK)
    status = dyno_vocabulary_create(&vocabulary, error);
  if (status == DYNO_OK)
    status = add(vocabulary, text, count, path, error);
  free(text);
  if (status == DYNO_OK && harmony)
    status = dyno_vocabulary_add_harmony(vocabulary, error);
  if (status == DYNO_OK) {
    status = dyno_tokenizer_create(tokenizer, &vocabulary, error);
    if (status != DYNO_OK)
      dyno_error_prepend(error, "%s", path);
  }
  dyno_vocabulary_free(vocabulary);
  return status;
}

dyno_status dyno_tokenizer_open_tiktoken(dyno_tokenizer **tokenizer, const char *path,
                                         dyno_error *error)
{
  return open_file(tokenizer, path, dyno_vocabulary_add_tiktoken, true, error);
}

dyno_status dyno_tokenizer_open_json(dyno_tokenizer **tokenizer, const char *path,
                                     dyno_error *error)
{
  return open_file(tokenizer, path, dyno_vocabulary_add_json, false, error);
}

const dyno_vocabulary *dyno_tokenizer_vocabulary(const dyno_tokenizer *tokenizer)
{
  return tokenizer->vocabulary;
}

/* Text without tokens that are matched as a whole. */
static dyno_status encode_plain(const dyno_tokenizer *t, dyno_bpe_scratch *scratch,
                                dyno_tokens *tokens, const char *text, size_t at, size_t end,
                                dyno_error *error)
{
  while (at < end) {
    size_t length = dyno_pretokenize(t->unicode, text, at, end);
    int32_t id = dyno_vocabulary_find(t->vocabulary, text + at, length);
    dyno_status status = id != DYNO_NO_RANK ? dyno_tokens_push(tokens, id, error)
                                            : dyno_bpe_encode(t->vocabulary, scratch, tokens,
                                                              text + at, length, error);
    if (status != DYNO_OK)
      return status;
    at += length;
  }
  return DYNO_OK;
}

dyno_status dyno_tokenizer_encode(const dyno_tokenizer *tokenizer, dyno_tokens *tokens,
                                  const char *text, size_t count, bool special, dyno_error *error)
{
  if (count > DYNO_TOKENIZER_TEXT_BYTES)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "a text of %zu bytes is too long to be encoded at once: %zu is the most",
                     count, DYNO_TOKENIZER_TEXT_BYTES);
  size_t before = tokens->count;
  dyno_bpe_scratch scratch = {0};
  dyno_status status = DYNO_OK;
  for (size_t at = 0; at < count && status == DYNO_OK;) {
    int32_t id = -1;
    size_t found = dyno_special_search(&tokenizer->special, &id, text, at, count, special);
    status = encode_plain(tokenizer, &scratch, tokens, text, at, found, error);
    at = found;
    if (status == DYNO_OK && found < count) {
      status = dyno_tokens_push(tokens, id, error);
      at += tokenizer->vocabulary->pieces[id].count;
    }
  }
  dyno_bpe_scratch_free(&scratch);
  if (status != DYNO_OK)
    tokens->count = before;
  return status;
}

dyno_status dyno_tokenizer_decode(const dyno_tokenizer *tokenizer, dyno_bytes *bytes,
                                  const int32_t *ids, size_t count, dyno_error *error)
{
  size_t before = bytes->count;
  for (size_t i = 0; i < count; i++) {
    size_t length;
    const char *piece = dyno_tokenizer_bytes(tokenizer, ids[i], &length);
    dyno_status status = piece != NULL
                             ? dyno_bytes_append(bytes, piece, length, error)
                             : dyno_fail(error, DYNO_ERROR_FORMAT,
                                         "id %" PRId32 " at index %zu is no token of this "
                                         "vocabulary, which has ids below %zu",
                                         ids[i], i, dyno_tokenizer_size(tokenizer));
    if (status != DYNO_OK) {
      bytes->count = before;
      return status;
    }
  }
  return DYNO_OK;
}

const char *dyno_tokenizer_bytes(const dyno_tokenizer *tokenizer, int32_t id, size_t *count)
{
  return dyno_vocabulary_bytes(tokenizer->vocabulary, id, count);
}

size_t dyno_tokenizer_size(const dyno_tokenizer *tokenizer)
{
  return dyno_vocabulary_size(tokenizer->vocabulary);
}

int32_t dyno_tokenizer_special(const dyno_tokenizer *tokenizer, const char *text)
{
  return dyno_special_find(&tokenizer->special, text, strlen(text));
}
