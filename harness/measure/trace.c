#include "harness/measure/trace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/measure/json_fields.h"
#include "runtime/text/file.h"

enum { NAME_LENGTH = 64, MOST_FILE_BYTES = 1 << 20 };

static const double most_zipf = 10, most_share = 1e6;

static const char *const kind_names[DYNO_TRACE_KIND_COUNT] = {"chat", "documents", "edits",
                                                              "one-shots"};

const char *dyno_trace_kind_name(dyno_trace_kind kind)
{
  return kind < DYNO_TRACE_KIND_COUNT ? kind_names[kind] : "?";
}

/* Where a value is read from. */
typedef struct place {
  const dyno_json_source *file;
  const json_t *object;
  const char *parent;
} place;

static dyno_status missing(const place *at, const char *key, const char *wanted, dyno_error *error)
{
  return dyno_json_bad(at->file, at->parent, error, "\"%s\" is missing: %s is wanted", key, wanted);
}

/* A copy of a text; of fallback, unless that is NULL, where there is none. */
static dyno_status read_text(char **text, const place *at, const char *key, const char *fallback,
                             dyno_error *error)
{
  const char *read;
  dyno_status status =
      dyno_json_text(&read, at->object, at->parent, key, fallback, at->file, error);
  if (status != DYNO_OK)
    return status;
  *text = strdup(read);
  return *text != NULL ? DYNO_OK
                       : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", at->file->path);
}

static dyno_status read_whole(uint64_t *number, const place *at, const char *key, long long least,
                              long long most, dyno_error *error)
{
  long long read = 0;
  dyno_status status = dyno_json_read_integer(&read, at->object, at->parent, key, least, most, NULL,
                                              at->file, error);
  *number = (uint64_t)read;
  return status;
}

static dyno_status read_real(double *number, const place *at, const char *key, double least,
                             double most, dyno_error *error)
{
  return dyno_json_read_number(number, at->object, at->parent, key, least, most, NULL, at->file,
                               error);
}

static bool is_length(const json_t *value, uint32_t least)
{
  return json_is_integer(value) && json_integer_value(value) >= (json_int_t)least &&
         json_integer_value(value) <= DYNO_TRACE_MOST_TOKENS;
}

static dyno_status read_range(dyno_trace_range *range, const place *at, const char *key,
                              uint32_t least, dyno_error *error)
{
  char field[DYNO_JSON_FIELD], wanted[96];
  const json_t *value = json_object_get(at->object, key);
  bool pair = json_is_array(value) && json_array_size(value) == 2;
  const json_t *from = pair ? json_array_get(value, 0) : value;
  const json_t *to = pair ? json_array_get(value, 1) : value;
  dyno_json_field(field, at->parent, key);
  snprintf(wanted, sizeof wanted, "a number of tokens from %u to %d, or [least, most]", least,
           DYNO_TRACE_MOST_TOKENS);
  if (value == NULL)
    return missing(at, key, wanted, error);
  if (!is_length(from, least) || !is_length(to, least) ||
      json_integer_value(from) > json_integer_value(to))
    return dyno_json_bad(at->file, field, error, "%s is wanted", wanted);
  *range = (dyno_trace_range){(uint32_t)json_integer_value(from), (uint32_t)json_integer_value(to)};
  return DYNO_OK;
}

/* What a source of each kind has beside kind and share. */
static const char *const source_keys[DYNO_TRACE_KIND_COUNT][12] = {
    {"kind", "share", "things", "zipf", "turns", "system_tokens", "question_tokens",
     "answer_tokens"},
    {"kind", "share", "things", "zipf", "body_tokens", "system_tokens", "question_tokens",
     "answer_tokens"},
    {"kind", "share", "things", "zipf", "body_tokens", "edit_tokens", "system_tokens",
     "question_tokens", "answer_tokens"},
    {"kind", "share", "system_tokens", "question_tokens", "answer_tokens"},
};

static bool has_key(dyno_trace_kind kind, const char *key)
{
  for (const char *const *name = source_keys[kind]; *name != NULL; name++)
    if (strcmp(*name, key) == 0)
      return true;
  return false;
}

