#include <criterion/criterion.h>

#include <string.h>

#include "tests/unit/random.h"
#include "tests/unit/text_data.h"

static void check_vector(const dyno_tokenizer *tokenizer, const json_t *vector, size_t line)
{
  const char *text;
  size_t count;
  const json_t *ids;
  int special = 0;
  int read = json_unpack((json_t *)(uintptr_t)vector, "{s:s%, s:o, s?b}", "text", &text, &count,
                         "ids", &ids, "special", &special);
  cr_assert(read == 0, "line %zu is no vector", line);

  dyno_tokens tokens = {0};
  dyno_error error = {0};
  dyno_status status = dyno_tokenizer_encode(tokenizer, &tokens, text, count, special != 0, &error);
  cr_assert(status == DYNO_OK, "line %zu: %s", line, error.message);
  cr_assert(tokens.count == json_array_size(ids), "line %zu: %zu tokens, wanted %zu", line,
            tokens.count, json_array_size(ids));
  for (size_t i = 0; i < tokens.count; i++)
    cr_assert(tokens.ids[i] == json_integer_value(json_array_get(ids, i)),
              "line %zu: token %zu is %d, wanted %lld", line, i, (int)tokens.ids[i],
              (long long)json_integer_value(json_array_get(ids, i)));

  dyno_bytes bytes = {0};
  status = dyno_tokenizer_decode(tokenizer, &bytes, tokens.ids, tokens.count, &error);
  cr_assert(status == DYNO_OK, "line %zu: %s", line, error.message);
  cr_assert(bytes.count == count && (count == 0 || memcmp(bytes.data, text, count) == 0),
            "line %zu: came back different", line);
  dyno_bytes_free(&bytes);
  dyno_tokens_free(&tokens);
}

/* Checks every line and returns how many there are. */
static size_t check_vectors(const dyno_tokenizer *tokenizer, const char *path)
{
  FILE *stream = fopen(path, "r");
  cr_assert(stream != NULL, "%s cannot be opened", path);
  size_t lines = 0;
  json_error_t problem;
  for (json_t *vector;
       (vector = json_loadf(stream, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &problem)) != NULL;) {
    check_vector(tokenizer, vector, ++lines);
    json_decref(vector);
  }
  cr_assert(feof(stream), "%s, after line %zu: %s", path, lines, problem.text);
  fclose(stream);
  return lines;
}

Test(tokenizer, agrees_with_tiktoken_on_the_small_vocabulary)
{
  dyno_tokenizer *tokenizer = open_small();
  data_path path = test_data("vectors.jsonl");
  size_t lines = check_vectors(tokenizer, path.text);
  cr_assert(lines == 573, "%zu vectors", lines);
  dyno_tokenizer_free(tokenizer);
}

Test(tokenizer, agrees_with_tiktoken_on_o200k)
{
  data_path vocabulary = shared_data("o200k_base.tiktoken");
  data_path vectors = shared_data("tokenizer-vectors.jsonl");
  require_file(&vocabulary);
  require_file(&vectors);
  dyno_tokenizer *tokenizer = open_tiktoken(vocabulary.text);
  size_t lines = check_vectors(tokenizer, vectors.text);
  cr_assert(lines == 973, "%zu vectors", lines);
  dyno_tokenizer_free(tokenizer);
}

typedef struct named_id {
  const char *text;
  int32_t id;
} named_id;

