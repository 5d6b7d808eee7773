/* Any bytes come back from their tokens, with special tokens looked for and without; and without,
 * none is found. */
#include "config.h"

#include <string.h>

#include "runtime/text/tokenizer.h"
#include "tests/fuzz/target.h"

/* Enough to be merged in several ways, and to leave gaps between the ids. */
static const char *const merges[] = {
    "in",       "th",           "the",      "he",   " t",    " the",     "er",   "on",   "an",
    "and",      "ing",          "  ",       "    ", "\t\t",  "\n\n",     "\r\n", "aa",   "aaa",
    "aaaa",     "AA",           "AAAA",     "ab",   "ba",    "aba",      "00",   "000",  "--",
    "----",     "../",          "://",      "'s",   "'ll",   "\xc3\xa9", "\xe4", "\xb8", "\xad",
    "\xcc\x81", "\xe4\xb8\xad", "\xff\xff", " \n",  "don't",
};

static dyno_tokenizer *make_tokenizer(void)
{
  dyno_vocabulary *vocabulary = NULL;
  dyno_tokenizer *tokenizer = NULL;
  FUZZ_REQUIRE(dyno_vocabulary_create(&vocabulary, NULL) == DYNO_OK);
  for (int byte = 0; byte < 256; byte++) {
    char text = (char)byte;
    dyno_vocabulary_add(vocabulary, 255 - byte, &text, 1, DYNO_TOKEN_NORMAL, NULL);
  }
  int64_t id = 256;
  for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
    if (strlen(merges[i]) > 1)
      dyno_vocabulary_add(vocabulary, id += 2, merges[i], strlen(merges[i]), DYNO_TOKEN_NORMAL,
                          NULL);
  FUZZ_REQUIRE(dyno_vocabulary_add_harmony(vocabulary, NULL) == DYNO_OK);
  FUZZ_REQUIRE(dyno_tokenizer_create(&tokenizer, &vocabulary, NULL) == DYNO_OK);
  return tokenizer;
}

static void require_round_trip(const dyno_tokenizer *tokenizer, const char *text, size_t count,
                               bool special)
{
  dyno_tokens tokens = {0};
  dyno_bytes bytes = {0};
  FUZZ_REQUIRE(dyno_tokenizer_encode(tokenizer, &tokens, text, count, special, NULL) == DYNO_OK);
  FUZZ_REQUIRE(dyno_tokenizer_decode(tokenizer, &bytes, tokens.ids, tokens.count, NULL) == DYNO_OK);
  FUZZ_REQUIRE(bytes.count == count && (count == 0 || memcmp(bytes.data, text, count) == 0));
  const dyno_vocabulary *vocabulary = dyno_tokenizer_vocabulary(tokenizer);
  for (size_t i = 0; i < tokens.count && !special; i++)
    FUZZ_REQUIRE(dyno_vocabulary_kind(vocabulary, tokens.ids[i]) == DYNO_TOKEN_NORMAL);
  dyno_tokens_free(&tokens);
  dyno_bytes_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  /* Made once for the process: a run would otherwise be all set-up. */
  static dyno_tokenizer *tokenizer;
  if (tokenizer == NULL)
    tokenizer = make_tokenizer();
  require_round_trip(tokenizer, (const char *)data, size, false);
  require_round_trip(tokenizer, (const char *)data, size, true);
  return 0;
}