static dyno_status read_kind(dyno_trace_kind *kind, const place *at, dyno_error *error)
{
  char field[DYNO_JSON_FIELD];
  const char *name = json_string_value(json_object_get(at->object, "kind"));
  dyno_json_field(field, at->parent, "kind");
  for (*kind = 0; *kind < DYNO_TRACE_KIND_COUNT; (*kind)++)
    if (name != NULL && strcmp(name, kind_names[*kind]) == 0)
      return DYNO_OK;
  return dyno_json_bad(at->file, name != NULL ? field : at->parent, error,
                       "a kind is wanted: chat, documents, edits or one-shots");
}

static dyno_status read_lengths(dyno_trace_source *source, const place *at, dyno_error *error)
{
  const struct {
    const char *key;
    dyno_trace_range *range;
    uint32_t least;
  } lengths[] = {
      {"system_tokens", &source->system, 0}, {"body_tokens", &source->body, 1},
      {"edit_tokens", &source->edit, 1},     {"question_tokens", &source->question, 1},
      {"answer_tokens", &source->answer, 1},
  };
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths && status == DYNO_OK; i++)
    if (has_key(source->kind, lengths[i].key) &&
        (lengths[i].least > 0 || json_object_get(at->object, lengths[i].key) != NULL))
      status = read_range(lengths[i].range, at, lengths[i].key, lengths[i].least, error);
  return status;
}

static dyno_status read_source(dyno_trace_source *source, const place *at, size_t context,
                               dyno_error *error)
{
  uint64_t things = 1, turns = 1;
  *source = (dyno_trace_source){0};
  if (!json_is_object(at->object))
    return dyno_json_bad(at->file, at->parent, error, "an object with a kind is wanted");
  dyno_status status = read_kind(&source->kind, at, error);
  if (status == DYNO_OK)
    status = dyno_json_check_keys((json_t *)at->object, at->parent, source_keys[source->kind],
                                  at->file, error);
  if (status == DYNO_OK)
    status = read_real(&source->share, at, "share", 1e-6, most_share, error);
  if (status == DYNO_OK && has_key(source->kind, "things"))
    status = read_whole(&things, at, "things", 1, DYNO_TRACE_MOST_THINGS, error);
  if (status == DYNO_OK && has_key(source->kind, "zipf"))
    status = read_real(&source->zipf, at, "zipf", 0, most_zipf, error);
  if (status == DYNO_OK && has_key(source->kind, "turns"))
    status = read_whole(&turns, at, "turns", 1, 10000, error);
  if (status == DYNO_OK)
    status = read_lengths(source, at, error);
  source->things = (uint32_t)things;
  source->turns = (uint32_t)turns;
  size_t longest =
      (size_t)source->system.most + source->body.most + source->question.most + source->answer.most;
  if (status == DYNO_OK && longest > context)
    return dyno_json_bad(at->file, at->parent, error,
                         "a request and its answer may have %zu tokens: the context is %zu",
                         longest, context);
  if (status == DYNO_OK && source->edit.most > source->body.least &&
      source->kind == DYNO_TRACE_EDITS)
    return dyno_json_bad(at->file, at->parent, error, "edit_tokens may be more than the file has");
  return status;
}

static dyno_status read_sources(dyno_trace *trace, const place *root, dyno_error *error)
{
  const json_t *list = json_object_get(root->object, "sources");
  size_t count = json_array_size(list);
  if (list == NULL)
    return missing(root, "sources", "a list", error);
  if (!json_is_array(list) || count == 0 || count > DYNO_TRACE_MOST_SOURCES)
    return dyno_json_bad(root->file, "sources", error, "a list of 1 to %d sources is wanted",
                         DYNO_TRACE_MOST_SOURCES);
  trace->sources = calloc(count, sizeof *trace->sources);
  if (trace->sources == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", root->file->path);
  trace->source_count = count;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    char parent[DYNO_JSON_FIELD];
    snprintf(parent, sizeof parent, "sources[%zu]", i);
    const place at = {root->file, json_array_get(list, i), parent};
    status = read_source(&trace->sources[i], &at, trace->context, error);
  }
  return status;
}

