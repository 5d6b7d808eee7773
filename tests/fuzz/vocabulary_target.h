/* What the targets of vocabulary files share: a file is refused with a message, or it makes a
 * tokenizer that works. */
#ifndef DYNO_TESTS_FUZZ_VOCABULARY_TARGET_H
#define DYNO_TESTS_FUZZ_VOCABULARY_TARGET_H

#include <string.h>

#include "runtime/text/tokenizer.h"
#include "tests/fuzz/target.h"

typedef dyno_status vocabulary_reader(dyno_vocabulary *vocabulary, const char *text, size_t count,
                                      const char *name, dyno_error *error);

static inline void use_tokenizer(const dyno_tokenizer *tokenizer)
{
  static const char text[] = "The\xc3\xa9 \n\xff<|end|> 123 aaaaaaaa";
  dyno_tokens tokens = {0};
  dyno_bytes bytes = {0};
  FUZZ_REQUIRE(dyno_tokenizer_encode(tokenizer, &tokens, text, sizeof text, true, NULL) == DYNO_OK);
  FUZZ_REQUIRE(dyno_tokenizer_decode(tokenizer, &bytes, tokens.ids, tokens.count, NULL) == DYNO_OK);
  FUZZ_REQUIRE(bytes.count == sizeof text && memcmp(bytes.data, text, sizeof text) == 0);
  dyno_tokens_free(&tokens);
  dyno_bytes_free(&bytes);
}

static inline void read_vocabulary(vocabulary_reader *reader, const uint8_t *data, size_t size)
{
  dyno_vocabulary *vocabulary = NULL;
  dyno_tokenizer *tokenizer = NULL;
  dyno_error error = {0};
  FUZZ_REQUIRE(dyno_vocabulary_create(&vocabulary, NULL) == DYNO_OK);
  dyno_status status = reader(vocabulary, (const char *)data, size, "input", &error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_create(&tokenizer, &vocabulary, &error);
  if (status == DYNO_OK)
    use_tokenizer(tokenizer);
  else
    FUZZ_REQUIRE(error.status == status && error.message[0] != '\0');
  dyno_tokenizer_free(tokenizer);
  dyno_vocabulary_free(vocabulary);
}

#endif
