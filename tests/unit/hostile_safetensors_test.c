/* Safetensors files and indices that mean harm. Each must end in an error that names file and
 * field; how many ran is counted. */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/model/safetensors.h"
#include "tests/unit/hostile.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;
static char path[300];

static void make_folder(void)
{
  fixture_folder_make(&folder);
  snprintf(path, sizeof path, "%s/model.safetensors", folder.path);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(hostile_safetensors, .init = make_folder, .fini = remove_folder, .timeout = 120);

/* Writes a file of this header and so many bytes of data. length replaces the header's own unless
 * it is 0. */
static void write_file(const char *header, size_t header_size, size_t data, uint64_t length)
{
  uint8_t *bytes = calloc(1, 8 + header_size + data + 1);
  uint64_t size = length != 0 ? length : header_size;
  memcpy(bytes, &size, sizeof size);
  memcpy(bytes + 8, header, header_size);
  fixture_write(path, bytes, 8 + header_size + data);
  free(bytes);
}

static dyno_status open_file(dyno_error *error)
{
  dyno_safetensors *tensors;
  *error = (dyno_error){0};
  dyno_status status = dyno_safetensors_open(&tensors, path, error);
  dyno_safetensors_close(&tensors);
  return status;
}

#define A(dtype, shape, offsets)                                                                   \
  "\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define GOOD A("F32", "[2,2]", "[0,16]")

typedef struct header_case {
  const char *header;
  size_t data;
  const char *message; /* NULL: it is good */
} header_case;

static const header_case headers[] = {
    {"{" GOOD "}", 16, NULL},
    {"{" GOOD "}     ", 16, NULL},
    {"{\"__metadata__\":{\"format\":\"pt\"}," GOOD "}", 16, NULL},
    {"{" A("F32", "[]", "[0,4]") "}", 4, NULL},
    {"{" A("U8", "[0]", "[0,0]") "}", 0, NULL},
    {"{}", 0, NULL},
    /* Not JSON, or not this JSON. */
    {"", 0, "offset 8: the JSON is malformed"},
    {" ", 0, "the JSON is malformed"},
    {"{", 0, "the JSON is malformed"},
    {"{" GOOD, 16, "the JSON is malformed"},
    {"{" GOOD "}x", 16, "the JSON is malformed"},
    {"[]", 0, "the JSON is no object"},
    {"{" GOOD ",}", 16, "the JSON is malformed"},
    {"{\"a\":1}", 0, "tensor 'a': is no object of dtype, shape and data_offsets"},
    {"{\"a\":null}", 0, "tensor 'a': is no object"},
    {"{\"a\":[]}", 0, "tensor 'a': is no object"},
    {"{\"a\":{}}", 0, "tensor 'a': is no object"},
    {"{\"\xff\xfe\":1}", 0, "the JSON is malformed"},
    {"{\"a\\u0000b\":{}}", 0, "the JSON is malformed"},
    {"{\"\\ud800\":{}}", 0, "the JSON is malformed"},
    {"{\"a\x1b[2J\":{}}", 0, "the JSON is malformed"},
    {"{\"\\u001b[2J\":{}}", 0, "tensor '\\x1b[2J': is no object"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is no object of strings"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ is no object of strings"},
    {"{\"__metadata__\":{\"a\":{}}}", 0, "__metadata__ is no object of strings"},
    /* Duplicates. */
    {"{" GOOD "," GOOD "}", 16, "duplicate object key"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1]}}", 1, "duplicate object key"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "duplicate object key"},
    /* Fields that are missing, superfluous, or of another type. */
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "is no object of dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"offsets\":[0,4]}}", 4, "data_offsets is no array"},
    {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is no string"},
    {"{" A("F99", "[1]", "[0,4]") "}", 4, "dtype 'F99' is unknown"},
    {"{" A("f32", "[1]", "[0,4]") "}", 4, "dtype 'f32' is unknown"},
    {"{" A("F32", "1", "[0,4]") "}", 4, "shape is no array"},
    {"{" A("F32", "[\"1\"]", "[0,4]") "}", 4, "shape holds something that is no integer"},
    {"{" A("F32", "[[1]]", "[0,4]") "}", 4, "shape holds something that is no integer"},
    {"{" A("F32", "[true]", "[0,4]") "}", 4, "shape holds something that is no integer"},
    {"{" A("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "shape is no array of at most 8"},
    {"{" A("F32", "[1]", "4") "}", 4, "data_offsets is no array of two"},
    {"{" A("F32", "[1]", "[0]") "}", 4, "data_offsets is no array of two"},
    {"{" A("F32", "[1]", "[0,4,8]") "}", 4, "data_offsets is no array of two"},
    {"{" A("F32", "[1]", "[0,null]") "}", 4, "data_offsets is no array of two"},
    /* Numbers that are not digits, or too many of them. */
    {"{" A("F32", "[-1]", "[0,4]") "}", 4, "not written in digits alone"},
    {"{" A("F32", "[1.0]", "[0,4]") "}", 4, "not written in digits alone"},
    {"{" A("F32", "[1e0]", "[0,4]") "}", 4, "not written in digits alone"},
    {"{" A("F32", "[1E0]", "[0,4]") "}", 4, "not written in digits alone"},
    {"{" A("F32", "[1]", "[-0,4]") "}", 4, "not written in digits alone"},
    {"{" A("F32", "[+1]", "[0,4]") "}", 4, "not written in digits alone"},
    {"{" A("F32", "[01]", "[0,4]") "}", 4, "the JSON is malformed"},
    {"{" A("F32", "[0x1]", "[0,4]") "}", 4, "the JSON is malformed"},
    {"{" A("F32", "[9223372036854775808]", "[0,4]") "}", 4, "too big integer"},
    {"{" A("F32", "[18446744073709551616]", "[0,4]") "}", 4, "too big integer"},
    {"{" A("F32", "[9223372036854775807]", "[0,4]") "}", 4, "shape is too big"},
    {"{" A("F32", "[4294967296,4294967296]", "[0,4]") "}", 4, "shape is too big"},
    {"{" A("F32", "[4611686018427387904]", "[0,4]") "}", 4, "shape is too big"},
    {"{" A("U8", "[1152921504606846976]", "[0,1152921504606846976]") "}", 4, "but the data has 4"},
    {"{" A("U8", "[9223372036854775807]", "[0,9223372036854775807]") "}", 4, "but the data has 4"},
    /* Ranges that do not fit the shape, the data, or each other. */
    {"{" A("F32", "[2,2]", "[0,15]") "}", 15, "do not span the 16 bytes"},
    {"{" A("F32", "[2,2]", "[16,0]") "}", 16, "do not span the 16 bytes"},
    {"{" A("F32", "[2,2]", "[0,17]") "}", 17, "do not span the 16 bytes"},
    {"{" A("F32", "[0]", "[0,4]") "}", 4, "do not span the 0 bytes"},
    {"{" GOOD "}", 15, "but the data has 15 bytes"},
    {"{" GOOD "}", 0, "but the data has 0 bytes"},
    {"{" GOOD "}", 17, "no tensor covers the last 1 bytes"},
    {"{" A("F32", "[2,2]", "[4,20]") "}", 20, "overlap or leave a gap"},
    {"{" GOOD ","
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[12,16]}}",
     16, "overlap or leave a gap"},
    {"{" GOOD ","
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[17,21]}}",
     21, "overlap or leave a gap"},
    {"{" GOOD ","
     "\"b\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}",
     16, "overlap or leave a gap"},
    {"{" GOOD ","
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[16,20]}}",
     24, "no tensor covers the last 4 bytes"},
};

