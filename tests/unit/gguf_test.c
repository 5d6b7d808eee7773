/* The GGUF reader and writer: every getter on every type, and what the writer refuses. */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/model/gguf_vocabulary.h"
#include "runtime/model/gguf_writer.h"
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

TestSuite(gguf, .init = make_folder, .fini = remove_folder, .timeout = 60);

static dyno_gguf_writer *new_writer(void)
{
  dyno_gguf_writer *writer;
  dyno_error error = {0};
  cr_assert(dyno_gguf_writer_new(&writer, path, &error) == DYNO_OK, "%s", error.message);
  return writer;
}

static void finish(dyno_gguf_writer *writer)
{
  dyno_error error = {0};
  cr_assert(dyno_gguf_writer_begin(writer, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_gguf_writer_commit(writer, &error) == DYNO_OK, "%s", error.message);
  dyno_gguf_writer_free(&writer);
}

static dyno_gguf *open_file(void)
{
  dyno_gguf *gguf;
  dyno_error error = {0};
  cr_assert(dyno_gguf_open(&gguf, path, &error) == DYNO_OK, "%s", error.message);
  return gguf;
}

/* One key of each type; the arrays end in "s". */
static void write_values(void)
{
  static const int16_t int16s[] = {-1, 0, 32767};
  static const uint8_t uint8s[] = {0, 1, 255}, bools[] = {1, 0, 1};
  static const int8_t int8s[] = {-128, 127};
  static const uint16_t uint16s[] = {65535};
  static const uint32_t uint32s[] = {4294967295u};
  static const int32_t int32s[] = {-5, 7};
  static const uint64_t uint64s[] = {1, INT64_MAX}, huge[] = {UINT64_MAX};
  static const int64_t int64s[] = {INT64_MIN};
  static const float float32s[] = {1.5f};
  static const double float64s[] = {2.5};
  static const dyno_span strings[] = {{"one", 3}, {"", 0}, {"a\0b", 3}};
  dyno_gguf_writer *writer = new_writer();
  dyno_gguf_writer_add_uint32(writer, "uint32", 4294967295u);
  dyno_gguf_writer_add_int32(writer, "int32", -1);
  dyno_gguf_writer_add_int32(writer, "positive", 5);
  dyno_gguf_writer_add_uint64(writer, "uint64", UINT64_MAX);
  dyno_gguf_writer_add_float32(writer, "float32", 1.5f);
  dyno_gguf_writer_add_bool(writer, "bool", true);
  dyno_gguf_writer_add_string(writer, "string", "text");
  dyno_gguf_writer_add_string(writer, "empty", "");
  dyno_gguf_writer_add_array(writer, "uint8s", DYNO_GGUF_UINT8, uint8s, 3);
  dyno_gguf_writer_add_array(writer, "int8s", DYNO_GGUF_INT8, int8s, 2);
  dyno_gguf_writer_add_array(writer, "uint16s", DYNO_GGUF_UINT16, uint16s, 1);
  dyno_gguf_writer_add_array(writer, "int16s", DYNO_GGUF_INT16, int16s, 3);
  dyno_gguf_writer_add_array(writer, "uint32s", DYNO_GGUF_UINT32, uint32s, 1);
  dyno_gguf_writer_add_array(writer, "int32s", DYNO_GGUF_INT32, int32s, 2);
  dyno_gguf_writer_add_array(writer, "uint64s", DYNO_GGUF_UINT64, uint64s, 2);
  dyno_gguf_writer_add_array(writer, "huges", DYNO_GGUF_UINT64, huge, 1);
  dyno_gguf_writer_add_array(writer, "int64s", DYNO_GGUF_INT64, int64s, 1);
  dyno_gguf_writer_add_array(writer, "float32s", DYNO_GGUF_FLOAT32, float32s, 1);
  dyno_gguf_writer_add_array(writer, "float64s", DYNO_GGUF_FLOAT64, float64s, 1);
  dyno_gguf_writer_add_array(writer, "bools", DYNO_GGUF_BOOL, bools, 3);
  dyno_gguf_writer_add_array(writer, "nones", DYNO_GGUF_UINT32, NULL, 0);
  dyno_gguf_writer_add_strings(writer, "strings", strings, 3);
  finish(writer);
}

Test(gguf, scalars)
{
  write_values();
  dyno_gguf *gguf = open_file();
  uint64_t integer = 0;
  double number = 0;
  bool truth = false;
  dyno_span text = {0};
  cr_assert(dyno_gguf_version(gguf) == 3 && dyno_gguf_alignment(gguf) == 32 &&
                dyno_gguf_tensor_count(gguf) == 0 && dyno_gguf_entry_count(gguf) == 22,
            "the head");
  cr_assert(dyno_gguf_get_uint(&integer, gguf, "uint32", NULL) == DYNO_OK && integer == 4294967295u,
            "uint32");
  cr_assert(dyno_gguf_get_uint(&integer, gguf, "positive", NULL) == DYNO_OK && integer == 5,
            "int32");
  cr_assert(dyno_gguf_get_uint(&integer, gguf, "uint64", NULL) == DYNO_OK && integer == UINT64_MAX,
            "uint64");
  cr_assert(dyno_gguf_get_float(&number, gguf, "float32", NULL) == DYNO_OK && number == 1.5,
            "float32");
  cr_assert(dyno_gguf_get_bool(&truth, gguf, "bool", NULL) == DYNO_OK && truth, "bool");
  cr_assert(dyno_gguf_get_string(&text, gguf, "string", NULL) == DYNO_OK &&
                dyno_span_equal(text, dyno_span_of("text")),
            "string");
  cr_assert(dyno_gguf_get_string(&text, gguf, "empty", NULL) == DYNO_OK && text.size == 0, "empty");
  dyno_gguf_close(&gguf);
  cr_assert(gguf == NULL, "close keeps the pointer");
}

Test(gguf, arrays)
{
  static const struct {
    const char *key;
    size_t count;
    int64_t values[3];
  } wanted[] = {
      {"uint8s", 3, {0, 1, 255}},     {"int8s", 2, {-128, 127}},    {"uint16s", 1, {65535}},
      {"int16s", 3, {-1, 0, 32767}},  {"uint32s", 1, {4294967295}}, {"int32s", 2, {-5, 7}},
      {"uint64s", 2, {1, INT64_MAX}}, {"int64s", 1, {INT64_MIN}},   {"nones", 0, {0}},
  };
  write_values();
  dyno_gguf *gguf = open_file();
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    int64_t values[4] = {0};
    size_t count = 99;
    cr_assert(dyno_gguf_get_ints(values, wanted[i].count, gguf, wanted[i].key, NULL) == DYNO_OK &&
                  memcmp(values, wanted[i].values, wanted[i].count * sizeof *values) == 0,
              "%s", wanted[i].key);
    cr_assert(dyno_gguf_get_ints(values, wanted[i].count + 1, gguf, wanted[i].key, NULL) ==
                  DYNO_ERROR_FORMAT,
              "%s: one too many", wanted[i].key);
    cr_assert(dyno_gguf_get_count(&count, gguf, wanted[i].key, NULL) == DYNO_OK &&
                  count == wanted[i].count,
              "%s: count", wanted[i].key);
  }
  bool bools[3];
  cr_assert(dyno_gguf_get_bools(bools, 3, gguf, "bools", NULL) == DYNO_OK && bools[0] &&
                !bools[1] && bools[2],
            "bools");
  cr_assert(dyno_gguf_get_bools(bools, 2, gguf, "bools", NULL) == DYNO_ERROR_FORMAT, "two bools");
  dyno_span *strings;
  size_t count;
  cr_assert(dyno_gguf_get_strings(&strings, &count, gguf, "strings", NULL) == DYNO_OK &&
                count == 3 && dyno_span_equal(strings[0], dyno_span_of("one")) &&
                strings[1].size == 0 && strings[2].size == 3 &&
                memcmp(strings[2].bytes, "a\0b", 3) == 0,
            "strings");
  free(strings);
  dyno_gguf_close(&gguf);
}

