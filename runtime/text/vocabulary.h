/* A vocabulary: what each token id stands for. It is filled from whatever source there is (a
 * .tiktoken file, tokenizer.json, the arrays of a GGUF file) and then made into a tokenizer, which
 * checks it as a whole.
 *
 * A vocabulary belongs to one thread while it is filled. */
#ifndef DYNO_RUNTIME_TEXT_VOCABULARY_H
#define DYNO_RUNTIME_TEXT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/text/buffer.h"

typedef struct dyno_vocabulary dyno_vocabulary;

typedef enum dyno_token_kind {
  DYNO_TOKEN_UNUSED,  /* a gap or padding: text is never encoded to it */
  DYNO_TOKEN_NORMAL,  /* bytes that text is merged to; the id is the rank of the merge */
  DYNO_TOKEN_SPECIAL, /* a control token, found in text only where the caller asks for it */
  DYNO_TOKEN_ADDED,   /* found in any text, before it is split */
} dyno_token_kind;

/* Ids are below DYNO_VOCABULARY_IDS, a token has at most DYNO_VOCABULARY_TOKEN_BYTES, and all of
 * them together DYNO_VOCABULARY_BYTES: several times what models have, and a bound on what a small
 * hostile file can make us allocate. */
enum {
  DYNO_VOCABULARY_IDS = 1 << 20,
  DYNO_VOCABULARY_TOKEN_BYTES = 4096,
  DYNO_VOCABULARY_BYTES = 64 << 20,
};

dyno_status dyno_vocabulary_create(dyno_vocabulary **vocabulary, dyno_error *error);

/* NULL is fine. */
void dyno_vocabulary_free(dyno_vocabulary *vocabulary);

/* Adds a token; its bytes are copied. FORMAT when the id is taken or out of bounds, or the token
 * is empty (unless UNUSED) or too long. Ids may come in any order and leave gaps. */
dyno_status dyno_vocabulary_add(dyno_vocabulary *vocabulary, int64_t id, const char *bytes,
                                size_t count, dyno_token_kind kind, dyno_error *error);

/* Adds a token as GGUF files have it: tokenizer.ggml.tokens[id], and its tokenizer.ggml.token_type
 * (1 normal, 3 control, 4 user-defined, 5 unused; the others, of vocabularies that are no
 * byte-level BPE, are UNSUPPORTED). Normal tokens are spelled in GPT-2's byte alphabet
 * (byte_level.h), the others literally. User-defined tokens that look like <|this|> count as
 * control tokens, whatever the converter thought: a user's text must not be able to forge the
 * border of a message. User-defined ones like [PAD12] count as unused. */
dyno_status dyno_vocabulary_add_gguf(dyno_vocabulary *vocabulary, int64_t id, const char *text,
                                     size_t count, int64_t type, dyno_error *error);

/* The other way: appends a token's spelling, nothing for an id that was never added, and its type.
 */
dyno_status dyno_vocabulary_spell_gguf(dyno_bytes *spelling, const dyno_vocabulary *vocabulary,
                                       int64_t id, dyno_error *error);
int32_t dyno_vocabulary_type_gguf(const dyno_vocabulary *vocabulary, int64_t id);

/* Adds the special tokens of o200k_harmony behind the n normal tokens (ids 0 to n - 1) that are
 * there: for o200k_base, where n is 199998, they get the ids they are known by; for a smaller
 * vocabulary the same ones at the same distance, 1090 tokens in all. */
dyno_status dyno_vocabulary_add_harmony(dyno_vocabulary *vocabulary, dyno_error *error);

/* Adds the lines of a .tiktoken file, each a token in base64, a space and its rank. `name` is for
 * messages. */
dyno_status dyno_vocabulary_add_tiktoken(dyno_vocabulary *vocabulary, const char *text,
                                         size_t count, const char *name, dyno_error *error);

/* Adds the tokens of a Hugging Face tokenizer.json whose model is a byte-level BPE with the o200k
 * pattern and merges in the order of ids; anything else is UNSUPPORTED. */
dyno_status dyno_vocabulary_add_json(dyno_vocabulary *vocabulary, const char *text, size_t count,
                                     const char *name, dyno_error *error);

/* One more than the greatest id. */
size_t dyno_vocabulary_size(const dyno_vocabulary *vocabulary);

/* The bytes of a token, not terminated, valid until the next add; NULL and count 0 for an id that
 * was never added. */
const char *dyno_vocabulary_bytes(const dyno_vocabulary *vocabulary, int64_t id, size_t *count);

dyno_token_kind dyno_vocabulary_kind(const dyno_vocabulary *vocabulary, int64_t id);

#endif