Test(hostile_safetensors, headers)
{
  size_t ran = 0, refused = 0, failed = 0;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++, ran++) {
    dyno_error error;
    write_file(headers[i].header, strlen(headers[i].header), headers[i].data, 0);
    dyno_status status = open_file(&error);
    bool good = headers[i].message == NULL ? status == DYNO_OK
                                           : status != DYNO_OK && hostile_is_clear(&error, path) &&
                                                 strstr(error.message, headers[i].message) != NULL;
    refused += status != DYNO_OK;
    failed += !good;
    if (!good)
      fprintf(stderr, "# %s: %s\n", headers[i].header, error.message);
  }
  fprintf(stderr, "# %zu headers, %zu refused\n", ran, refused);
  cr_assert(failed == 0, "%zu headers have other errors than they should", failed);
  cr_assert(refused >= 60, "only %zu were refused", refused);
}

Test(hostile_safetensors, header_lengths)
{
  static const struct {
    uint64_t length;
    const char *message;
  } lengths[] = {
      {1, "the JSON is malformed"},
      {100000000, "cut short"},
      {100000001, "at most 100 MB"},
      {(uint64_t)1 << 32, "at most 100 MB"},
      {(uint64_t)1 << 63, "at most 100 MB"},
      {UINT64_MAX, "at most 100 MB"},
      {UINT64_MAX - 7, "at most 100 MB"},
      {1000, "cut short"},
      {sizeof "{" GOOD "}", "the JSON is malformed"}, /* a byte of data too many */
      {sizeof "{" GOOD "}" - 2, "the JSON is malformed"},
  };
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    dyno_error error;
    write_file("{" GOOD "}", sizeof "{" GOOD "}" - 1, 16, lengths[i].length);
    cr_assert(open_file(&error) != DYNO_OK && hostile_is_clear(&error, path) &&
                  strstr(error.message, lengths[i].message) != NULL,
              "%" PRIu64 ": %s", lengths[i].length, error.message);
  }
  for (size_t size = 0; size < 8; size++) {
    dyno_error error;
    fixture_write(path, "\2\0\0\0\0\0\0\0", size);
    cr_assert(open_file(&error) != DYNO_OK && strstr(error.message, "takes 8 bytes") != NULL,
              "%zu bytes: %s", size, error.message);
  }
}

