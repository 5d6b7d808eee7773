/* The vocabulary of a synthetic model: bytes, pieces of words, padding up to the size that is
 * wanted, and at the end the special tokens of o200k_harmony. */
#ifndef DYNO_RUNTIME_SYNTH_VOCABULARY_H
#define DYNO_RUNTIME_SYNTH_VOCABULARY_H

#include <stddef.h>

#include "kernels/base/status.h"
#include "runtime/model/gguf_writer.h"
#include "runtime/model/span.h"
#include "runtime/text/buffer.h"
#include "runtime/text/vocabulary.h"

enum {
  DYNO_SYNTH_SPECIALS = 201088 - 199998,
  DYNO_SYNTH_LEAST_VOCABULARY = 256 + DYNO_SYNTH_SPECIALS,
};

/* runtime/synth/vocabulary.tiktoken; tests/oracle/tokenizer/synth_vocabulary.py makes it. */
extern const char dyno_synth_vocabulary_text[];

/* A way to join two tokens to a third. */
typedef struct dyno_synth_merge {
  int32_t left, right;
} dyno_synth_merge;

/* Zero-initialise; free with dyno_synth_vocabulary_free. */
typedef struct dyno_synth_vocabulary {
  dyno_vocabulary *tokens;
  dyno_synth_merge *merges; /* of every token all that there are, in the order of its ids */
  size_t merge_count;
  dyno_bytes spelling; /* of every token, as GGUF files and tokenizer.json spell it */
  dyno_span *spelled;  /* [size], into spelling, terminated */
  int32_t first_special;
} dyno_synth_vocabulary;

/* Makes one of `size` tokens, at least DYNO_SYNTH_LEAST_VOCABULARY: of the .tiktoken file at path,
 * all of whose tokens must fit; or, where path is NULL, of as many pieces of the built-in one as
 * fit. */
dyno_status dyno_synth_vocabulary_make(dyno_synth_vocabulary *vocabulary, size_t size,
                                       const char *path, dyno_error *error);
void dyno_synth_vocabulary_free(dyno_synth_vocabulary *vocabulary);

/* The keys of tokenizer.ggml; pre is how the file calls the pre-split. MEMORY. */
dyno_status dyno_synth_vocabulary_write_gguf(const dyno_synth_vocabulary *vocabulary,
                                             dyno_gguf_writer *writer, const char *pre,
                                             dyno_error *error);

/* A tokenizer.json. IO, MEMORY. */
dyno_status dyno_synth_vocabulary_write_json(const dyno_synth_vocabulary *vocabulary,
                                             const char *path, dyno_error *error);

/* The special tokens that files name, by their distance from the first. */
enum {
  DYNO_SYNTH_START_OF_TEXT = 0,
  DYNO_SYNTH_END_OF_TEXT = 1,
  DYNO_SYNTH_RETURN = 4,
  DYNO_SYNTH_CALL = 14,
};

#endif
