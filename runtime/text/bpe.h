/* Byte-pair encoding by rank: of all neighbours whose bytes together are a token, those with the
 * lowest id are merged, the leftmost first, until none are left. As in OpenAI's tiktoken
 * (src/lib.rs, byte_pair_merge); Sennrich, Haddow and Birch 2016 for the idea. */
#ifndef DYNO_RUNTIME_TEXT_BPE_H
#define DYNO_RUNTIME_TEXT_BPE_H

#include "runtime/text/buffer.h"
#include "runtime/text/vocabulary.h"

/* Room for long pieces, kept from one to the next. Zero-initialise; free with _free. */
typedef struct dyno_bpe_scratch {
  void *room; /* owned */
  size_t bytes;
} dyno_bpe_scratch;

/* Appends the tokens of a piece of 1 to 2^31 bytes. O(n log n) in its length.
 * Needs scratch of about 36 times the piece, where that is longer than a word. The vocabulary has
 * been indexed. */
dyno_status dyno_bpe_encode(const dyno_vocabulary *vocabulary, dyno_bpe_scratch *scratch,
                            dyno_tokens *tokens, const char *piece, size_t count,
                            dyno_error *error);

void dyno_bpe_scratch_free(dyno_bpe_scratch *scratch);

#endif
