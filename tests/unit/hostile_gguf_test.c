/* GGUF files that mean harm. Each is a good file with something changed; each must end in an error
 * that names file and field, whatever that costs nobody but the error. How many ran is counted:
 * a test that generates nothing must not pass. */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/model/gguf.h"
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

TestSuite(hostile_gguf, .init = make_folder, .fini = remove_folder, .timeout = 120);

/* A good file, and where its fields are. */
typedef struct field {
  size_t offset;
  unsigned width;
  char label[160];
} field;

typedef struct good_file {
  uint8_t *bytes;
  size_t size;
  size_t head; /* bytes before the data */
  field *fields;
  size_t count;
} good_file;

static uint64_t load(const good_file *file, size_t offset, unsigned width)
{
  uint64_t value = 0;
  memcpy(&value, file->bytes + offset, width);
  return value;
}

static void add_field(good_file *file, size_t offset, unsigned width, const char *label)
{
  file->fields = realloc(file->fields, (file->count + 1) * sizeof *file->fields);
  field *added = &file->fields[file->count++];
  added->offset = offset;
  added->width = width;
  snprintf(added->label, sizeof added->label, "%s", label);
}

/* Steps over a string whose length is a field called "LABEL NAME"; name gets the string. */
static size_t walk_string(good_file *file, size_t at, const char *label, char name[96])
{
  size_t length = (size_t)load(file, at, 8);
  char text[160];
  snprintf(name, 96, "%.*s", (int)length, (const char *)file->bytes + at + 8);
  snprintf(text, sizeof text, "%s %s: length", label, name);
  add_field(file, at, 8, text);
  return at + 8 + length;
}

static size_t walk_value(good_file *file, size_t at, const char *key)
{
  char text[160], ignored[96];
  unsigned type = (unsigned)load(file, at, 4);
  snprintf(text, sizeof text, "%s: type", key);
  add_field(file, at, 4, text);
  at += 4;
  uint64_t count = 1;
  if (type == DYNO_GGUF_ARRAY) {
    type = (unsigned)load(file, at, 4);
    count = load(file, at + 4, 8);
    snprintf(text, sizeof text, "%s: element type", key);
    add_field(file, at, 4, text);
    snprintf(text, sizeof text, "%s: count", key);
    add_field(file, at + 4, 8, text);
    at += 12;
  }
  for (uint64_t i = 0; i < count; i++) {
    if (type == DYNO_GGUF_STRING) {
      at = walk_string(file, at, key, ignored);
      continue;
    }
    snprintf(text, sizeof text, "%s: value", key);
    add_field(file, at, (unsigned)dyno_gguf_value_bytes(type), text);
    at += dyno_gguf_value_bytes(type);
  }
  return at;
}

static size_t walk_tensor(good_file *file, size_t at)
{
  char text[160], name[96];
  at = walk_string(file, at, "tensor", name);
  unsigned rank = (unsigned)load(file, at, 4);
  snprintf(text, sizeof text, "tensor %s: rank", name);
  add_field(file, at, 4, text);
  at += 4;
  for (unsigned i = 0; i < rank; i++, at += 8) {
    snprintf(text, sizeof text, "tensor %s: dims[%u]", name, i);
    add_field(file, at, 8, text);
  }
  snprintf(text, sizeof text, "tensor %s: type", name);
  add_field(file, at, 4, text);
  snprintf(text, sizeof text, "tensor %s: offset", name);
  add_field(file, at + 4, 8, text);
  return at + 12;
}

static good_file make_good_file(void)
{
  static const fixture_model model = {DYNO_Q8_0, DYNO_MXFP4, DYNO_F32, DYNO_F32, 11};
  dyno_model_config config = fixture_config();
  good_file file = {0};
  fixture_write_model(path, &model, &config, &dyno_dialect_ggml_org, 0);
  file.bytes = fixture_read(path, &file.size, 0);
  add_field(&file, 4, 4, "version");
  add_field(&file, 8, 8, "tensor count");
  add_field(&file, 16, 8, "entry count");
  size_t at = 24;
  for (uint64_t i = load(&file, 16, 8); i > 0; i--) {
    char key[96];
    at = walk_string(&file, at, "key", key);
    at = walk_value(&file, at, key);
  }
  for (uint64_t i = load(&file, 8, 8); i > 0; i--)
    at = walk_tensor(&file, at);
  file.head = at;
  return file;
}