/* Every getter on every key: it gives a value where it should, and else an error that names the
 * key and what it is. */
Test(gguf, getters_are_typed)
{
  enum { UINT = 1, FLOAT = 2, BOOL = 4, STRING = 8, COUNT = 16, STRINGS = 32 };
  static const struct {
    const char *key;
    unsigned works;
    const char *is;
  } keys[] = {
      {"uint32", UINT, "uint32"},     {"int32", 0, "int32"},
      {"positive", UINT, "int32"},    {"uint64", UINT, "uint64"},
      {"float32", FLOAT, "float32"},  {"bool", BOOL, "bool"},
      {"string", STRING, "string"},   {"empty", STRING, "string"},
      {"uint8s", COUNT, "3 uint8"},   {"int64s", COUNT, "1 int64"},
      {"float32s", COUNT, "float32"}, {"float64s", COUNT, "float64"},
      {"bools", COUNT, "3 bool"},     {"strings", COUNT | STRINGS, "3 string"},
      {"nones", COUNT, "0 uint32"},
  };
  write_values();
  dyno_gguf *gguf = open_file();
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    for (unsigned getter = UINT; getter <= STRINGS; getter *= 2) {
      uint64_t integer = 77;
      double number = 77;
      bool truth = true;
      dyno_span text = {"77", 2}, *strings = NULL;
      size_t count = 77;
      dyno_error error = {0};
      dyno_status status =
          getter == UINT     ? dyno_gguf_get_uint(&integer, gguf, keys[i].key, &error)
          : getter == FLOAT  ? dyno_gguf_get_float(&number, gguf, keys[i].key, &error)
          : getter == BOOL   ? dyno_gguf_get_bool(&truth, gguf, keys[i].key, &error)
          : getter == STRING ? dyno_gguf_get_string(&text, gguf, keys[i].key, &error)
          : getter == COUNT  ? dyno_gguf_get_count(&count, gguf, keys[i].key, &error)
                             : dyno_gguf_get_strings(&strings, &count, gguf, keys[i].key, &error);
      free(strings);
      if (keys[i].works & getter) {
        cr_assert(status == DYNO_OK, "%s, getter %u: %s", keys[i].key, getter, error.message);
        continue;
      }
      cr_assert(status == DYNO_ERROR_FORMAT && strstr(error.message, path) != NULL &&
                    strstr(error.message, keys[i].key) != NULL,
                "%s, getter %u: %s", keys[i].key, getter, error.message);
      if (strcmp(keys[i].key, "int32") != 0)
        cr_assert(strstr(error.message, keys[i].is) != NULL, "%s", error.message);
      cr_assert(integer == 77 && number == 77 && truth && text.size == 2 && count == 77,
                "%s, getter %u changed its result", keys[i].key, getter);
    }
  int64_t value;
  dyno_error error = {0};
  cr_assert(dyno_gguf_get_ints(&value, 1, gguf, "huges", &error) == DYNO_ERROR_FORMAT &&
                strstr(error.message, "below 2^63") != NULL,
            "%s", error.message);
  cr_assert(dyno_gguf_get_ints(&value, 1, gguf, "float32s", NULL) == DYNO_ERROR_FORMAT, "floats");
  cr_assert(dyno_gguf_get_ints(&value, 1, gguf, "uint32", NULL) == DYNO_ERROR_FORMAT, "a scalar");
  dyno_gguf_close(&gguf);
}

