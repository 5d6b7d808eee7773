/* Tokens in the words of GGUF. */
#include "config.h"

#include "runtime/text/byte_level.h"
#include "runtime/text/utf8.h"
#include "runtime/text/vocabulary.h"

/* ggml-org/llama.cpp, gguf-py, constants.py, TokenType. */
static const int32_t types[] = {
    [DYNO_TOKEN_UNUSED] = 5,
    [DYNO_TOKEN_NORMAL] = 1,
    [DYNO_TOKEN_SPECIAL] = 3,
    [DYNO_TOKEN_ADDED] = 4,
};

int32_t dyno_vocabulary_type_gguf(const dyno_vocabulary *vocabulary, int64_t id)
{
  return types[dyno_vocabulary_kind(vocabulary, id)];
}

dyno_status dyno_vocabulary_spell_gguf(dyno_bytes *spelling, const dyno_vocabulary *vocabulary,
                                       int64_t id, dyno_error *error)
{
  size_t count;
  const char *bytes = dyno_vocabulary_bytes(vocabulary, id, &count);
  if (dyno_vocabulary_kind(vocabulary, id) != DYNO_TOKEN_NORMAL)
    return dyno_bytes_append(spelling, bytes, count, error);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    char letter[4];
    size_t length = dyno_utf8_encode(letter, dyno_byte_level_code_point((unsigned char)bytes[i]));
    status = dyno_bytes_append(spelling, letter, length, error);
  }
  return status;
}