static void free_good_file(good_file *file)
{
  free(file->bytes);
  free(file->fields);
}

static const field *find_field(const good_file *file, const char *label)
{
  for (size_t i = 0; i < file->count; i++)
    if (strcmp(file->fields[i].label, label) == 0)
      return &file->fields[i];
  cr_assert(false, "the good file has no field '%s'", label);
  return NULL;
}

static void store(const uint8_t *bytes, size_t offset, size_t count)
{
  FILE *stream = fopen(path, "r+b");
  fseek(stream, (long)offset, SEEK_SET);
  cr_assert(fwrite(bytes, 1, count, stream) == count, "cannot change %s", path);
  fclose(stream);
}

Test(hostile_gguf, the_good_file_is_good)
{
  good_file file = make_good_file();
  dyno_error error;
  cr_assert(hostile_read_model(path, &error) == DYNO_OK, "%s", error.message);
  free_good_file(&file);
}

/* Named changes of a field, with what the message has to say. */
typedef struct change {
  const char *label;
  uint64_t value;
  const char *message;
} change;

#define TWO63 ((uint64_t)1 << 63)
#define GATE "tensor blk.0.ffn_gate_exps.weight"

static const change changes[] = {
    /* Counts that are huge. */
    {"entry count", UINT64_MAX, "the number of metadata entries is 18446744073709551615"},
    {"entry count", TWO63, "the number of metadata entries"},
    {"entry count", 65537, "at most 65536"},
    {"entry count", 65536, "the number of metadata entries is 65536"},
    {"entry count", 0, "tensor 'general.architecture' has 8 dimensions"},
    {"entry count", 1, "tensor 'gpt-oss.block_count' has dimension 1"},
    {"tensor count", UINT64_MAX, "the number of tensors is 18446744073709551615"},
    {"tensor count", TWO63, "the number of tensors"},
    {"tensor count", 65537, "at most 65536"},
    {"tensor count", 65536, "the number of tensors is 65536"},
    {"tensor count", 0, "'token_embd.weight' is missing"},
    {"tensor count", 1, "is missing"},
    {"key gpt-oss.block_count: length", UINT64_MAX, "the key of metadata entry 1"},
    {"key gpt-oss.block_count: length", TWO63, "the key of metadata entry 1"},
    {"key gpt-oss.block_count: length", 65537, "1 to 65536 are allowed"},
    {"key gpt-oss.block_count: length", 0, "1 to 65536 are allowed"},
    {"general.architecture gpt-oss: length", UINT64_MAX, "metadata 'general.architecture'"},
    {"general.architecture gpt-oss: length", TWO63, "metadata 'general.architecture'"},
    {"general.architecture gpt-oss: length", 0, "metadata"},
    {"tokenizer.ggml.tokens: count", UINT64_MAX, "metadata 'tokenizer.ggml.tokens' has"},
    {"tokenizer.ggml.tokens: count", TWO63, "metadata 'tokenizer.ggml.tokens' has"},
    {"tokenizer.ggml.tokens: count", (uint64_t)1 << 61, "metadata 'tokenizer.ggml.tokens' has"},
    {"tokenizer.ggml.tokens: count", 1 << 20, "metadata 'tokenizer.ggml.tokens'"},
    {"tokenizer.ggml.token_type: count", UINT64_MAX, "metadata 'tokenizer.ggml.token_type' has"},
    {"tokenizer.ggml.token_type: count", (uint64_t)1 << 62, "'tokenizer.ggml.token_type' has"},
    {GATE ": length", UINT64_MAX, "the name of tensor"},
    {GATE ": length", 257, "1 to 256 are allowed"},
    {GATE ": length", 0, "1 to 256 are allowed"},
    {GATE ": rank", 0, "has 0 dimensions; 1 to 4 are allowed"},
    {GATE ": rank", 5, "has 5 dimensions; 1 to 4 are allowed"},
    {GATE ": rank", UINT32_MAX, "has 4294967295 dimensions"},
    /* Sizes whose sum wraps. */
    {GATE ": offset", UINT64_MAX - 31, "but the file ends at"},
    {GATE ": offset", TWO63, "but the file ends at"},
    {GATE ": offset", UINT64_MAX - 2047, "but the file ends at"},
    {"tensor blk.1.ffn_down_exps.bias: offset", UINT64_MAX - 63, "but the file ends at"},
    /* Shapes of exabytes in a small file. */
    {GATE ": dims[0]", UINT64_MAX - 31, "too big"},
    {GATE ": dims[1]", UINT64_MAX, "too big"},
    {GATE ": dims[2]", TWO63, "too big"},
    {GATE ": dims[2]", (uint64_t)1 << 46, "but the file ends at"},
    {GATE ": dims[0]", (uint64_t)1 << 50, "but the file ends at"},
    {GATE ": dims[0]", 0, "has dimension 0 of 0"},
    {GATE ": dims[1]", 0, "has dimension 1 of 0"},
    {GATE ": dims[2]", 0, "has dimension 2 of 0"},
    {GATE ": dims[0]", 33, "not whole blocks of 32 (MXFP4)"},
    {GATE ": dims[1]", 31, "has the shape [3, 31, 64], but the configuration implies [3, 32, 64]"},
    {GATE ": dims[2]", 2, "has the shape [2, 32, 64], but the configuration implies [3, 32, 64]"},
    {GATE ": dims[0]", 32, "has the shape [3, 32, 32], but the configuration implies [3, 32, 64]"},
    {"tensor token_embd.weight: dims[1]", 69, "has the shape"},
    {"tensor output_norm.weight: dims[0]", 63, "has the shape [63], but the configuration"},
    /* Past the end, overlapping, misaligned. */
    {GATE ": offset", 1 << 20, "but the file ends at"},
    {GATE ": offset", 0, "overlaps tensor"},
    {GATE ": offset", 64, "overlaps tensor"},
    {GATE ": offset", 33, "multiple of the alignment, 32"},
    {"tensor output_norm.weight: offset", 0, "overlaps tensor"},
    {"tensor blk.0.attn_q.weight: offset", 1, "multiple of the alignment, 32"},
    /* Hyper-parameters out of range. */
    {"gpt-oss.block_count: value", 0, "gpt-oss.block_count is 0; 1 to 512 is allowed"},
    {"gpt-oss.block_count: value", 513, "gpt-oss.block_count is 513; 1 to 512 is allowed"},
    {"gpt-oss.block_count: value", UINT32_MAX, "gpt-oss.block_count is 4294967295"},
    {"gpt-oss.block_count: value", 1, "is unknown: a gpt-oss model of 1 layers"},
    {"gpt-oss.block_count: value", 512, "blk.2.attn_norm.weight' is missing"},
    {"gpt-oss.embedding_length: value", 0, "gpt-oss.embedding_length is 0"},
    {"gpt-oss.embedding_length: value", UINT32_MAX, "gpt-oss.embedding_length is"},
    {"gpt-oss.embedding_length: value", 1, "the configuration implies"},
    {"gpt-oss.attention.head_count: value", 0, "gpt-oss.attention.head_count is 0"},
    {"gpt-oss.attention.head_count: value", 5, "5 attention heads cannot share 2"},
    {"gpt-oss.attention.head_count_kv: value", 0, "gpt-oss.attention.head_count_kv is 0"},
    {"gpt-oss.attention.head_count_kv: value", 4, "6 attention heads cannot share 4"},
    {"gpt-oss.attention.key_length: value", 0, "gpt-oss.attention.key_length is 0"},
    {"gpt-oss.attention.key_length: value", 17, "gpt-oss.attention.value_length is 16; only 17"},
    {"gpt-oss.attention.value_length: value", 8, "gpt-oss.attention.value_length is 8"},
    {"gpt-oss.expert_count: value", 0, "gpt-oss.expert_count is 0"},
    {"gpt-oss.expert_count: value", 4097, "gpt-oss.expert_count is 4097"},
    {"gpt-oss.expert_used_count: value", 0, "gpt-oss.expert_used_count is 0"},
    {"gpt-oss.expert_used_count: value", 4, "4 experts per token of 3 experts"},
    {"gpt-oss.expert_feed_forward_length: value", 0, "gpt-oss.expert_feed_forward_length is 0"},
    {"gpt-oss.attention.sliding_window: value", 0, "the sliding window is 0"},
    {"gpt-oss.attention.sliding_window: value", UINT32_MAX, "gpt-oss.attention.sliding_window is"},
    {"gpt-oss.context_length: value", 0, "gpt-oss.context_length is 0"},
    {"gpt-oss.rope.freq_base: value", 0, "gpt-oss.rope.freq_base is 0"},
    {"gpt-oss.rope.freq_base: value", 0x7fc00000, "gpt-oss.rope.freq_base is nan"},
    {"gpt-oss.rope.freq_base: value", 0xc8000000, "gpt-oss.rope.freq_base is -"},
    {"gpt-oss.rope.scaling.factor: value", 0, "gpt-oss.rope.scaling.factor is 0"},
    {"gpt-oss.rope.scaling.factor: value", 0x7f800000, "gpt-oss.rope.scaling.factor is inf"},
    {"gpt-oss.rope.scaling.original_context_length: value", 0, "original_context_length is 0"},
    {"gpt-oss.rope.scaling.yarn_beta_slow: value", 0x42000000, "must lie above its slow end (32)"},
    {"gpt-oss.attention.layer_norm_rms_epsilon: value", 0, "layer_norm_rms_epsilon is 0"},
    {"gpt-oss.attention.layer_norm_rms_epsilon: value", 0xff800000, "rms_epsilon is -inf"},
    /* Wrong types, of values, arrays and tensors. */
    {"gpt-oss.block_count: type", DYNO_GGUF_FLOAT32, "'gpt-oss.block_count' is a float32; an"},
    {"gpt-oss.block_count: type", DYNO_GGUF_INT32, NULL},
    {"gpt-oss.block_count: type", DYNO_GGUF_VALUE_TYPE_COUNT, "has type 13, which does not exist"},
    {"gpt-oss.block_count: type", UINT32_MAX, "has type 4294967295, which does not exist"},
    {"gpt-oss.rope.freq_base: type", DYNO_GGUF_UINT32, "'gpt-oss.rope.freq_base' is a uint32; a"},
    {"general.architecture: type", DYNO_GGUF_UINT64, "the key of metadata entry 1 takes"},
    {"tokenizer.ggml.tokens: element type", DYNO_GGUF_ARRAY, "is an array of arrays"},
    {"tokenizer.ggml.tokens: element type", 99, "is an array of type 99, which does not exist"},
    {"tokenizer.ggml.tokens: element type", DYNO_GGUF_UINT64, NULL},
    {"tokenizer.ggml.token_type: element type", DYNO_GGUF_FLOAT32, "is an array of 4 float32; an"},
    {"tokenizer.ggml.token_type: element type", DYNO_GGUF_BOOL, NULL},
    {"tokenizer.ggml.eos_token_id: value", 4, "eos_token_id is 4, but the vocabulary has 4"},
    {"tokenizer.ggml.eos_token_id: value", UINT32_MAX, "eos_token_id is 4294967295"},
    {GATE ": type", 5, "has type 5, which is unknown"},
    {GATE ": type", UINT32_MAX, "has type 4294967295, which is unknown"},
    {GATE ": type", 20, "overlaps tensor"},
    {"tensor blk.0.attn_q.weight: type", 20, "has type IQ4_NL, which is unsupported: F32"},
    {"tensor output_norm.weight: type", 26, "has type I32, which is unsupported"},
    {"tensor blk.1.attn_sinks.weight: type", 26, "has type I32, which is unsupported"},
    /* Other formats and versions. */
    {"version", 0, "GGUF version 0"},
    {"version", 1, "GGUF version 1; versions 2 and 3 can be read"},
    {"version", 4, "GGUF version 4"},
    {"version", 0x03000000, "big-endian"},
    {"version", 0x02000000, "big-endian"},
};

