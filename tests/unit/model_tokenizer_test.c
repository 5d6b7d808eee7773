/* Tokenizers from where models keep their vocabulary. */
#include <criterion/criterion.h>

#include <string.h>
#include <sys/stat.h>

#include "runtime/model/gguf_writer.h"
#include "runtime/text/byte_level.h"
#include "runtime/text/model_tokenizer.h"
#include "runtime/text/utf8.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/text_data.h"

/* The small vocabulary, spelled as in a GGUF file. */
typedef struct spelled {
  dyno_span *tokens;
  int32_t *types;
  size_t count;
  dyno_bytes text;
} spelled;

static void spell(spelled *s, const dyno_tokenizer *tokenizer)
{
  s->count = dyno_tokenizer_size(tokenizer);
  s->tokens = calloc(s->count, sizeof *s->tokens);
  s->types = calloc(s->count, sizeof *s->types);
  /* All at once, so that the spans stay where they point. */
  cr_assert(dyno_bytes_reserve(&s->text, (size_t)1 << 20, NULL) == DYNO_OK, "out of memory");
  for (size_t id = 0; id < s->count; id++) {
    size_t count;
    const char *bytes = dyno_tokenizer_bytes(tokenizer, (int32_t)id, &count);
    bool special = dyno_vocabulary_kind(dyno_tokenizer_vocabulary(tokenizer), (int64_t)id) ==
                   DYNO_TOKEN_SPECIAL;
    s->types[id] = special ? 3 : 1;
    s->tokens[id].bytes = s->text.data + s->text.count;
    for (size_t i = 0; i < count; i++)
      s->text.count += dyno_utf8_encode(
          s->text.data + s->text.count,
          special ? (unsigned char)bytes[i] : dyno_byte_level_code_point((unsigned char)bytes[i]));
    s->tokens[id].size = (size_t)(s->text.data + s->text.count - s->tokens[id].bytes);
  }
}

