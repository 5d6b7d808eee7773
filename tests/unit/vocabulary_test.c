#include <criterion/criterion.h>

#include <string.h>

#include "runtime/text/byte_level.h"
#include "runtime/text/utf8.h"
#include "runtime/text/vocabulary_internal.h"
#include "tests/unit/text_data.h"

static dyno_vocabulary *make_vocabulary(void)
{
  dyno_vocabulary *vocabulary = NULL;
  cr_assert(dyno_vocabulary_create(&vocabulary, NULL) == DYNO_OK, "not made");
  return vocabulary;
}

/* The 256 bytes as tokens 0 to 255. */
static dyno_vocabulary *make_bytes(void)
{
  dyno_vocabulary *vocabulary = make_vocabulary();
  for (int byte = 0; byte < 256; byte++)
    cr_assert(dyno_vocabulary_add(vocabulary, byte, &(char){(char)byte}, 1, DYNO_TOKEN_NORMAL,
                                  NULL) == DYNO_OK,
              "byte %d refused", byte);
  return vocabulary;
}

typedef struct bad_line {
  const char *text;
  const char *complaint;
} bad_line;

static const bad_line bad_lines[] = {
    {"IQ==", "line 1: a token in base64, a space and a rank are wanted"},
    {"IQ== 0\nIg== 0\n", "line 2: token id 0 is there twice"},
    {"IQ== 0\r\n\r\nIg== x\r\n", "line 3: the rank is no whole number"},
    {"IQ== -1", "rank is no whole number"},
    {"IQ== +1", "rank is no whole number"},
    {"IQ== 1 ", "rank is no whole number"},
    {"IQ== ", "rank is no whole number"},
    {"IQ== 9223372036854775808", "rank is no whole number"},
    {"IQ== 18446744073709551616", "rank is no whole number"},
    {"IQ== 1048576", "token id 1048576 is out of bounds"},
    {"IQ== 999999999", "out of bounds"},
    {" 0", "no base64"},
    {"==== 0", "no base64"},
    {"I=== 0", "no base64"},
    {"IQ= 0", "no base64"},
    {"IQ==IQ== 0", "no base64"},
    {"IR== 0", "no base64"},
    {"ISJ= 0", "no base64"},
    {"I\xc3\xa9== 0", "no base64"},
    {"I-_= 0", "no base64"},
};

Test(vocabulary, refuses_bad_tiktoken_lines)
{
  for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
    dyno_vocabulary *vocabulary = make_vocabulary();
    dyno_error error = {0};
    const char *text = bad_lines[i].text;
    dyno_status status =
        dyno_vocabulary_add_tiktoken(vocabulary, text, strlen(text), "v.tiktoken", &error);
    cr_assert(status == DYNO_ERROR_FORMAT, "case %zu: status %d", i, (int)status);
    cr_assert(strstr(error.message, "v.tiktoken: line ") == error.message, "case %zu: %s", i,
              error.message);
    cr_assert(strstr(error.message, bad_lines[i].complaint) != NULL, "case %zu: %s", i,
              error.message);
    dyno_vocabulary_free(vocabulary);
    vocabulary = make_vocabulary();
    cr_assert(dyno_vocabulary_add_tiktoken(vocabulary, text, strlen(text), "v", NULL) ==
                  DYNO_ERROR_FORMAT,
              "case %zu: taken without an error to describe it in", i);
    dyno_vocabulary_free(vocabulary);
  }
}