static dyno_status read_name(char **name, const place *at, dyno_error *error)
{
  dyno_status status = read_text(name, at, "name", NULL, error);
  if (status != DYNO_OK)
    return status;
  size_t length = strlen(*name);
  if (length > NAME_LENGTH || strspn(*name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != length)
    return dyno_json_bad(at->file, "name", error,
                         "'%.80s': up to %d letters a to z, digits, - and _ are wanted", *name,
                         NAME_LENGTH);
  return DYNO_OK;
}

static dyno_status check_schema(const place *at, dyno_error *error)
{
  const char *schema = json_string_value(json_object_get(at->object, "schema"));
  if (!json_is_object(at->object) || schema == NULL)
    return dyno_json_bad(at->file, "", error,
                         "an object with \"schema\": \"" DYNO_TRACE_SCHEMA "\" is wanted");
  return strcmp(schema, DYNO_TRACE_SCHEMA) == 0
             ? DYNO_OK
             : dyno_json_bad(at->file, "schema", error,
                             "'%.80s': this dyno reads " DYNO_TRACE_SCHEMA, schema);
}

static dyno_status read_fields(dyno_trace *trace, const place *at, dyno_error *error)
{
  static const char *const keys[] = {"schema",  "name",       "title",   "description", "seed",
                                     "context", "token_zipf", "sources", "requests",    NULL};
  uint64_t requests = 0, context = 0;
  dyno_status status = check_schema(at, error);
  if (status == DYNO_OK)
    status = dyno_json_check_keys((json_t *)at->object, at->parent, keys, at->file, error);
  if (status == DYNO_OK)
    status = read_name(&trace->name, at, error);
  if (status == DYNO_OK)
    status = read_text(&trace->title, at, "title", trace->name, error);
  if (status == DYNO_OK)
    status = read_text(&trace->description, at, "description", "", error);
  if (status == DYNO_OK)
    status = read_whole(&trace->seed, at, "seed", 0, INT64_MAX, error);
  if (status == DYNO_OK)
    status = read_whole(&requests, at, "requests", 1, DYNO_TRACE_MOST_REQUESTS, error);
  if (status == DYNO_OK)
    status = read_whole(&context, at, "context", 2, DYNO_TRACE_MOST_TOKENS, error);
  if (status == DYNO_OK)
    status = read_real(&trace->token_zipf, at, "token_zipf", 0, most_zipf, error);
  trace->requests = (size_t)requests;
  trace->context = (size_t)context;
  return status == DYNO_OK ? read_sources(trace, at, error) : status;
}

static dyno_status parse(dyno_trace *trace, const dyno_json_source *file, dyno_error *error)
{
  json_error_t reason;
  *trace = (dyno_trace){.file = strdup(file->path), .hash = XXH3_64bits(file->text, file->count)};
  if (trace->file == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", file->path);
  json_t *root = json_loadb(file->text, file->count, JSON_REJECT_DUPLICATES, &reason);
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %d: %s", file->path, reason.line,
                     reason.text);
  dyno_status status = read_fields(trace, &(const place){file, root, ""}, error);
  json_decref(root);
  return status;
}

dyno_status dyno_trace_read(dyno_trace *trace, const char *path, dyno_error *error)
{
  char *text;
  size_t count;
  *trace = (dyno_trace){0};
  dyno_status status = dyno_file_read(&text, &count, path, MOST_FILE_BYTES, error);
  if (status != DYNO_OK)
    return status;
  status = parse(trace, &(const dyno_json_source){path, text, count}, error);
  free(text);
  if (status != DYNO_OK)
    dyno_trace_free(trace);
  return status;
}

void dyno_trace_free(dyno_trace *trace)
{
  free(trace->name);
  free(trace->title);
  free(trace->description);
  free(trace->sources);
  free(trace->file);
  *trace = (dyno_trace){0};
}
