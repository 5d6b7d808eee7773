#include <criterion/criterion.h>

#include <string.h>

#include "tests/unit/text_data.h"

static json_t *load_small_json(void)
{
  data_path path = test_data("small.json");
  json_error_t problem;
  json_t *root = json_load_file(path.text, 0, &problem);
  cr_assert(root != NULL, "%s: %s", path.text, problem.text);
  return root;
}

static dyno_status read_json(const json_t *root, dyno_error *error)
{
  char *text = json_dumps(root, JSON_COMPACT);
  cr_assert(text != NULL, "not dumped");
  dyno_vocabulary *vocabulary = NULL;
  dyno_tokenizer *tokenizer = NULL;
  cr_assert(dyno_vocabulary_create(&vocabulary, NULL) == DYNO_OK, "not made");
  dyno_status status =
      dyno_vocabulary_add_json(vocabulary, text, strlen(text), "tokenizer.json", error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_create(&tokenizer, &vocabulary, error);
  dyno_tokenizer_free(tokenizer);
  dyno_vocabulary_free(vocabulary);
  free(text);
  return status;
}

Test(tokenizer_json, has_the_same_tokens_as_the_tiktoken_file)
{
  data_path path = test_data("small.json");
  dyno_tokenizer *from_json = NULL, *from_tiktoken = open_small();
  dyno_error error = {0};
  cr_assert(dyno_tokenizer_open_json(&from_json, path.text, &error) == DYNO_OK, "%s",
            error.message);
  size_t compared = 0;
  for (int32_t id = 0; id < (int32_t)dyno_tokenizer_size(from_json); id++) {
    size_t count, wanted_count;
    const char *bytes = dyno_tokenizer_bytes(from_json, id, &count);
    const char *wanted = dyno_tokenizer_bytes(from_tiktoken, id, &wanted_count);
    if (bytes == NULL) /* reserved ones are not listed */
      continue;
    cr_assert(count == wanted_count && memcmp(bytes, wanted, count) == 0, "token %d", (int)id);
    compared++;
  }
  cr_assert(compared == 896 + 10, "%zu tokens", compared);
  cr_assert(dyno_tokenizer_special(from_json, "<|end|>") ==
                dyno_tokenizer_special(from_tiktoken, "<|end|>"),
            "<|end|> differs");
  dyno_tokenizer_free(from_json);
  dyno_tokenizer_free(from_tiktoken);
}

/* A change to the good file, as a JSON Pointer (RFC 6901) and the value to put there; no value
 * removes what is there. */
typedef struct change {
  const char *pointer, *value;
  dyno_status status;
  const char *complaint;
} change;

static const change changes[] = {
    {"/model/type", "\"WordPiece\"", DYNO_ERROR_UNSUPPORTED, "model.type"},
    {"/model/type", NULL, DYNO_ERROR_UNSUPPORTED, "model.type"},
    {"/model", "[]", DYNO_ERROR_UNSUPPORTED, "model.type"},
    {"/model/dropout", "0.1", DYNO_ERROR_UNSUPPORTED, "model.dropout"},
    {"/model/end_of_word_suffix", "\"</w>\"", DYNO_ERROR_UNSUPPORTED, "suffixes"},
    {"/model/continuing_subword_prefix", "\"##\"", DYNO_ERROR_UNSUPPORTED, "prefixes"},
    {"/normalizer", "{\"type\": \"NFC\"}", DYNO_ERROR_UNSUPPORTED, "normalizer"},
    {"/pre_tokenizer", NULL, DYNO_ERROR_UNSUPPORTED, "pre_tokenizer"},
    {"/pre_tokenizer/type", "\"ByteLevel\"", DYNO_ERROR_UNSUPPORTED, "pre_tokenizer"},
    {"/pre_tokenizer/pretokenizers", "[]", DYNO_ERROR_UNSUPPORTED, "pre_tokenizer"},
    {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "\"\\\\p{L}+\"", DYNO_ERROR_UNSUPPORTED,
     "o200k pattern"},
    {"/pre_tokenizer/pretokenizers/0/behavior", "\"Removed\"", DYNO_ERROR_UNSUPPORTED,
     "pre_tokenizer"},
    {"/pre_tokenizer/pretokenizers/1/add_prefix_space", "true", DYNO_ERROR_UNSUPPORTED,
     "pre_tokenizer"},
    {"/pre_tokenizer/pretokenizers/1/use_regex", "true", DYNO_ERROR_UNSUPPORTED, "pre_tokenizer"},
    {"/added_tokens", "3", DYNO_ERROR_FORMAT, "added_tokens: an array is wanted"},
    {"/added_tokens/0/lstrip", "true", DYNO_ERROR_UNSUPPORTED, "added_tokens[0]: lstrip"},
    {"/added_tokens/2/id", "-1", DYNO_ERROR_FORMAT, "added_tokens[2]: token id -1"},
    {"/added_tokens/2/id", "9223372036854775807", DYNO_ERROR_FORMAT, "out of bounds"},
    {"/added_tokens/2/id", "1.5", DYNO_ERROR_FORMAT, "a whole number \"id\""},
    {"/added_tokens/2/id", "5", DYNO_ERROR_FORMAT, "token id 5 is there twice"},
    {"/added_tokens/2/content", "\"\"", DYNO_ERROR_FORMAT, "is empty"},
    {"/added_tokens/2/content", "7", DYNO_ERROR_FORMAT, "a string \"content\""},
    {"/added_tokens/2/content", "\"<|end|>\"", DYNO_ERROR_FORMAT, "the same text"},
    {"/model/vocab", "[]", DYNO_ERROR_FORMAT, "model.vocab: an object is wanted"},
    {"/model/vocab", "{}", DYNO_ERROR_FORMAT, "byte 0x00 has no token"},
    {"/model/vocab/a", "\"64\"", DYNO_ERROR_FORMAT, "model.vocab: 'a': its id is no whole"},
    {"/model/vocab/a", "65", DYNO_ERROR_FORMAT, "id 65 is there twice"},
    {"/model/vocab/a", NULL, DYNO_ERROR_FORMAT, "byte 0x61 has no token"},
    {"/model/vocab/a b", "5000", DYNO_ERROR_FORMAT, "U+0020 at its byte 1"},
    {"/model/vocab/\033[2J", "5000", DYNO_ERROR_FORMAT, "model.vocab: '\\x1b[2J'"},
    {"/model/vocab/", "5000", DYNO_ERROR_FORMAT, "token 5000 is empty"},
    {"/model/merges", NULL, DYNO_ERROR_UNSUPPORTED, "lists 0 of the "},
    {"/model/merges", "{}", DYNO_ERROR_UNSUPPORTED, "lists 0 of the "},
    {"/model/merges/0", "[\"q\", \"x\"]", DYNO_ERROR_FORMAT, "model.merges[0]: joins what is no"},
    {"/model/merges/0", "[\"a\"]", DYNO_ERROR_FORMAT, "model.merges[0]: two tokens are wanted"},
    {"/model/merges/0", "[\"a\", \"b\", \"c\"]", DYNO_ERROR_FORMAT, "two tokens are wanted"},
    {"/model/merges/0", "17", DYNO_ERROR_FORMAT, "two tokens are wanted"},
    {"/model/merges/0", "\"ab\"", DYNO_ERROR_FORMAT, "two tokens are wanted"},
    {"/model/merges/0", "\"\\u00e4\\u00df \\u4e2d\"", DYNO_ERROR_FORMAT, "U+4E2D at its byte 0"},
    {"/model/merges/0", "[\"\", \"a\"]", DYNO_ERROR_FORMAT, "joins what is no"},
    {"/model/merges/9", NULL, DYNO_ERROR_UNSUPPORTED, "only complete lists"},
};

static void apply(json_t *root, const change *c)
{
  json_t *at = root;
  char pointer[128];
  snprintf(pointer, sizeof pointer, "%s", c->pointer + 1);
  char *key = pointer;
  for (char *slash; (slash = strchr(key, '/')) != NULL; key = slash + 1) {
    *slash = '\0';
    at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10)) : json_object_get(at, key);
  }
  json_t *value = c->value != NULL ? json_loads(c->value, JSON_DECODE_ANY, NULL) : NULL;
  cr_assert(at != NULL && (value != NULL) == (c->value != NULL), "%s cannot be applied",
            c->pointer);
  if (json_is_array(at) && value == NULL)
    cr_assert(json_array_remove(at, strtoul(key, NULL, 10)) == 0, "%s is not there", c->pointer);
  else if (json_is_array(at))
    cr_assert(json_array_set_new(at, strtoul(key, NULL, 10), value) == 0, "%s is not there",
              c->pointer);
  else if (value == NULL)
    cr_assert(json_object_del(at, key) == 0, "%s is not there", c->pointer);
  else
    cr_assert(json_object_set_new(at, key, value) == 0, "%s not set", c->pointer);
}