/* JSON that is small and would be large, or deep, in memory. */
Test(hostile_safetensors, bombs)
{
  static const struct {
    const char *open, *close;
    size_t count;
    const char *message;
  } bombs[] = {
      {"{\"a\":", "}", 17, "nested more than 16 deep"},
      {"{\"a\":", "", 100000, "nested more than 16 deep"},
      {"[", "]", 100000, "nested more than 16 deep"},
      {"{\"a\":[", "", 1000000, "nested more than 16 deep"},
      {"{},", "", 1000000, "more values than such a file needs"},
      {"1,", "", 1000000, "more values than such a file needs"},
      {"[],", "", 10000000, "more values than such a file needs"},
  };
  for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
    size_t open = strlen(bombs[i].open), close = strlen(bombs[i].close);
    size_t size = bombs[i].count * (open + close);
    char *header = malloc(size);
    for (size_t j = 0; j < bombs[i].count; j++) {
      memcpy(header + j * open, bombs[i].open, open);
      memcpy(header + bombs[i].count * open + j * close, bombs[i].close, close);
    }
    dyno_error error;
    write_file(header, size, 0, 0);
    free(header);
    cr_assert(open_file(&error) != DYNO_OK && hostile_is_clear(&error, path) &&
                  strstr(error.message, bombs[i].message) != NULL,
              "bomb %zu: %s", i, error.message);
  }
}

/* A model whose tensors are well-formed and wrong. */
static const fixture_model model = {DYNO_BF16, DYNO_MXFP4, DYNO_BF16, DYNO_BF16, 12};

/* Replaces the first occurrence of a text in the file by another of the same length. */
static void replace(const char *file, const char *from, const char *to)
{
  size_t size, length = strlen(from);
  cr_assert(strlen(to) == length, "'%s' and '%s' differ in length", from, to);
  uint8_t *bytes = fixture_read(file, &size, 0);
  uint8_t *place = memmem(bytes, size, from, length);
  cr_assert(place != NULL, "%s has no '%s'", file, from);
  memcpy(place, to, length);
  fixture_write(file, bytes, size);
  free(bytes);
}

#define LAYER "model.layers.0."
#define EXPERTS LAYER "mlp.experts."

static const struct {
  const char *from, *to, *message;
} replacements[] = {
    {LAYER "self_attn.q_proj.weight", LAYER "self_attn.x_proj.weight",
     LAYER "self_attn.q_proj.weight' or"},
    {LAYER "self_attn.sinks", LAYER "self_attn.sinkz", "self_attn.sinks' or"},
    {"lm_head.weight", "lm_haed.weight", "'lm_head.weight' or 'unembedding.weight' is missing"},
    {EXPERTS "down_proj_scales", EXPERTS "down_proj_scalez", "down_proj_blocks"},
    {EXPERTS "gate_up_proj_blocks", EXPERTS "gate_up_proj_blockz", "gate_up_proj_blocks"},
    {"\"shape\":[96,64]", "\"shape\":[64,96]", "has the shape [64, 96], but the configuration"},
    {"\"shape\":[3,64,2,16]", "\"shape\":[3,64,4,08]", "the JSON is malformed"},
    {"\"shape\":[3,64,2,16]", "\"shape\":[3,64,1,32]", "has the shape [3, 64, 1, 32]"},
    {"\"shape\":[3,64,2,16]", "\"shape\":[3,32,4,16]", "has the shape [3, 32, 4, 16]"},
    {"\"shape\":[3,64,2]", "\"shape\":[3,32,4]", "has the shape [3, 32, 4]"},
    {"\"shape\":[70,64]", "\"shape\":[64,70]", "has the shape [64, 70]"},
    {"\"dtype\":\"BF16\",\"shape\":[70,64]", "\"dtype\":\"I16\" ,\"shape\":[70,64]",
     "has type I16, which is unsupported"},
    {"\"dtype\":\"BF16\",\"shape\":[6]", "\"dtype\":\"U16\" ,\"shape\":[6]",
     "has type U16, which is unsupported here: F32, F16 and BF16"},
    {"\"dtype\":\"U8\",\"shape\":[3,64,2,16]", "\"dtype\":\"I8\",\"shape\":[3,64,2,16]",
     "has type I8, which is unsupported here: U8"},
    {"\"dtype\":\"U8\",\"shape\":[3,64,2]", "\"dtype\":\"I8\",\"shape\":[3,64,2]",
     "has type I8, which is unsupported here: U8"},
};