Test(gguf, what_is_missing_is_not_found)
{
  write_values();
  dyno_gguf *gguf = open_file();
  uint64_t integer;
  double number;
  bool truth;
  int64_t ints[1];
  dyno_span text, *strings;
  size_t count;
  dyno_error error = {0};
  static const char *const keys[] = {"", "uint", "uint322", "zzz", "UINT32"};
  for (size_t i = 0; i < 5; i++) {
    cr_assert(dyno_gguf_find(gguf, keys[i]) == NULL, "%s", keys[i]);
    cr_assert(dyno_gguf_get_uint(&integer, gguf, keys[i], &error) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_float(&number, gguf, keys[i], NULL) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_bool(&truth, gguf, keys[i], NULL) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_string(&text, gguf, keys[i], NULL) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_ints(ints, 1, gguf, keys[i], NULL) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_bools(&truth, 1, gguf, keys[i], NULL) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_count(&count, gguf, keys[i], NULL) == DYNO_ERROR_NOT_FOUND &&
                  dyno_gguf_get_strings(&strings, &count, gguf, keys[i], NULL) ==
                      DYNO_ERROR_NOT_FOUND,
              "%s", keys[i]);
    cr_assert(strstr(error.message, "is missing") != NULL, "%s", error.message);
  }
  cr_assert(dyno_gguf_find_tensor(gguf, "a") == NULL, "a tensor");
  dyno_gguf_close(&gguf);
}

