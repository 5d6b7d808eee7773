/* The o200k tokenizer: text to tokens and back.
 *
 * It takes bytes. Where they are UTF-8, the tokens are those of OpenAI's tiktoken. Bytes that are
 * not count as symbols, one each, so that every input has tokens and decoding them gives the same
 * bytes back, always.
 *
 * A tokenizer is only read after it was made: any number of threads may use it at once. */
#ifndef DYNO_RUNTIME_TEXT_TOKENIZER_H
#define DYNO_RUNTIME_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/text/buffer.h"
#include "runtime/text/vocabulary.h"

typedef struct dyno_tokenizer dyno_tokenizer;

/* The most that one call encodes, in bytes. */
#define DYNO_TOKENIZER_TEXT_BYTES ((size_t)256 << 20)

/* Makes a tokenizer of a filled vocabulary and takes it: *vocabulary is NULL afterwards, on
 * failure too. FORMAT when a byte has no token or two tokens are equal. */
dyno_status dyno_tokenizer_create(dyno_tokenizer **tokenizer, dyno_vocabulary **vocabulary,
                                  dyno_error *error);

/* From a .tiktoken file, with the special tokens of o200k_harmony behind its ranks. */
dyno_status dyno_tokenizer_open_tiktoken(dyno_tokenizer **tokenizer, const char *path,
                                         dyno_error *error);

/* From a Hugging Face tokenizer.json. */
dyno_status dyno_tokenizer_open_json(dyno_tokenizer **tokenizer, const char *path,
                                     dyno_error *error);

/* NULL is fine. */
void dyno_tokenizer_free(dyno_tokenizer *tokenizer);

const dyno_vocabulary *dyno_tokenizer_vocabulary(const dyno_tokenizer *tokenizer);

/* Appends the tokens of count bytes of text. Special tokens are found in it only if `special`;
 * otherwise their spelling is text like any other, and so a user's text must be encoded. On
 * failure `tokens` is as it was. USAGE when count exceeds DYNO_TOKENIZER_TEXT_BYTES. */
dyno_status dyno_tokenizer_encode(const dyno_tokenizer *tokenizer, dyno_tokens *tokens,
                                  const char *text, size_t count, bool special, dyno_error *error);

/* Appends the bytes of the tokens, special ones as they are spelled. To print while tokens are
 * made, push dyno_tokenizer_bytes through a dyno_utf8_stream instead: a token may end inside a
 * character. FORMAT on an id that is no token; then `bytes` is as it was. */
dyno_status dyno_tokenizer_decode(const dyno_tokenizer *tokenizer, dyno_bytes *bytes,
                                  const int32_t *ids, size_t count, dyno_error *error);

/* The bytes of one token, not terminated, owned by the tokenizer; NULL and 0 when there is no such
 * token. */
const char *dyno_tokenizer_bytes(const dyno_tokenizer *tokenizer, int32_t id, size_t *count);

/* One more than the greatest id. */
size_t dyno_tokenizer_size(const dyno_tokenizer *tokenizer);

/* The id of a special or added token by its text ("<|end|>"); -1 when there is none. */
int32_t dyno_tokenizer_special(const dyno_tokenizer *tokenizer, const char *text);

#endif
