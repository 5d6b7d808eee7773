/* The parser of the model's tokens: whatever they are, it goes on, and its text is well-formed. Two
 * bytes of the input are a token; every other one below 16 is a marker. */
#include "config.h"

#include <string.h>

#include "runtime/text/harmony.h"
#include "runtime/text/utf8.h"
#include "tests/fuzz/target.h"

typedef struct fixture {
  dyno_tokenizer *tokenizer;
  dyno_harmony harmony;
} fixture;

static void set_up(fixture *f)
{
  dyno_vocabulary *vocabulary = NULL;
  FUZZ_REQUIRE(dyno_vocabulary_create(&vocabulary, NULL) == DYNO_OK);
  for (int byte = 0; byte < 256; byte++) {
    char text = (char)byte;
    dyno_vocabulary_add(vocabulary, byte, &text, 1, DYNO_TOKEN_NORMAL, NULL);
  }
  static const char *const words[] = {"final",     "analysis", "commentary",
                                      "assistant", " to=",     "json"};
  for (int i = 0; i < 6; i++)
    dyno_vocabulary_add(vocabulary, 256 + i, words[i], strlen(words[i]), DYNO_TOKEN_NORMAL, NULL);
  char longest[300];
  memset(longest, 'x', sizeof longest);
  dyno_vocabulary_add(vocabulary, 262, longest, sizeof longest, DYNO_TOKEN_NORMAL, NULL);
  FUZZ_REQUIRE(dyno_vocabulary_add_harmony(vocabulary, NULL) == DYNO_OK);
  FUZZ_REQUIRE(dyno_tokenizer_create(&f->tokenizer, &vocabulary, NULL) == DYNO_OK);
  FUZZ_REQUIRE(dyno_harmony_create(&f->harmony, f->tokenizer, NULL) == DYNO_OK);
}

static void require_well_formed(const dyno_bytes *text)
{
  for (size_t at = 0; at < text->count;) {
    uint32_t code_point;
    size_t length = dyno_utf8_decode(&code_point, text->data + at, text->count - at);
    FUZZ_REQUIRE(length > 0);
    at += length;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static fixture f;
  if (f.tokenizer == NULL)
    set_up(&f);
  dyno_harmony_parser parser;
  dyno_harmony_parser_start(&parser, &f.harmony);
  bool open = false, stopped = false;
  for (size_t i = 0; i < size; i += 2) {
    dyno_bytes text = {0};
    dyno_harmony_delta delta;
    int32_t id = data[i] < 16 ? f.harmony.marker[data[i] % DYNO_HARMONY_MARKERS] : data[i];
    if (data[i] >= 16 && i + 1 < size && data[i + 1] < 12)
      id = 256 + data[i + 1] - (data[i + 1] == 11 ? 300 : 0); /* the last one is no token */
    if (i + 2 < size)
      FUZZ_REQUIRE(dyno_harmony_parser_push(&parser, &delta, &text, id, NULL) == DYNO_OK);
    else
      FUZZ_REQUIRE(dyno_harmony_parser_finish(&parser, &delta, &text, NULL) == DYNO_OK);
    require_well_formed(&text);
    FUZZ_REQUIRE(!stopped || (text.count == 0 && delta.stops));
    FUZZ_REQUIRE(!delta.begins_message || !open);
    open |= delta.begins_message;
    FUZZ_REQUIRE(!delta.ends_message || open);
    FUZZ_REQUIRE(text.count == 0 || open);
    open &= !delta.ends_message;
    stopped |= delta.stops;
    dyno_bytes_free(&text);
  }
  return 0;
}
