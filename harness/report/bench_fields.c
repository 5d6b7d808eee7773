#include "harness/report/bench_fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings repeat from line to line, so the latest are looked through before another copy is made;
 * all of them would make a hostile file quadratic. */
enum { LOOK_BACK = 256 };

typedef struct block_list {
  void **blocks;
  size_t count, room;
} block_list;

struct dyno_bench_storage {
  block_list strings, arrays;
};

dyno_bench_storage *dyno_bench_storage_new(void)
{
  return calloc(1, sizeof(dyno_bench_storage));
}

static void free_blocks(block_list *list)
{
  for (size_t i = 0; i < list->count; i++)
    free(list->blocks[i]);
  free(list->blocks);
}

void dyno_bench_storage_free(dyno_bench_storage **storage)
{
  if (*storage == NULL)
    return;
  free_blocks(&(*storage)->strings);
  free_blocks(&(*storage)->arrays);
  free(*storage);
  *storage = NULL;
}

/* Takes over block, also when it fails. */
static bool keep_block(block_list *list, void *block)
{
  if (block != NULL && list->count == list->room) {
    size_t room = list->room == 0 ? 64 : 2 * list->room;
    void **larger = reallocarray(list->blocks, room, sizeof *larger);
    if (larger == NULL) {
      free(block);
      return false;
    }
    list->blocks = larger;
    list->room = room;
  }
  if (block != NULL)
    list->blocks[list->count++] = block;
  return block != NULL;
}

void dyno_bench_field_fail(dyno_bench_record *record, const char *field, dyno_status status,
                           const char *format, ...)
{
  char message[512], line[32] = "";
  va_list arguments;
  if (*record->status != DYNO_OK)
    return;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (record->line > 0)
    snprintf(line, sizeof line, ":%zu", record->line);
  *record->status = dyno_fail(record->error, status, "%s%s: %s%s: %s", record->file, line,
                              record->prefix, field, message);
}

static void fail_memory(dyno_bench_record *record, const char *field)
{
  dyno_bench_field_fail(record, field, DYNO_ERROR_MEMORY, "out of memory");
}

static const char *type_name(const json_t *value)
{
  static const char *const names[] = {
      [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
      [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
      [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
  return value == NULL ? "missing" : names[json_typeof(value)];
}

/* The value of a field; NULL when it is missing or null, which may be an error, as is one that is
 * there and not of the wanted kind. */
static const json_t *find(dyno_bench_record *record, const char *field, bool needed, bool fits,
                          const json_t *value, const char *wanted)
{
  bool absent = value == NULL || json_is_null(value);
  if (absent ? needed : !fits)
    dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "is %s, not %s", type_name(value),
                          wanted);
  return fits && *record->status == DYNO_OK ? value : NULL;
}

static double read_number(dyno_bench_record *record, const char *field, bool needed)
{
  const json_t *value = json_object_get(record->object, field);
  value = find(record, field, needed, json_is_number(value), value, "a number");
  if (value == NULL)
    return NAN;
  double number = json_number_value(value);
  if (isfinite(number) && number >= 0)
    return number;
  dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "is %g, not a number from 0", number);
  return NAN;
}

double dyno_bench_number(dyno_bench_record *record, const char *field)
{
  return read_number(record, field, false);
}

double dyno_bench_need_number(dyno_bench_record *record, const char *field)
{
  return read_number(record, field, true);
}

static size_t read_count(dyno_bench_record *record, const char *field, size_t most, bool needed)
{
  const json_t *value = json_object_get(record->object, field);
  value = find(record, field, needed, json_is_integer(value), value, "an integer");
  if (value == NULL)
    return 0;
  json_int_t number = json_integer_value(value);
  if (number >= 0 && (uint64_t)number <= most)
    return (size_t)number;
  dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT,
                        "is %" JSON_INTEGER_FORMAT ", not from 0 to %zu", number, most);
  return 0;
}

size_t dyno_bench_count(dyno_bench_record *record, const char *field, size_t most)
{
  return read_count(record, field, most, false);
}

size_t dyno_bench_need_count(dyno_bench_record *record, const char *field, size_t most)
{
  return read_count(record, field, most, true);
}

const char *dyno_bench_keep(dyno_bench_record *record, const char *text)
{
  block_list *strings = &record->storage->strings;
  size_t first = strings->count > LOOK_BACK ? strings->count - LOOK_BACK : 0;
  for (size_t i = strings->count; i > first; i--)
    if (strcmp(strings->blocks[i - 1], text) == 0)
      return strings->blocks[i - 1];
  if (keep_block(strings, strdup(text)))
    return strings->blocks[strings->count - 1];
  fail_memory(record, "text");
  return "";
}

const char *dyno_bench_string(dyno_bench_record *record, const char *field)
{
  const json_t *value = json_object_get(record->object, field);
  value = find(record, field, false, json_is_string(value), value, "a string");
  return value == NULL ? NULL : dyno_bench_keep(record, json_string_value(value));
}

const char *dyno_bench_need_string(dyno_bench_record *record, const char *field)
{
  const json_t *value = json_object_get(record->object, field);
  value = find(record, field, true, json_is_string(value), value, "a string");
  if (value == NULL)
    return "";
  if (json_string_length(value) == 0)
    dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "is empty");
  return dyno_bench_keep(record, json_string_value(value));
}

