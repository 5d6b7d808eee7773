/* The vocabulary that a GGUF file carries, as it lies there; text/vocabulary.h makes tokens of
 * it. tokenizer.ggml.pre and the merges are not read: the first is wrong in Ollama's files, and
 * o200k merges by rank. */
#ifndef DYNO_RUNTIME_MODEL_GGUF_VOCABULARY_H
#define DYNO_RUNTIME_MODEL_GGUF_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/model/gguf.h"
#include "runtime/model/span.h"

#define DYNO_GGUF_MAX_STOPS 16

typedef struct dyno_gguf_vocabulary {
  size_t count;
  dyno_span *tokens; /* [count], tokenizer.ggml.tokens, into the mapping; the array is owned */
  int64_t *types;    /* [count], tokenizer.ggml.token_type, unchecked; owned */
  /* eos_token_id, eot_token_id and Ollama's eos_token_ids, each once; below count. */
  int32_t stops[DYNO_GGUF_MAX_STOPS];
  size_t stop_count;
} dyno_gguf_vocabulary;

/* NOT_FOUND when the file has no vocabulary; FORMAT when it is malformed; UNSUPPORTED when
 * tokenizer.ggml.model is not gpt2, which is byte-level BPE; MEMORY. On failure *vocabulary is
 * zeroed. gguf must outlive it. */
dyno_status dyno_gguf_vocabulary_read(dyno_gguf_vocabulary *vocabulary, const dyno_gguf *gguf,
                                      dyno_error *error);

/* Frees and zeroes. */
void dyno_gguf_vocabulary_free(dyno_gguf_vocabulary *vocabulary);

#endif