Test(gguf, versions_and_alignment)
{
  static const uint64_t dims[] = {5};
  static const float values[] = {1, 2, 3, 4, 5};
  for (uint32_t alignment = 8; alignment <= 4096; alignment *= 8) {
    dyno_gguf_writer *writer = new_writer();
    dyno_gguf_writer_add_uint32(writer, "general.alignment", alignment);
    dyno_gguf_writer_add_tensor(writer, "a", 0, dims, 1);
    dyno_gguf_writer_add_tensor(writer, "b", 0, dims, 1);
    cr_assert(dyno_gguf_writer_begin(writer, NULL) == DYNO_OK, "begin");
    for (size_t i = 0; i < 10; i++)
      cr_assert(dyno_gguf_writer_write(writer, &values[i % 5], 4, NULL) == DYNO_OK, "write");
    uint64_t bytes = dyno_gguf_writer_bytes(writer);
    cr_assert(dyno_gguf_writer_commit(writer, NULL) == DYNO_OK, "commit");
    dyno_gguf_writer_free(&writer);
    size_t size;
    uint8_t *copy = fixture_read(path, &size, 0);
    cr_assert(size == bytes, "%zu bytes, not %" PRIu64, size, bytes);
    copy[4] = 2; /* version 2 has the same layout */
    fixture_write(path, copy, size);
    free(copy);
    dyno_gguf *gguf = open_file();
    const dyno_gguf_tensor *b = dyno_gguf_find_tensor(gguf, "b");
    cr_assert(dyno_gguf_version(gguf) == 2 && dyno_gguf_alignment(gguf) == alignment, "head");
    cr_assert(b != NULL && b->offset % alignment == 0 && b->bytes == 20 && b->rank == 1 &&
                  b->dims[0] == 5 && b->dims[1] == 1 && memcmp(b->data, values, 20) == 0,
              "tensor b at alignment %u", alignment);
    dyno_gguf_close(&gguf);
  }
}

Test(gguf, the_vocabulary)
{
  static const fixture_model model = {DYNO_F32, DYNO_F32, DYNO_F32, DYNO_F32, 1};
  dyno_model_config config = fixture_config();
  fixture_write_model(path, &model, &config, &dyno_dialect_ggml_org, 0);
  dyno_gguf *gguf = open_file();
  dyno_gguf_vocabulary vocabulary;
  dyno_error error = {0};
  cr_assert(dyno_gguf_vocabulary_read(&vocabulary, gguf, &error) == DYNO_OK, "%s", error.message);
  cr_assert(vocabulary.count == 4 && dyno_span_equal(vocabulary.tokens[1], dyno_span_of("b")) &&
                vocabulary.tokens[2].size == 0 && vocabulary.types[3] == 4 &&
                vocabulary.stop_count == 1 && vocabulary.stops[0] == 2,
            "tokens, types or stops");
  dyno_gguf_vocabulary_free(&vocabulary);
  dyno_gguf_close(&gguf);
}