static bool read_flag(dyno_bench_record *record, const char *field, bool needed)
{
  const json_t *value = json_object_get(record->object, field);
  return json_is_true(find(record, field, needed, json_is_boolean(value), value, "true or false"));
}

bool dyno_bench_flag(dyno_bench_record *record, const char *field)
{
  return read_flag(record, field, false);
}

bool dyno_bench_need_flag(dyno_bench_record *record, const char *field)
{
  return read_flag(record, field, true);
}

size_t dyno_bench_need_name(dyno_bench_record *record, const char *field, const char *const *names,
                            size_t count)
{
  const char *name = dyno_bench_need_string(record, field);
  for (size_t i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0)
      return i;
  dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "\"%.80s\" is none of those there are",
                        name);
  return 0;
}

static dyno_bench_record inner_record(const dyno_bench_record *outer, const json_t *value)
{
  dyno_bench_record inner = *outer;
  inner.object = json_is_object(value) ? value : NULL;
  return inner;
}

dyno_bench_record dyno_bench_enter(dyno_bench_record *record, const char *field)
{
  const json_t *value = json_object_get(record->object, field);
  value = find(record, field, true, json_is_object(value), value, "an object");
  dyno_bench_record inner = inner_record(record, value);
  snprintf(inner.prefix, sizeof inner.prefix, "%.40s%.40s.", record->prefix, field);
  return inner;
}

dyno_bench_record dyno_bench_enter_element(dyno_bench_record *record, const char *field,
                                           size_t index)
{
  char name[64];
  const json_t *value = json_array_get(json_object_get(record->object, field), index);
  snprintf(name, sizeof name, "%.40s[%zu]", field, index);
  value = find(record, name, true, json_is_object(value), value, "an object");
  dyno_bench_record inner = inner_record(record, value);
  snprintf(inner.prefix, sizeof inner.prefix, "%.40s%.50s.", record->prefix, name);
  return inner;
}

size_t dyno_bench_length(dyno_bench_record *record, const char *field)
{
  const json_t *value = json_object_get(record->object, field);
  return json_array_size(find(record, field, false, json_is_array(value), value, "an array"));
}

void *dyno_bench_array(dyno_bench_record *record, size_t count, size_t size)
{
  if (count == 0 || *record->status != DYNO_OK)
    return NULL;
  block_list *arrays = &record->storage->arrays;
  if (keep_block(arrays, calloc(count, size)))
    return arrays->blocks[arrays->count - 1];
  fail_memory(record, "array");
  return NULL;
}

const char **dyno_bench_string_list(dyno_bench_record *record, const char *field, size_t *count)
{
  *count = dyno_bench_length(record, field);
  const json_t *list = json_object_get(record->object, field);
  const char **strings = dyno_bench_array(record, *count, sizeof *strings);
  for (size_t i = 0; strings != NULL && i < *count; i++) {
    const json_t *value = json_array_get(list, i);
    if (!json_is_string(value))
      dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "element %zu is %s, not a string", i,
                            type_name(value));
    strings[i] = json_is_string(value) ? dyno_bench_keep(record, json_string_value(value)) : "";
  }
  if (strings == NULL)
    *count = 0;
  return strings;
}