Test(hostile_gguf, named_changes)
{
  enum { EXPECTED = sizeof changes / sizeof *changes };
  good_file file = make_good_file();
  size_t ran = 0, failed = 0;
  for (size_t i = 0; i < EXPECTED; i++) {
    const change *wanted = &changes[i];
    const field *place = find_field(&file, wanted->label);
    dyno_error error;
    store((const uint8_t *)&wanted->value, place->offset, place->width);
    dyno_status status = hostile_read_model(path, &error);
    bool same = load(&file, place->offset, place->width) == wanted->value;
    cr_assert(!same, "%s is %" PRIu64 " in the good file", wanted->label, wanted->value);
    bool good = status == DYNO_OK ? wanted->message == NULL
                                  : hostile_is_clear(&error, path) &&
                                        (wanted->message == NULL ||
                                         strstr(error.message, wanted->message) != NULL);
    if (!good)
      fprintf(stderr, "# %s = %" PRIu64 ": %s\n", wanted->label, wanted->value, error.message);
    failed += !good;
    store(file.bytes + place->offset, place->offset, place->width);
    ran++;
  }
  free_good_file(&file);
  fprintf(stderr, "# %zu named changes of a GGUF file\n", ran);
  cr_assert(failed == 0, "%zu changes have other errors than they should", failed);
  cr_assert(ran >= 100, "only %zu changes ran", ran);
}

