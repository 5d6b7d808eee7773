/* The vocabularies of synthetic models, as tokenizers and as files. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model/gguf.h"
#include "runtime/synth/synth.h"
#include "runtime/synth/vocabulary.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(synth_vocabulary, .init = make_folder, .fini = remove_folder, .timeout = 60);

static const char text[] = "The kernel reads one sequential stream; it don't care. Gruesse, "
                           "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e 12345!\n\n  [PAD300]";

/* Tokens come back as the text, and none is padding. */
static void check_text(const dyno_tokenizer *tokenizer, dyno_tokens *tokens)
{
  dyno_bytes bytes = {0};
  dyno_error error = {0};
  cr_assert(dyno_tokenizer_encode(tokenizer, tokens, text, strlen(text), false, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(dyno_tokenizer_decode(tokenizer, &bytes, tokens->ids, tokens->count, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(bytes.count == strlen(text) && memcmp(bytes.data, text, bytes.count) == 0, "%.*s",
            (int)bytes.count, bytes.data);
  for (size_t i = 0; i < tokens->count; i++) {
    size_t count;
    const char *token = dyno_tokenizer_bytes(tokenizer, tokens->ids[i], &count);
    cr_assert(count < 4 || memcmp(token, "[PAD", 4) != 0, "token %d is padding", tokens->ids[i]);
  }
  dyno_bytes_free(&bytes);
}

/* tokenizer.json is accepted, and says the same as the vocabulary it was made from. */
static void check_json(dyno_synth_vocabulary *vocabulary, size_t size)
{
  dyno_error error = {0};
  const char *path = fixture_path(&folder, "tokenizer.json");
  dyno_tokenizer *from_json, *direct;
  dyno_tokens a = {0}, b = {0};
  cr_assert(dyno_synth_vocabulary_write_json(vocabulary, path, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_tokenizer_open_json(&from_json, path, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_tokenizer_create(&direct, &vocabulary->tokens, &error) == DYNO_OK, "%s",
            error.message);
  cr_assert(dyno_tokenizer_size(from_json) == size && dyno_tokenizer_size(direct) == size,
            "%zu and %zu tokens", dyno_tokenizer_size(from_json), dyno_tokenizer_size(direct));
  check_text(from_json, &a);
  check_text(direct, &b);
  cr_assert(a.count == b.count && memcmp(a.ids, b.ids, a.count * sizeof *a.ids) == 0,
            "different tokens");
  cr_assert(a.count < strlen(text) || size < 2048, "nothing was merged");
  int32_t end = dyno_tokenizer_special(direct, "<|return|>");
  cr_assert(end == vocabulary->first_special + DYNO_SYNTH_RETURN &&
                dyno_tokenizer_special(from_json, "<|return|>") == end,
            "<|return|> is %d", end);
  dyno_tokens_free(&a);
  dyno_tokens_free(&b);
  dyno_tokenizer_free(from_json);
  dyno_tokenizer_free(direct);
}

Test(synth_vocabulary, vocabularies_of_any_size_work)
{
  static const size_t sizes[] = {201088, 2048, DYNO_SYNTH_LEAST_VOCABULARY + 1, 6000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    dyno_synth_vocabulary vocabulary;
    dyno_error error = {0};
    cr_assert(dyno_synth_vocabulary_make(&vocabulary, sizes[i], NULL, &error) == DYNO_OK, "%s",
              error.message);
    cr_assert(dyno_vocabulary_size(vocabulary.tokens) == sizes[i], "%zu tokens",
              dyno_vocabulary_size(vocabulary.tokens));
    if (sizes[i] == 201088)
      cr_assert(vocabulary.first_special == 199998, "special tokens at %d",
                vocabulary.first_special);
    check_json(&vocabulary, sizes[i]);
    dyno_synth_vocabulary_free(&vocabulary);
  }
}

Test(synth_vocabulary, a_vocabulary_can_be_given)
{
  char path[512];
  snprintf(path, sizeof path, "%s/tests/data/tokenizer/small.tiktoken", getenv("top_srcdir"));
  dyno_synth_vocabulary vocabulary;
  dyno_error error = {0};
  cr_assert(dyno_synth_vocabulary_make(&vocabulary, 2048, path, &error) == DYNO_OK, "%s",
            error.message);
  check_json(&vocabulary, 2048);
  dyno_synth_vocabulary_free(&vocabulary);
  cr_assert(dyno_synth_vocabulary_make(&vocabulary, 1500, path, &error) == DYNO_ERROR_USAGE &&
                strstr(error.message, "do not fit") != NULL,
            "%s", error.message);
  cr_assert(dyno_synth_vocabulary_make(&vocabulary, 2048, "/nowhere", &error) ==
                DYNO_ERROR_NOT_FOUND,
            "%s", error.message);
}

/* What llama.cpp wants to see in a GGUF file. */
Test(synth_vocabulary, gguf_files_carry_the_vocabulary)
{
  dyno_synth_spec spec;
  dyno_synth_run run = {.threads = 1};
  dyno_gguf *gguf;
  dyno_error error = {0};
  cr_assert(dyno_synth_spec_init(&spec, "tiny", &error) == DYNO_OK &&
                dyno_synth_spec_check(&spec, &error) == DYNO_OK &&
                dyno_synth_write(fixture_path(&folder, "model"), &spec, &run, &error) == DYNO_OK,
            "%s", error.message);
  cr_assert(dyno_gguf_open(&gguf, fixture_path(&folder, "model"), &error) == DYNO_OK, "%s",
            error.message);
  dyno_span *tokens, *merges, model, pre;
  size_t token_count, merge_count;
  uint64_t ids[3];
  int64_t types[2048];
  cr_assert(
      dyno_gguf_get_strings(&tokens, &token_count, gguf, "tokenizer.ggml.tokens", &error) ==
              DYNO_OK &&
          dyno_gguf_get_strings(&merges, &merge_count, gguf, "tokenizer.ggml.merges", &error) ==
              DYNO_OK &&
          dyno_gguf_get_ints(types, 2048, gguf, "tokenizer.ggml.token_type", &error) == DYNO_OK &&
          dyno_gguf_get_string(&model, gguf, "tokenizer.ggml.model", &error) == DYNO_OK &&
          dyno_gguf_get_string(&pre, gguf, "tokenizer.ggml.pre", &error) == DYNO_OK &&
          dyno_gguf_get_uint(&ids[0], gguf, "tokenizer.ggml.bos_token_id", &error) == DYNO_OK &&
          dyno_gguf_get_uint(&ids[1], gguf, "tokenizer.ggml.eos_token_id", &error) == DYNO_OK &&
          dyno_gguf_get_uint(&ids[2], gguf, "tokenizer.ggml.padding_token_id", &error) == DYNO_OK,
      "%s", error.message);
  cr_assert(dyno_span_equal(model, dyno_span_of("gpt2")) &&
                dyno_span_equal(pre, dyno_span_of("gpt-4o")),
            "%.*s, %.*s", (int)model.size, model.bytes, (int)pre.size, pre.bytes);
  cr_assert(token_count == 2048, "%zu tokens", token_count);
  cr_assert(dyno_span_equal(tokens[ids[0]], dyno_span_of("<|startoftext|>")) &&
                dyno_span_equal(tokens[ids[1]], dyno_span_of("<|return|>")) &&
                dyno_span_equal(tokens[ids[2]], dyno_span_of("<|endoftext|>")),
            "special tokens");
  cr_assert(types[0] == 1 && types[957] == 1 && types[958] == 3 && types[2047] == 3, "types");
  /* Every piece that is no byte has a merge. */
  cr_assert(merge_count >= 958 - 256, "%zu merges", merge_count);
  free(tokens);
  free(merges);
  dyno_gguf_close(&gguf);
}