static void write_gguf(const char *path, const char *model, const spelled *s, size_t count)
{
  dyno_gguf_writer *writer = NULL;
  dyno_error error = {0};
  cr_assert(dyno_gguf_writer_new(&writer, path, &error) == DYNO_OK, "%s", error.message);
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", model);
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.pre", "default"); /* wrong, as in Ollama's */
  dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.tokens", s->tokens, count);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, s->types, count);
  cr_assert(dyno_gguf_writer_begin(writer, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_gguf_writer_commit(writer, &error) == DYNO_OK, "%s", error.message);
  dyno_gguf_writer_free(&writer);
}

static void expect_same(const dyno_tokenizer *a, const dyno_tokenizer *b)
{
  static const char text[] = "The bench tells the truth. \xf0\x9f\x8e\x89 don't<|end|>\n\n  1234";
  dyno_tokens a_tokens = {0}, b_tokens = {0};
  for (int special = 0; special < 2; special++) {
    a_tokens.count = b_tokens.count = 0;
    cr_assert(dyno_tokenizer_encode(a, &a_tokens, text, sizeof text, special, NULL) == DYNO_OK &&
                  dyno_tokenizer_encode(b, &b_tokens, text, sizeof text, special, NULL) == DYNO_OK,
              "not encoded");
    cr_assert(a_tokens.count == b_tokens.count &&
                  memcmp(a_tokens.ids, b_tokens.ids, a_tokens.count * sizeof *a_tokens.ids) == 0,
              "other tokens");
  }
  dyno_tokens_free(&a_tokens);
  dyno_tokens_free(&b_tokens);
}

static dyno_tokenizer *open_model(const char *path)
{
  dyno_tokenizer *tokenizer = NULL;
  dyno_error error = {0};
  cr_assert(dyno_tokenizer_open_model(&tokenizer, path, &error) == DYNO_OK, "%s", error.message);
  return tokenizer;
}

Test(model_tokenizer, comes_from_gguf_and_from_json)
{
  dyno_tokenizer *small = open_small();
  fixture_folder folder;
  fixture_folder_make(&folder);
  spelled s = {0};
  spell(&s, small);
  write_gguf(fixture_path(&folder, "small.gguf"), "gpt2", &s, s.count);
  dyno_tokenizer *tokenizer = open_model(fixture_path(&folder, "small.gguf"));
  expect_same(small, tokenizer);
  dyno_tokenizer_free(tokenizer);
  tokenizer = open_model(folder.path); /* the only .gguf in it */
  expect_same(small, tokenizer);
  dyno_tokenizer_free(tokenizer);

  data_path json = test_data("small.json");
  tokenizer = open_model(json.text);
  expect_same(small, tokenizer);
  dyno_tokenizer_free(tokenizer);
  size_t size;
  uint8_t *bytes = fixture_read(json.text, &size, 0);
  fixture_write(fixture_path(&folder, "tokenizer.json"), bytes, size);
  free(bytes);
  tokenizer = open_model(folder.path);
  expect_same(small, tokenizer);
  dyno_tokenizer_free(tokenizer);
  fixture_write(fixture_path(&folder, "model.safetensors"), "", 0);
  tokenizer = open_model(fixture_path(&folder, "model.safetensors"));
  expect_same(small, tokenizer);
  dyno_tokenizer_free(tokenizer);

  free(s.tokens);
  free(s.types);
  dyno_bytes_free(&s.text);
  fixture_folder_remove(&folder);
  dyno_tokenizer_free(small);
}

static void expect_error(const char *path, dyno_status wanted, const char *complaint)
{
  dyno_tokenizer *tokenizer = NULL;
  dyno_error error = {0};
  dyno_status status = dyno_tokenizer_open_model(&tokenizer, path, &error);
  cr_assert(status == wanted && tokenizer == NULL, "%s: status %d", path, (int)status);
  cr_assert(strstr(error.message, complaint) != NULL, "%s", error.message);
}

Test(model_tokenizer, errors_name_file_and_field)
{
  dyno_tokenizer *small = open_small();
  fixture_folder folder;
  fixture_folder_make(&folder);
  spelled s = {0};
  spell(&s, small);
  write_gguf(fixture_path(&folder, "llama.gguf"), "llama", &s, s.count);
  expect_error(fixture_path(&folder, "llama.gguf"), DYNO_ERROR_UNSUPPORTED, "tokenizer.ggml.model");
  write_gguf(fixture_path(&folder, "cut.gguf"), "gpt2", &s, 200);
  expect_error(fixture_path(&folder, "cut.gguf"), DYNO_ERROR_FORMAT,
               "cut.gguf: tokenizer.ggml.tokens: byte 0x");
  s.types[300] = 6;
  write_gguf(fixture_path(&folder, "byte.gguf"), "gpt2", &s, s.count);
  expect_error(fixture_path(&folder, "byte.gguf"), DYNO_ERROR_UNSUPPORTED,
               "byte.gguf: tokenizer.ggml.tokens: token 300 is of type 6");
  s.types[300] = 1;
  s.tokens[300] = s.tokens[299];
  write_gguf(fixture_path(&folder, "twice.gguf"), "gpt2", &s, s.count);
  expect_error(fixture_path(&folder, "twice.gguf"), DYNO_ERROR_FORMAT,
               "tokens 299 and 300 have the same bytes");
  fixture_write(fixture_path(&folder, "model.safetensors"), "", 0);
  expect_error(fixture_path(&folder, "model.safetensors"), DYNO_ERROR_NOT_FOUND, "--vocab");
  expect_error(fixture_path(&folder, "absent.gguf"), DYNO_ERROR_NOT_FOUND, "absent.gguf");
  expect_error(fixture_path(&folder, "absent"), DYNO_ERROR_NOT_FOUND, "absent");
  free(s.tokens);
  free(s.types);
  dyno_bytes_free(&s.text);
  fixture_folder_remove(&folder);
  dyno_tokenizer_free(small);
}