/* No file may be left behind by what fails. */
static void is_empty(void)
{
  cr_assert(rmdir(folder.path) == 0, "something was left in %s", folder.path);
  cr_assert(mkdir(folder.path, 0700) == 0, "cannot make it again");
}

Test(gguf, the_writer_refuses)
{
  static const uint64_t good[] = {32, 2}, bad_row[] = {33}, zero[] = {32, 0};
  static const uint64_t huge[] = {(uint64_t)1 << 62, 4};
  static const uint8_t bytes[256];
  static const struct {
    uint32_t type;
    const uint64_t *dims;
    uint32_t rank;
  } tensors[] = {{8, bad_row, 1}, {0, zero, 2}, {0, huge, 2},
                 {5, good, 1},    {0, good, 0}, {0, good, 5}};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    dyno_gguf_writer *writer = new_writer();
    dyno_error error = {0};
    dyno_gguf_writer_add_tensor(writer, "t", tensors[i].type, tensors[i].dims, tensors[i].rank);
    cr_assert(dyno_gguf_writer_begin(writer, &error) == DYNO_ERROR_USAGE &&
                  strstr(error.message, "tensor 't'") != NULL,
              "tensor %zu: %s", i, error.message);
    dyno_gguf_writer_free(&writer);
    is_empty();
  }
  dyno_gguf_writer *writer = new_writer();
  dyno_gguf_writer_add_tensor(writer, "t", 0, good, 2);
  cr_assert(dyno_gguf_writer_begin(writer, NULL) == DYNO_OK, "begin");
  cr_assert(dyno_gguf_writer_write(writer, bytes, 256, NULL) == DYNO_OK, "fill");
  cr_assert(dyno_gguf_writer_write(writer, bytes, 1, NULL) == DYNO_ERROR_USAGE, "too much");
  dyno_gguf_writer_free(&writer);
  is_empty();
  writer = new_writer();
  dyno_gguf_writer_add_tensor(writer, "t", 0, good, 2);
  cr_assert(dyno_gguf_writer_begin(writer, NULL) == DYNO_OK, "begin");
  cr_assert(dyno_gguf_writer_write(writer, bytes, 255, NULL) == DYNO_OK, "nearly fill");
  cr_assert(dyno_gguf_writer_commit(writer, NULL) == DYNO_ERROR_USAGE, "too little");
  dyno_gguf_writer_free(&writer);
  is_empty();
}

/* A file larger than any disk is refused before its first byte. */
Test(gguf, a_full_disk_is_found_at_once)
{
  static const uint64_t dims[] = {(uint64_t)1 << 50};
  dyno_gguf_writer *writer = new_writer();
  dyno_error error = {0};
  dyno_gguf_writer_add_tensor(writer, "t", 0, dims, 1);
  cr_assert(dyno_gguf_writer_begin(writer, &error) == DYNO_ERROR_UNAVAILABLE &&
                strstr(error.message, "are needed, but") != NULL &&
                strstr(error.message, path) != NULL,
            "%s", error.message);
  dyno_gguf_writer_free(&writer);
  is_empty();
}

Test(gguf, a_write_that_fails_leaves_the_old_file)
{
  static const uint64_t dims[] = {1 << 20};
  fixture_write(path, "old", 3);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {1 << 20, 1 << 20};
  cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0, "cannot limit the size of files");
  dyno_gguf_writer *writer = new_writer();
  dyno_error error = {0};
  dyno_gguf_writer_add_tensor(writer, "t", 0, dims, 1);
  cr_assert(dyno_gguf_writer_begin(writer, &error) != DYNO_OK, "4 MiB fit into 1 MiB");
  dyno_gguf_writer_free(&writer);
  size_t size;
  uint8_t *bytes = fixture_read(path, &size, 0);
  cr_assert(size == 3 && memcmp(bytes, "old", 3) == 0, "the old file is gone");
  free(bytes);
  unlink(path);
  is_empty();
}
