#include "harness/measure/shapes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_FILE = 1 << 20, LONGEST_LINE = 512 };

static const char blanks[] = " \t\r";
static const char label_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

void dyno_shapes_free(dyno_shapes *shapes)
{
  free(shapes->items);
  *shapes = (dyno_shapes){0};
}

static dyno_status append(dyno_shapes *shapes, const dyno_shape *shape, dyno_error *error)
{
  /* Powers of two: the room is never stored, only reached. */
  if ((shapes->count & (shapes->count - 1)) == 0) {
    size_t room = shapes->count == 0 ? 1 : 2 * shapes->count;
    dyno_shape *longer = realloc(shapes->items, room * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu shapes", room);
    shapes->items = longer;
  }
  shapes->items[shapes->count++] = *shape;
  return DYNO_OK;
}

dyno_status dyno_shapes_add(dyno_shapes *shapes, const char *label, const dyno_problem *problem,
                            dyno_error *error)
{
  dyno_shape shape = {.problem = *problem};
  snprintf(shape.label, sizeof shape.label, "%s", label);
  return append(shapes, &shape, error);
}

/* Takes "label:" off the front of line; label is "" when there is none. */
static dyno_status take_label(char label[DYNO_SHAPE_LABEL], const char **line, dyno_error *error)
{
  size_t word = strcspn(*line, " \t\r=");
  const char *colon = memchr(*line, ':', word);
  label[0] = '\0';
  if (colon == NULL)
    return DYNO_OK;
  size_t length = (size_t)(colon - *line);
  if (length == 0 || length >= DYNO_SHAPE_LABEL || strspn(*line, label_letters) < length)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "\"%.*s\": a label is 1 to %d letters, digits, '_', '.' or '-'",
                     (int)(length < 64 ? length : 64), *line, DYNO_SHAPE_LABEL - 1);
  memcpy(label, *line, length);
  label[length] = '\0';
  *line = colon + 1;
  return DYNO_OK;
}

/* One line without its comment and its end; blank lines add nothing. */
static dyno_status parse_line(dyno_shapes *shapes, const char *line, unsigned number,
                              dyno_error *error)
{
  dyno_shape shape = {.line = number};
  line += strspn(line, blanks);
  if (*line == '\0')
    return DYNO_OK;
  dyno_status status = take_label(shape.label, &line, error);
  if (status == DYNO_OK)
    status = dyno_problem_parse(&shape.problem, line, error);
  if (status == DYNO_OK)
    status = dyno_problem_check(&shape.problem, error);
  return status == DYNO_OK ? append(shapes, &shape, error) : status;
}

dyno_status dyno_shapes_parse(dyno_shapes *shapes, const char *name, const char *text, size_t bytes,
                              dyno_error *error)
{
  *shapes = (dyno_shapes){0};
  dyno_status status = DYNO_OK;
  unsigned number = 0;
  for (size_t at = 0; at < bytes && status == DYNO_OK;) {
    const char *end = memchr(text + at, '\n', bytes - at);
    size_t length = end == NULL ? bytes - at : (size_t)(end - (text + at));
    const char *comment = memchr(text + at, '#', length);
    size_t used = comment == NULL ? length : (size_t)(comment - (text + at));
    char line[LONGEST_LINE];
    number++;
    if (memchr(text + at, '\0', length) != NULL)
      status = dyno_fail(error, DYNO_ERROR_FORMAT, "a NUL byte: this is no text");
    else if (used >= sizeof line)
      status =
          dyno_fail(error, DYNO_ERROR_FORMAT, "the line is longer than %d bytes", LONGEST_LINE - 1);
    if (status == DYNO_OK) {
      memcpy(line, text + at, used);
      line[used] = '\0';
      status = parse_line(shapes, line, number, error);
    }
    at += length + 1;
  }
  if (status == DYNO_OK && shapes->count == 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: there is no problem in it", name);
  if (status == DYNO_OK)
    return DYNO_OK;
  dyno_shapes_free(shapes);
  if (status == DYNO_ERROR_USAGE) {
    status = DYNO_ERROR_FORMAT;
    if (error != NULL)
      error->status = status;
  }
  dyno_error_prepend(error, "%s:%u", name, number);
  return status;
}

/* The whole file, in memory that the caller frees. */
static dyno_status read_file(char **text, size_t *bytes, const char *path, dyno_error *error)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO, "shapes %s: %s",
                     path, strerror(errno));
  dyno_status status = DYNO_OK;
  *text = malloc(LARGEST_FILE + 1);
  *bytes = *text == NULL ? 0 : fread(*text, 1, LARGEST_FILE + 1, file);
  if (*text == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "shapes %s: out of memory", path);
  else if (ferror(file))
    status = dyno_fail(error, DYNO_ERROR_IO, "shapes %s: %s", path, strerror(errno));
  else if (*bytes > LARGEST_FILE)
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "shapes %s: larger than 1 MiB", path);
  fclose(file);
  return status;
}

dyno_status dyno_shapes_load(dyno_shapes *shapes, const char *source, dyno_error *error)
{
  *shapes = (dyno_shapes){0};
  for (const dyno_builtin_shapes *file = dyno_builtin_shapes_list; file->name != NULL; file++)
    if (strcmp(file->name, source) == 0)
      return dyno_shapes_parse(shapes, source, file->text, strlen(file->text), error);
  char *text = NULL;
  size_t bytes = 0;
  dyno_status status = read_file(&text, &bytes, source, error);
  if (status == DYNO_OK)
    status = dyno_shapes_parse(shapes, source, text, bytes, error);
  free(text);
  return status;
}