Test(vocabulary, reads_tiktoken_lines)
{
  static const char text[] = "IQ== 0\nIiM= 2\r\n\nJCUm 5";
  dyno_vocabulary *vocabulary = make_vocabulary();
  dyno_error error = {0};
  cr_assert(dyno_vocabulary_add_tiktoken(vocabulary, text, sizeof text - 1, "v", &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(dyno_vocabulary_size(vocabulary) == 6, "size");
  static const char *const wanted[] = {"!", NULL, "\"#", NULL, NULL, "$%&"};
  for (int id = 0; id < 6; id++) {
    size_t count;
    const char *bytes = dyno_vocabulary_bytes(vocabulary, id, &count);
    cr_assert((bytes == NULL) == (wanted[id] == NULL), "id %d", id);
    cr_assert(bytes == NULL ||
                  (count == strlen(wanted[id]) && memcmp(bytes, wanted[id], count) == 0),
              "id %d", id);
  }
  dyno_vocabulary_free(vocabulary);
}

Test(vocabulary, token_limits)
{
  dyno_vocabulary *v = make_vocabulary();
  char longest[DYNO_VOCABULARY_TOKEN_BYTES + 1] = {0};
  dyno_error error = {0};
  cr_assert(dyno_vocabulary_add(v, DYNO_VOCABULARY_IDS - 1, longest, DYNO_VOCABULARY_TOKEN_BYTES,
                                DYNO_TOKEN_NORMAL, &error) == DYNO_OK,
            "%s", error.message);
  static const int64_t bad_ids[] = {-1, INT64_MIN, INT64_MAX, DYNO_VOCABULARY_IDS,
                                    (int64_t)1 << 32};
  for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++)
    cr_assert(dyno_vocabulary_add(v, bad_ids[i], "x", 1, DYNO_TOKEN_NORMAL, &error) ==
                  DYNO_ERROR_FORMAT,
              "id %lld taken", (long long)bad_ids[i]);
  cr_assert(dyno_vocabulary_add(v, 1, longest, sizeof longest, DYNO_TOKEN_NORMAL, &error) ==
                DYNO_ERROR_FORMAT,
            "a token over the limit taken");
  cr_assert(dyno_vocabulary_add(v, 1, "", 0, DYNO_TOKEN_NORMAL, &error) == DYNO_ERROR_FORMAT,
            "an empty token taken");
  cr_assert(dyno_vocabulary_add(v, 1, "", 0, DYNO_TOKEN_UNUSED, &error) == DYNO_OK,
            "an empty unused token refused");
  dyno_status status = DYNO_OK;
  int64_t id = 2;
  while (status == DYNO_OK && id < 100000)
    status = dyno_vocabulary_add(v, id++, longest, DYNO_VOCABULARY_TOKEN_BYTES, DYNO_TOKEN_NORMAL,
                                 &error);
  cr_assert(status == DYNO_ERROR_FORMAT && id < 20000, "no limit on all bytes together");
  dyno_vocabulary_free(v);
}

static void expect_refusal(dyno_vocabulary *vocabulary, const char *complaint)
{
  dyno_tokenizer *tokenizer = NULL;
  dyno_error error = {0};
  dyno_status status = dyno_tokenizer_create(&tokenizer, &vocabulary, &error);
  cr_assert(status == DYNO_ERROR_FORMAT, "status %d", (int)status);
  cr_assert(strstr(error.message, complaint) != NULL, "%s", error.message);
  cr_assert(vocabulary == NULL && tokenizer == NULL, "left behind");
}

Test(vocabulary, must_be_whole_and_unambiguous)
{
  expect_refusal(make_vocabulary(), "byte 0x00 has no token");

  dyno_vocabulary *v = make_bytes();
  dyno_vocabulary_add(v, 300, "ab", 2, DYNO_TOKEN_NORMAL, NULL);
  dyno_vocabulary_add(v, 301, "ab", 2, DYNO_TOKEN_NORMAL, NULL);
  expect_refusal(v, "tokens 300 and 301 have the same bytes");

  v = make_bytes();
  dyno_vocabulary_add(v, 300, "<|x|>", 5, DYNO_TOKEN_SPECIAL, NULL);
  dyno_vocabulary_add(v, 301, "<|x|>", 5, DYNO_TOKEN_ADDED, NULL);
  expect_refusal(v, "special tokens 300 and 301 have the same text");
}

/* Tokens that were chosen to collide must not make loading quadratic. */
Test(vocabulary, refuses_a_flood_of_collisions)
{
  dyno_vocabulary *v = make_bytes();
  /* The slot is the low bits of a sum of the halves of a product: search for equal ones. */
  int64_t id = 256;
  for (uint32_t i = 0; id < 256 + 600; i++) {
    char text[8] = {'x', 'y'};
    memcpy(text + 2, &i, sizeof i);
    if ((dyno_slot_of(dyno_slot_key(text, 8), 8) & 2047) != 77)
      continue;
    cr_assert(dyno_vocabulary_add(v, id++, text, 8, DYNO_TOKEN_NORMAL, NULL) == DYNO_OK, "refused");
  }
  expect_refusal(v, "collide in the look-up table");
}

Test(vocabulary, added_tokens_are_found_in_any_text)
{
  dyno_vocabulary *v = make_bytes();
  dyno_error error = {0};
  cr_assert(dyno_vocabulary_add_gguf(v, 256, "<think>", 7, 4, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_vocabulary_add_gguf(v, 257, "<|end|>", 7, 4, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_vocabulary_add_gguf(v, 258, "<think>ing", 10, 4, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_vocabulary_add_gguf(v, 259, "[PAD]", 5, 5, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_vocabulary_add_gguf(v, 260, "[PAD7]", 6, 4, &error) == DYNO_OK, "%s",
            error.message);
  dyno_tokenizer *tokenizer = NULL;
  cr_assert(dyno_tokenizer_create(&tokenizer, &v, &error) == DYNO_OK, "%s", error.message);
  const char *text = "<think><|end|><think>ing[PAD][PAD7]";
  dyno_tokens tokens = {0};
  cr_assert(dyno_tokenizer_encode(tokenizer, &tokens, text, strlen(text), false, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(tokens.count == 1 + 7 + 1 + 5 + 6, "%zu tokens", tokens.count);
  cr_assert(tokens.ids[0] == 256 && tokens.ids[8] == 258, "other tokens");
  dyno_tokens_free(&tokens);
  dyno_tokenizer_free(tokenizer);
}

/* The small vocabulary spelled as in a GGUF file gives the same tokens. */
Test(vocabulary, gguf_spelling_is_undone)
{
  dyno_tokenizer *small = open_small();
  dyno_vocabulary *v = make_vocabulary();
  dyno_error error = {0};
  for (int32_t id = 0; id < (int32_t)dyno_tokenizer_size(small); id++) {
    size_t count;
    const char *bytes = dyno_tokenizer_bytes(small, id, &count);
    char spelled[4096];
    size_t length = 0;
    bool special = dyno_vocabulary_kind(dyno_tokenizer_vocabulary(small), id) == DYNO_TOKEN_SPECIAL;
    for (size_t i = 0; i < count; i++)
      length += dyno_utf8_encode(spelled + length,
                                 special ? (unsigned char)bytes[i]
                                         : dyno_byte_level_code_point((unsigned char)bytes[i]));
    dyno_status status = dyno_vocabulary_add_gguf(v, id, spelled, length, special ? 3 : 1, &error);
    cr_assert(status == DYNO_OK, "%s", error.message);
  }
  dyno_tokenizer *again = NULL;
  cr_assert(dyno_tokenizer_create(&again, &v, &error) == DYNO_OK, "%s", error.message);
  for (int32_t id = 0; id < (int32_t)dyno_tokenizer_size(small); id++) {
    size_t count, count_again;
    const char *bytes = dyno_tokenizer_bytes(small, id, &count);
    const char *bytes_again = dyno_tokenizer_bytes(again, id, &count_again);
    cr_assert(count == count_again && memcmp(bytes, bytes_again, count) == 0, "token %d", (int)id);
  }
  dyno_tokenizer_free(again);
  dyno_tokenizer_free(small);
}

typedef struct bad_gguf {
  const char *text;
  int64_t type;
  dyno_status status;
  const char *complaint;
} bad_gguf;

Test(vocabulary, refuses_bad_gguf_tokens)
{
  static const bad_gguf cases[] = {
      {"<0x-1>", 6, DYNO_ERROR_UNSUPPORTED, "type 6"},
      {"x", 0, DYNO_ERROR_UNSUPPORTED, "type 0"},
      {"x", 2, DYNO_ERROR_UNSUPPORTED, "type 2"},
      {"x", INT64_MAX, DYNO_ERROR_UNSUPPORTED, "type 9223372036854775807"},
      {"a b", 1, DYNO_ERROR_FORMAT, "token 5: U+0020 at its byte 1"},
      {"\xe2\x96\x81the", 1, DYNO_ERROR_FORMAT, "U+2581 at its byte 0"},
      {"\xc3", 1, DYNO_ERROR_FORMAT, "byte 0 is not UTF-8"},
      {"", 1, DYNO_ERROR_FORMAT, "token 5 is empty"},
      {"", 3, DYNO_ERROR_FORMAT, "token 5 is empty"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_vocabulary *v = make_vocabulary();
    dyno_error error = {0};
    dyno_status status =
        dyno_vocabulary_add_gguf(v, 5, cases[i].text, strlen(cases[i].text), cases[i].type, &error);
    cr_assert(status == cases[i].status, "case %zu: status %d", i, (int)status);
    cr_assert(strstr(error.message, cases[i].complaint) != NULL, "case %zu: %s", i, error.message);
    dyno_vocabulary_free(v);
  }
}

/* GPT-2's alphabet: its first and last letters, and that it is one. */
Test(vocabulary, byte_alphabet)
{
  bool seen[0x144] = {false};
  for (int byte = 0; byte < 256; byte++) {
    unsigned code_point = dyno_byte_level_code_point((unsigned char)byte);
    cr_assert(code_point < 0x144 && !seen[code_point], "byte %d", byte);
    seen[code_point] = true;
    char text[4], back;
    size_t length;
    size_t count = dyno_utf8_encode(text, code_point);
    cr_assert(dyno_byte_level_decode(&back, 1, &length, text, count, NULL) == DYNO_OK &&
                  length == 1 && (unsigned char)back == byte,
              "byte %d does not come back", byte);
  }
  cr_assert(dyno_byte_level_code_point(' ') == 0x120, "the space is not U+0120");
  cr_assert(dyno_byte_level_code_point('\n') == 0x10a, "the newline is not U+010A");
  cr_assert(dyno_byte_level_code_point(0xad) == 0x143, "the soft hyphen is not U+0143");
  size_t length;
  char room[2];
  cr_assert(dyno_byte_level_decode(room, 2, &length, "abc", 3, NULL) == DYNO_ERROR_FORMAT,
            "more than there is room for");
}