/* Every field of the head at every border. What is read then is either refused or read without a
 * fault. */
Test(hostile_gguf, every_field_at_every_border)
{
  good_file file = make_good_file();
  size_t ran = 0, refused = 0;
  for (size_t i = 0; i < file.count; i++) {
    const field *place = &file.fields[i];
    uint64_t maximum = place->width == 8 ? UINT64_MAX : ((uint64_t)1 << (8 * place->width)) - 1;
    uint64_t value = load(&file, place->offset, place->width);
    const uint64_t borders[] = {0,
                                1,
                                value - 1,
                                value + 1,
                                2 * value,
                                value ^ 0x80,
                                maximum >> 1,
                                (maximum >> 1) + 1,
                                maximum - 1,
                                maximum,
                                INT32_MAX,
                                (uint64_t)INT32_MAX + 1,
                                (uint64_t)1 << 32,
                                (uint64_t)1 << 53,
                                file.size,
                                file.head};
    for (size_t j = 0; j < sizeof borders / sizeof *borders; j++) {
      dyno_error error;
      store((const uint8_t *)&borders[j], place->offset, place->width);
      ran++;
      if (hostile_read_model(path, &error) == DYNO_OK)
        continue;
      refused++;
      cr_assert(hostile_is_clear(&error, path), "%s = %" PRIu64 ": %s", place->label, borders[j],
                error.message);
    }
    store(file.bytes + place->offset, place->offset, place->width);
  }
  fprintf(stderr, "# %zu fields at %zu borders, %zu refused\n", file.count, ran, refused);
  cr_assert(file.count > 300 && ran == 16 * file.count, "only %zu of %zu fields", ran, file.count);
  cr_assert(refused > ran / 2, "only %zu of %zu were refused", refused, ran);
  free_good_file(&file);
}

Test(hostile_gguf, cut_short_anywhere)
{
  good_file file = make_good_file();
  size_t ran = 0;
  for (size_t size = file.size - 1; size > 0; size -= size > file.head + 64 ? 997 : 1) {
    dyno_error error;
    cr_assert(truncate(path, (off_t)size) == 0, "cannot cut the file");
    cr_assert(hostile_read_model(path, &error) != DYNO_OK && hostile_is_clear(&error, path),
              "cut to %zu: %s", size, error.message);
    ran++;
    if (size < 997 && size > file.head)
      break;
  }
  fixture_write(path, "", 0);
  dyno_error error;
  cr_assert(hostile_read_model(path, &error) != DYNO_OK && hostile_is_clear(&error, path),
            "empty: %s", error.message);
  fprintf(stderr, "# cut to %zu sizes\n", ran);
  cr_assert(ran > file.head, "only %zu cuts", ran);
  free_good_file(&file);
}
