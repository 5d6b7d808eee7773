#include "harness/measure/json_line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A place in the text; the text is known to be sound, the ends are checked all the same. */
typedef struct cursor {
  const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
  while (c->at < c->end && strchr(" \t\r\n,:", *c->at) != NULL)
    c->at++;
}

static void skip_string(cursor *c)
{
  for (c->at++; c->at < c->end && *c->at != '"'; c->at++)
    if (*c->at == '\\' && c->at + 1 < c->end)
      c->at++;
  if (c->at < c->end)
    c->at++;
}

/* Behind the value that begins here: brackets are counted, and those in strings are not. */
static void skip_value(cursor *c)
{
  size_t depth = 0;
  do {
    if (*c->at == '"') {
      skip_string(c);
      continue;
    }
    depth += *c->at == '{' || *c->at == '[';
    depth -= depth > 0 && (*c->at == '}' || *c->at == ']');
    c->at++;
  } while (c->at < c->end && (depth > 0 || strchr(",:]} \t\r\n", *c->at) == NULL));
}

/* From the bracket that opens an object to the value of a key; false when there is none. */
static bool enter_key(cursor *c, const char *key, size_t length)
{
  cursor inside = {c->at + 1, c->end};
  for (skip_space(&inside); inside.at < inside.end && *inside.at == '"'; skip_space(&inside)) {
    const char *name = inside.at + 1;
    skip_string(&inside);
    bool found = (size_t)(inside.at - name) == length + 1 && memcmp(name, key, length) == 0;
    skip_space(&inside);
    if (found) {
      *c = inside;
      return true;
    }
    if (inside.at < inside.end)
      skip_value(&inside);
  }
  return false;
}

static bool enter_index(cursor *c, size_t index)
{
  cursor inside = {c->at + 1, c->end};
  skip_space(&inside);
  for (size_t i = 0; i < index && inside.at < inside.end && *inside.at != ']'; i++) {
    skip_value(&inside);
    skip_space(&inside);
  }
  if (inside.at >= inside.end || *inside.at == ']')
    return false;
  *c = inside;
  return true;
}

size_t dyno_json_line(const char *text, size_t count, const char *path)
{
  cursor c = {text, text + count};
  size_t line = 1;
  bool found = true;
  skip_space(&c);
  while (found && *path != '\0' && c.at < c.end) {
    if (*path == '[') {
      char *rest;
      size_t index = strtoul(path + 1, &rest, 10);
      found = *c.at == '[' && enter_index(&c, index);
      path = *rest == ']' ? rest + 1 : rest;
    } else {
      path += *path == '.';
      size_t length = strcspn(path, ".[");
      found = *c.at == '{' && enter_key(&c, path, length);
      path += length;
    }
  }
  for (const char *at = text; at < c.at; at++)
    line += *at == '\n';
  return line;
}
