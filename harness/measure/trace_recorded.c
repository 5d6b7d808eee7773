/* Requests that were recorded, a line each. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/trace_player_internal.h"

typedef struct recorded {
  dyno_trace_player base;
  FILE *file;
  char *path, *line; /* owned */
  size_t line_room, number;
  size_t vocab, context;
  int32_t *request; /* owned [context] */
  size_t count;     /* of its tokens */
} recorded;

static recorded *recorded_of(dyno_trace_player *player)
{
  return (recorded *)(void *)player;
}

static dyno_status bad(const recorded *r, const char *field, const char *what, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %zu: %s%s%s", r->path, r->number, field,
                   *field != '\0' ? ": " : "", what);
}

static dyno_status take_tokens(recorded *r, const json_t *list, const char *field,
                               dyno_error *error)
{
  if (!json_is_array(list))
    return bad(r, field, "a list of tokens is wanted", error);
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *value = json_array_get(list, i);
    json_int_t token = json_integer_value(value);
    if (!json_is_integer(value) || token < 0 || (uint64_t)token >= r->vocab)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s, line %zu: %s[%zu]: a token from 0 to %zu is wanted", r->path, r->number,
                       field, i, r->vocab - 1);
    if (r->count == r->context)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s, line %zu: %s[%zu]: a request and its answer may have %zu tokens here",
                       r->path, r->number, field, i, r->context);
    r->request[r->count++] = (int32_t)token;
  }
  return DYNO_OK;
}

static dyno_status take_object(recorded *r, json_t *object, size_t *prompt, dyno_error *error)
{
  const char *key;
  json_t *value;
  json_object_foreach (object, key, value)
    if (strcmp(key, "prompt") != 0 && strcmp(key, "answer") != 0)
      return bad(r, key, "there is no such field", error);
  dyno_status status = take_tokens(r, json_object_get(object, "prompt"), "prompt", error);
  *prompt = r->count;
  if (status == DYNO_OK && json_object_get(object, "answer") != NULL)
    status = take_tokens(r, json_object_get(object, "answer"), "answer", error);
  return status;
}

static dyno_status take_line(recorded *r, size_t length, size_t *prompt, dyno_error *error)
{
  json_error_t reason;
  json_t *root = json_loadb(r->line, length, JSON_REJECT_DUPLICATES, &reason);
  if (root == NULL)
    return bad(r, "", reason.text, error);
  dyno_status status;
  r->count = 0;
  if (json_is_object(root)) {
    status = take_object(r, root, prompt, error);
  } else {
    status = take_tokens(r, root, "", error);
    *prompt = r->count;
  }
  json_decref(root);
  return status == DYNO_OK && *prompt == 0 ? bad(r, "", "there is no token in it", error) : status;
}

static dyno_status next_recorded(dyno_trace_player *player, dyno_trace_request *request,
                                 bool *ended, dyno_error *error)
{
  recorded *r = recorded_of(player);
  size_t prompt = 0;
  errno = 0;
  ssize_t length = getline(&r->line, &r->line_room, r->file);
  *ended = length < 0;
  if (length < 0 && errno != 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %s", r->path, strerror(errno));
  if (length < 0)
    return DYNO_OK;
  r->number++;
  dyno_status status = take_line(r, (size_t)length, &prompt, error);
  *request = (dyno_trace_request){
      .tokens = r->request,
      .prompt = prompt,
      .answer = r->count - prompt,
      .thing = r->number - 1,
  };
  return status;
}

static void close_recorded(dyno_trace_player *player)
{
  recorded *r = recorded_of(player);
  if (r->file != NULL)
    fclose(r->file);
  free(r->path);
  free(r->line);
  free(r->request);
  free(r);
}

dyno_status dyno_trace_player_open_recorded(dyno_trace_player **player, const char *path,
                                            size_t vocab, size_t context, dyno_error *error)
{
  recorded *made = calloc(1, sizeof *made);
  *player = NULL;
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  *made = (recorded){
      .base = {next_recorded, close_recorded},
      .path = strdup(path),
      .vocab = vocab,
      .context = context,
      .request = malloc(context * sizeof *made->request),
      .file = fopen(path, "re"),
  };
  int failure = errno;
  dyno_status status = DYNO_OK;
  if (made->path == NULL || made->request == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  else if (made->file == NULL)
    status = dyno_fail(error, failure == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO, "%s: %s",
                       path, strerror(failure));
  *player = &made->base;
  if (status != DYNO_OK)
    dyno_trace_player_close(player);
  return status;
}
