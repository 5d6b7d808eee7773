/* Whole GGUF files that mean harm: what the writer can be made to write, and sparse ones. Each must
 * end in an error that names file and field. */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/model/gguf_vocabulary.h"
#include "runtime/model/gguf_writer.h"
#include "tests/unit/hostile.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;
static char path[300];

static void make_folder(void)
{
  fixture_folder_make(&folder);
  snprintf(path, sizeof path, "%s/model.gguf", folder.path);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(hostile_gguf_files, .init = make_folder, .fini = remove_folder, .timeout = 120);

/* Files put together by the writer, which checks less than the reader. */
typedef void (*build)(dyno_gguf_writer *writer);

static void add_minimum(dyno_gguf_writer *writer)
{
  static const uint64_t dims[] = {32};
  dyno_gguf_writer_add_string(writer, "general.architecture", "gpt-oss");
  dyno_gguf_writer_add_tensor(writer, "token_embd.weight", 0, dims, 1);
}

static void twice_a_key(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_uint32(writer, "gpt-oss.block_count", 1);
  dyno_gguf_writer_add_uint32(writer, "gpt-oss.block_count", 2);
  add_minimum(writer);
}

static void twice_a_tensor(dyno_gguf_writer *writer)
{
  static const uint64_t dims[] = {32};
  add_minimum(writer);
  dyno_gguf_writer_add_tensor(writer, "token_embd.weight", 0, dims, 1);
}

static void other_architecture(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_string(writer, "general.architecture", "llama\x1b[2J");
}

static void split_file(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_uint32(writer, "split.count", 3);
}

static void alignment_float(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_float32(writer, "general.alignment", 32);
}

static void alignment_string(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_string(writer, "general.alignment", "32");
}

static void alignment_array(dyno_gguf_writer *writer)
{
  static const uint32_t values[] = {32};
  add_minimum(writer);
  dyno_gguf_writer_add_array(writer, "general.alignment", DYNO_GGUF_UINT32, values, 1);
}

static void alignment_0(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_uint64(writer, "general.alignment", 0);
}

static void alignment_1(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_uint64(writer, "general.alignment", 1);
}

static void alignment_48(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_uint64(writer, "general.alignment", 48);
}

static void alignment_2_63(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_uint64(writer, "general.alignment", (uint64_t)1 << 63);
}

static void alignment_negative(dyno_gguf_writer *writer)
{
  add_minimum(writer);
  dyno_gguf_writer_add_int32(writer, "general.alignment", -32);
}

static void bad_bool(dyno_gguf_writer *writer)
{
  static const uint8_t values[] = {0, 1, 2};
  add_minimum(writer);
  dyno_gguf_writer_add_array(writer, "bools", DYNO_GGUF_BOOL, values, 3);
}

static void no_vocabulary_type(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "llama");
}

static void vocabulary_of_ints(dyno_gguf_writer *writer)
{
  static const int32_t values[] = {1, 2};
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "gpt2");
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.tokens", DYNO_GGUF_INT32, values, 2);
}

static void vocabulary_of_a_string(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "gpt2");
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.tokens", "a");
}

static void add_tokens(dyno_gguf_writer *writer)
{
  static const dyno_span tokens[] = {{"a", 1}, {"b", 1}};
  dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "gpt2");
  dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.tokens", tokens, 2);
}

static void too_few_types(dyno_gguf_writer *writer)
{
  static const int32_t types[] = {1};
  add_tokens(writer);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, types, 1);
}

static void too_many_types(dyno_gguf_writer *writer)
{
  static const int32_t types[] = {1, 1, 1};
  add_tokens(writer);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, types, 3);
}

static void types_of_strings(dyno_gguf_writer *writer)
{
  static const dyno_span types[] = {{"1", 1}, {"1", 1}};
  add_tokens(writer);
  dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.token_type", types, 2);
}

static void add_typed_tokens(dyno_gguf_writer *writer)
{
  static const int32_t types[] = {1, 1};
  add_tokens(writer);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, types, 2);
}

static void negative_stop(dyno_gguf_writer *writer)
{
  static const int32_t stops[] = {1, -1};
  add_typed_tokens(writer);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.eos_token_ids", DYNO_GGUF_INT32, stops, 2);
}

static void too_many_stops(dyno_gguf_writer *writer)
{
  static const int32_t stops[DYNO_GGUF_MAX_STOPS + 1];
  add_typed_tokens(writer);
  dyno_gguf_writer_add_array(writer, "tokenizer.ggml.eos_token_ids", DYNO_GGUF_INT32, stops,
                             DYNO_GGUF_MAX_STOPS + 1);
}

static void huge_stop(dyno_gguf_writer *writer)
{
  add_typed_tokens(writer);
  dyno_gguf_writer_add_uint64(writer, "tokenizer.ggml.eot_token_id", UINT64_MAX);
}