Test(hostile_safetensors, models)
{
  size_t ran = 0;
  dyno_model_config config = fixture_config();
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++, ran++) {
    dyno_error error;
    fixture_write_model(folder.path, &model, &config, &dyno_dialect_hugging_face, 0);
    replace(path, replacements[i].from, replacements[i].to);
    cr_assert(hostile_read_model(folder.path, &error) != DYNO_OK &&
                  hostile_is_clear(&error, folder.path) &&
                  strstr(error.message, replacements[i].message) != NULL,
              "%s: %s", replacements[i].to, error.message);
  }
  cr_assert(ran >= 15, "only %zu ran", ran);
}

/* An index against two files, "1.safetensors" with tensor a and "2.safetensors" with b. */
static const struct {
  const char *index, *message;
} indices[] = {
    {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}", NULL},
    {"{\"metadata\":{\"total_size\":1e3},\"weight_map\":{\"a\":\"1.safetensors\","
     "\"b\":\"2.safetensors\"}}",
     NULL},
    {"", "the JSON is malformed"},
    {"{}", "weight_map is no object"},
    {"{\"weight_map\":{}}", "weight_map is no object"},
    {"{\"weight_map\":[]}", "weight_map is no object"},
    {"{\"weight_map\":{\"a\":1}}", "'a' should lie in '?'"},
    {"{\"weight_map\":{\"a\":\"../1.safetensors\"}}", "should lie in '../1.safetensors'"},
    {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "should lie in '/etc/passwd'"},
    {"{\"weight_map\":{\"a\":\"x/1.safetensors\"}}", "should lie in 'x/1.safetensors'"},
    {"{\"weight_map\":{\"a\":\"..\\\\1.safetensors\"}}", "should lie in"},
    {"{\"weight_map\":{\"a\":\"..\"}}", "should lie in '..'"},
    {"{\"weight_map\":{\"a\":\"\"}}", "should lie in ''"},
    {"{\"weight_map\":{\"a\":\".safetensors\"}}", "should lie in '.safetensors'"},
    {"{\"weight_map\":{\"a\":\"1.bin\"}}", "should lie in '1.bin'"},
    {"{\"weight_map\":{\"a\":\"3.safetensors\"}}", "3.safetensors: cannot open it"},
    {"{\"weight_map\":{\"a\":\"1.safetensors\"}}", NULL}, /* b is in no file of the index */
    {"{\"weight_map\":{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}}", "says that it is in"},
    {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"1.safetensors\"}}", "does not have it"},
    {"{\"weight_map\":{\"b\":\"2.safetensors\",\"a\":\"2.safetensors\"}}", "does not have it"},
    {"{\"weight_map\":{\"c\":\"1.safetensors\",\"b\":\"2.safetensors\"}}", "it is in no file"},
    {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"2.safetensors\"}}",
     "tensor 'c' should be in 2.safetensors, which does not have it"},
    {"{\"weight_map\":{\"a\":\"1.safetensors\",\"a\":\"2.safetensors\"}}", "duplicate object key"},
};

Test(hostile_safetensors, the_index)
{
  static const char a[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
  static const char b[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
  snprintf(path, sizeof path, "%s/1.safetensors", folder.path);
  write_file(a, sizeof a - 1, 1, 0);
  snprintf(path, sizeof path, "%s/2.safetensors", folder.path);
  write_file(b, sizeof b - 1, 1, 0);
  const char *index = fixture_path(&folder, DYNO_SAFETENSORS_INDEX);
  size_t ran = 0;
  for (size_t i = 0; i < sizeof indices / sizeof *indices; i++, ran++) {
    dyno_safetensors *tensors;
    dyno_error error = {0};
    fixture_write(index, indices[i].index, strlen(indices[i].index));
    dyno_status status = dyno_safetensors_open(&tensors, folder.path, &error);
    dyno_safetensors_close(&tensors);
    cr_assert(indices[i].message == NULL
                  ? status == DYNO_OK
                  : status != DYNO_OK && strstr(error.message, indices[i].message) != NULL,
              "%s: %s", indices[i].index, error.message);
  }
  cr_assert(ran >= 20, "only %zu ran", ran);

  /* Without an index all files count, and no tensor may be in two. */
  dyno_safetensors *tensors;
  dyno_error error = {0};
  unlink(index);
  cr_assert(dyno_safetensors_open(&tensors, folder.path, &error) == DYNO_OK &&
                dyno_safetensors_count(tensors) == 2,
            "%s", error.message);
  dyno_safetensors_close(&tensors);
  write_file(a, sizeof a - 1, 1, 0);
  cr_assert(dyno_safetensors_open(&tensors, folder.path, &error) == DYNO_ERROR_FORMAT &&
                strstr(error.message, "tensor 'a' is also in") != NULL,
            "%s", error.message);
}