Test(tokenizer, knows_the_special_tokens_of_harmony)
{
  data_path vocabulary = shared_data("o200k_base.tiktoken");
  require_file(&vocabulary);
  dyno_tokenizer *tokenizer = open_tiktoken(vocabulary.text);
  static const named_id names[] = {
      {"<|startoftext|>", 199998},
      {"<|endoftext|>", 199999},
      {"<|return|>", 200002},
      {"<|constrain|>", 200003},
      {"<|channel|>", 200005},
      {"<|start|>", 200006},
      {"<|end|>", 200007},
      {"<|message|>", 200008},
      {"<|call|>", 200012},
      {"<|endofprompt|>", 200018},
      {"<|reserved_200000|>", 200000},
      {"<|reserved_201087|>", 201087},
      {"<|nothing|>", -1},
      {"<|end|", -1},
      {"", -1},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    cr_assert(dyno_tokenizer_special(tokenizer, names[i].text) == names[i].id, "%s is %d",
              names[i].text, (int)dyno_tokenizer_special(tokenizer, names[i].text));
  cr_assert(dyno_tokenizer_size(tokenizer) == 201088, "%zu ids", dyno_tokenizer_size(tokenizer));
  dyno_tokenizer_free(tokenizer);
}

/* Runs text through and back; returns how many tokens it has. */
static size_t round_trip(const dyno_tokenizer *tokenizer, const char *text, size_t count)
{
  dyno_tokens tokens = {0};
  dyno_bytes bytes = {0};
  dyno_error error = {0};
  cr_assert(dyno_tokenizer_encode(tokenizer, &tokens, text, count, false, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_tokenizer_decode(tokenizer, &bytes, tokens.ids, tokens.count, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(bytes.count == count && (count == 0 || memcmp(bytes.data, text, count) == 0),
            "%zu bytes came back different", count);
  size_t made = tokens.count;
  dyno_tokens_free(&tokens);
  dyno_bytes_free(&bytes);
  return made;
}

Test(tokenizer, any_bytes_come_back)
{
  dyno_tokenizer *tokenizer = open_small();
  uint64_t state = 7;
  /* Bytes that make and break UTF-8, spaces and letters, in all neighbourhoods. */
  static const char pool[] = "aZ '\n\r\t0/!\x80\xbf\xc2\xc5\xcc\xe0\xe2\xed\xf0\xf4\xff\x9f\x81";
  for (int i = 0; i < 20000; i++) {
    char text[160];
    size_t count = random_below(&state, sizeof text);
    for (size_t j = 0; j < count; j++)
      text[j] = i % 2 == 0 ? pool[random_below(&state, sizeof pool)] : (char)random_next(&state);
    round_trip(tokenizer, text, count);
  }
  dyno_tokenizer_free(tokenizer);
}

/* Anything quadratic would run into the time limit, and recursion out of stack. */
Test(tokenizer, a_megabyte_of_the_same_is_no_trouble, .timeout = 100)
{
  dyno_tokenizer *tokenizer = open_small();
  static const char *const units[] = {"A",
                                      " ",
                                      "\n",
                                      "0",
                                      "\xc3\xa9",
                                      "aA",
                                      "!\n",
                                      "\xff",
                                      "\xcc\x81"
                                      "A",
                                      "\xcc\x81",
                                      "A\xcc\x81"
                                      "B"};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    size_t unit = strlen(units[i]), count = ((size_t)1 << 20) / unit * unit;
    char *text = malloc(count);
    cr_assert(text != NULL, "out of memory");
    for (size_t at = 0; at < count; at += unit)
      memcpy(text + at, units[i], unit);
    size_t tokens = round_trip(tokenizer, text, count);
    cr_assert(tokens > 0, "no tokens");
    free(text);
  }
  dyno_tokenizer_free(tokenizer);
}

Test(tokenizer, special_tokens_are_found_only_where_asked)
{
  dyno_tokenizer *tokenizer = open_small();
  const char *text = "a<|end|>b";
  int32_t end = dyno_tokenizer_special(tokenizer, "<|end|>");
  dyno_tokens tokens = {0};
  cr_assert(dyno_tokenizer_encode(tokenizer, &tokens, text, strlen(text), false, NULL) == DYNO_OK,
            "failed");
  for (size_t i = 0; i < tokens.count; i++)
    cr_assert(tokens.ids[i] != end, "the spelling became the token");
  tokens.count = 0;
  cr_assert(dyno_tokenizer_encode(tokenizer, &tokens, text, strlen(text), true, NULL) == DYNO_OK,
            "failed");
  cr_assert(tokens.count == 3 && tokens.ids[1] == end, "%zu tokens", tokens.count);
  dyno_tokens_free(&tokens);
  dyno_tokenizer_free(tokenizer);
}

Test(tokenizer, refuses_ids_that_are_none)
{
  dyno_tokenizer *tokenizer = open_small();
  int32_t size = (int32_t)dyno_tokenizer_size(tokenizer);
  const int32_t bad[] = {-1, size, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    dyno_bytes bytes = {0};
    dyno_error error = {0};
    const int32_t ids[] = {0, bad[i]};
    dyno_status status = dyno_tokenizer_decode(tokenizer, &bytes, ids, 2, &error);
    cr_assert(status == DYNO_ERROR_FORMAT && bytes.count == 0, "id %d taken", (int)bad[i]);
    cr_assert(strstr(error.message, "at index 1") != NULL, "%s", error.message);
    dyno_bytes_free(&bytes);
  }
  cr_assert(dyno_tokenizer_encode(tokenizer, &(dyno_tokens){0}, "", DYNO_TOKENIZER_TEXT_BYTES + 1,
                                  false, NULL) == DYNO_ERROR_USAGE,
            "a text over the limit taken");
  dyno_tokenizer_free(tokenizer);
}