static const struct {
  build build;
  bool vocabulary; /* read as a vocabulary, not as a model */
  const char *message;
} builds[] = {
    {twice_a_key, false, "metadata 'gpt-oss.block_count' is there twice"},
    {twice_a_tensor, false, "tensor 'token_embd.weight' is there twice"},
    {other_architecture, false, "architecture is 'llama\\x1b[2J'"},
    {split_file, false, "3 files; join them first"},
    {alignment_float, false, "metadata 'general.alignment' is a float32"},
    {alignment_string, false, "metadata 'general.alignment' is a string"},
    {alignment_array, false, "metadata 'general.alignment' is an array of 1 uint32"},
    {alignment_0, false, "metadata 'general.alignment' is 0; a power of two"},
    {alignment_1, false, "metadata 'general.alignment' is 1; a power of two"},
    {alignment_48, false, "metadata 'general.alignment' is 48; a power of two"},
    {alignment_2_63, false, "metadata 'general.alignment' is 9223372036854775808; a power of two"},
    {alignment_negative, false, "metadata 'general.alignment' is -32"},
    {bad_bool, false, "metadata 'bools' is a bool and neither 0 nor 1 but 2"},
    {no_vocabulary_type, true, "tokenizer.ggml.model is 'llama'"},
    {vocabulary_of_ints, true, "metadata 'tokenizer.ggml.tokens' is an array of 2 int32"},
    {vocabulary_of_a_string, true, "metadata 'tokenizer.ggml.tokens' is a string"},
    {add_tokens, true, "metadata 'tokenizer.ggml.token_type' is missing"},
    {too_few_types, true, "metadata 'tokenizer.ggml.token_type' has 1 values; 2 are wanted"},
    {too_many_types, true, "metadata 'tokenizer.ggml.token_type' has 3 values; 2 are wanted"},
    {types_of_strings, true, "metadata 'tokenizer.ggml.token_type' is an array of 2 string"},
    {negative_stop, true, "tokenizer.ggml.eos_token_ids is -1"},
    {too_many_stops, true, "tokenizer.ggml.eos_token_ids: more than 16"},
    {huge_stop, true, "tokenizer.ggml.eot_token_id is -1"},
};

static void write_build(build add)
{
  static const uint8_t zeros[128];
  dyno_gguf_writer *writer;
  dyno_error error = {0};
  cr_assert(dyno_gguf_writer_new(&writer, path, &error) == DYNO_OK, "%s", error.message);
  add(writer);
  cr_assert(dyno_gguf_writer_begin(writer, &error) == DYNO_OK, "%s", error.message);
  while (dyno_gguf_writer_write(writer, zeros, sizeof zeros, NULL) == DYNO_OK)
    ;
  cr_assert(dyno_gguf_writer_commit(writer, &error) == DYNO_OK, "%s", error.message);
  dyno_gguf_writer_free(&writer);
}

Test(hostile_gguf_files, whole_files)
{
  size_t ran = 0;
  for (size_t i = 0; i < sizeof builds / sizeof *builds; i++, ran++) {
    dyno_error error;
    write_build(builds[i].build);
    dyno_status status = builds[i].vocabulary ? hostile_read_vocabulary(path, &error)
                                              : hostile_read_model(path, &error);
    cr_assert(status != DYNO_OK && hostile_is_clear(&error, path) &&
                  strstr(error.message, builds[i].message) != NULL,
              "'%s': %s", builds[i].message, error.message);
  }
  fprintf(stderr, "# %zu whole GGUF files\n", ran);
  cr_assert(ran >= 20, "only %zu ran", ran);
}

#if defined __SANITIZE_ADDRESS__
#define ADDRESS_SANITIZER 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif

/* A sparse file of 64 GB, with counts that it could hold: what is allocated for them must stay
 * small. A sanitizer's shadow does not fit below such a limit. */
Test(hostile_gguf_files, a_big_file_cannot_ask_for_much_memory)
{
#ifdef ADDRESS_SANITIZER
  cr_skip_test("no limit on addresses under a sanitizer");
#endif
  static const uint64_t counts[][2] = {
      {0, UINT64_MAX}, {UINT64_MAX, 0}, {65536, 65536}, {1 << 30, 1 << 30}, {0, 65536}};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    uint8_t head[24] = "GGUF\3";
    memcpy(head + 8, counts[i], 16);
    fixture_write(path, head, sizeof head);
    cr_assert(truncate(path, (off_t)64 << 30) == 0, "cannot make a sparse file");
    struct rlimit limit = {(rlim_t)66 << 30, (rlim_t)66 << 30};
    cr_assert(setrlimit(RLIMIT_AS, &limit) == 0, "cannot limit the addresses");
    dyno_error error;
    cr_assert(hostile_read_model(path, &error) != DYNO_OK && hostile_is_clear(&error, path),
              "counts %zu: %s", i, error.message);
  }
}

/* One string of metadata may be as large as all metadata, and no larger. */
Test(hostile_gguf_files, metadata_has_a_budget)
{
  uint8_t head[24 + 8 + 1 + 4 + 8] = "GGUF\3";
  const uint64_t entries = 1, key_length = 1;
  const uint32_t type = DYNO_GGUF_STRING;
  memcpy(head + 16, &entries, 8);
  memcpy(head + 24, &key_length, 8);
  head[32] = 'k';
  memcpy(head + 33, &type, 4);
  for (uint64_t extra = 0; extra < 2; extra++) {
    uint64_t length = DYNO_GGUF_MAX_METADATA_BYTES - 21 + extra;
    memcpy(head + 37, &length, 8);
    fixture_write(path, head, sizeof head);
    cr_assert(truncate(path, (off_t)1 << 30) == 0, "cannot make a sparse file");
    dyno_gguf *gguf;
    dyno_error error = {0};
    dyno_status status = dyno_gguf_open(&gguf, path, &error);
    cr_assert((status == DYNO_OK) == (extra == 0), "%" PRIu64 " bytes: %s", length, error.message);
    if (extra == 1)
      cr_assert(strstr(error.message, "256 MiB") != NULL, "%s", error.message);
    dyno_gguf_close(&gguf);
  }
}