Test(tokenizer_json, refuses_what_would_change_the_tokens)
{
  json_t *good = load_small_json();
  dyno_error error = {0};
  cr_assert(read_json(good, &error) == DYNO_OK, "%s", error.message);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    json_t *bad = json_deep_copy(good);
    apply(bad, &changes[i]);
    error = (dyno_error){0};
    dyno_status status = read_json(bad, &error);
    cr_assert(status == changes[i].status, "%s = %s: status %d, %s", changes[i].pointer,
              changes[i].value, (int)status, error.message);
    cr_assert(strstr(error.message, changes[i].complaint) != NULL, "%s = %s: %s",
              changes[i].pointer, changes[i].value, error.message);
    json_decref(bad);
  }
  json_decref(good);
}

/* Merges were strings once; and a list is complete in any spelling. */
Test(tokenizer_json, takes_merges_as_strings)
{
  json_t *root = load_small_json();
  json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
  for (size_t i = 0; i < json_array_size(merges); i++) {
    json_t *pair = json_array_get(merges, i);
    json_array_set_new(merges, i,
                       json_sprintf("%s %s", json_string_value(json_array_get(pair, 0)),
                                    json_string_value(json_array_get(pair, 1))));
  }
  dyno_error error = {0};
  cr_assert(read_json(root, &error) == DYNO_OK, "%s", error.message);
  json_t *twice = json_incref(json_array_get(merges, 0));
  json_array_insert(merges, 1, twice);
  json_array_remove(merges, json_array_size(merges) - 1);
  cr_assert(read_json(root, &error) == DYNO_ERROR_UNSUPPORTED, "a repeated merge taken");
  cr_assert(strstr(error.message, "model.merges[1]: is listed twice") != NULL, "%s", error.message);
  json_decref(twice);
  json_decref(root);
}

Test(tokenizer_json, says_where_it_is_no_json)
{
  static const char *const texts[] = {"",
                                      "{",
                                      "{}",
                                      "[]",
                                      "1",
                                      "{\"a\" 1}",
                                      "{\"model\":\n{\"vocab\": {\"a\": 1, \"a\": 2}}}",
                                      "{\"a\": \"\\ud800\"}",
                                      "\xff\xfe{}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    dyno_vocabulary *vocabulary = NULL;
    cr_assert(dyno_vocabulary_create(&vocabulary, NULL) == DYNO_OK, "not made");
    dyno_error error = {0};
    dyno_status status =
        dyno_vocabulary_add_json(vocabulary, texts[i], strlen(texts[i]), "t.json", &error);
    cr_assert(status != DYNO_OK && strstr(error.message, "t.json: ") == error.message,
              "case %zu: status %d, %s", i, (int)status, error.message);
    dyno_vocabulary_free(vocabulary);
  }
}
