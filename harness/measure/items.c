#include "harness/measure/items.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_TEXT = 4096, NAME_TEXT = 64, MOST_FAMILIES = 64 };

static const char suffix[] = ".jsonl";

static dyno_status bad_line(const char *path, size_t line, const char *what, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %zu: %s", path, line, what);
}

/* Checks a line and makes the item that points into it. */
static dyno_status read_item(dyno_item *item, json_t *object, const char *path, size_t line,
                             dyno_error *error)
{
  json_int_t distance = 0;
  json_t *rule = NULL;
  *item = (dyno_item){0};
  if (json_unpack(object, "{s:s, s:s, s:s, s?I, s?o}", "family", &item->family, "prompt",
                  &item->prompt, "answer", &item->answer, "distance", &distance, "rule",
                  &rule) != 0)
    return bad_line(path, line, "an object with family, prompt and answer as text is wanted",
                    error);
  if (distance < 0)
    return bad_line(path, line, "distance is negative", error);
  if (rule != NULL && !json_is_object(rule))
    return bad_line(path, line, "rule is no object", error);
  item->distance = (size_t)distance;
  item->rule = rule;
  return DYNO_OK;
}

static dyno_status add_item(dyno_items *items, const dyno_item *item, dyno_error *error)
{
  if (items->count == items->capacity) {
    size_t capacity = items->capacity > 0 ? 2 * items->capacity : 256;
    dyno_item *longer = realloc(items->items, capacity * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "held-out items: out of memory");
    items->items = longer;
    items->capacity = capacity;
  }
  items->items[items->count++] = *item;
  return DYNO_OK;
}

static dyno_status parse_lines(json_t *lines, FILE *file, const char *path, dyno_error *error)
{
  char *text = NULL;
  size_t capacity = 0, line = 0;
  dyno_status status = DYNO_OK;
  ssize_t length;
  while (status == DYNO_OK && (length = getline(&text, &capacity, file)) >= 0) {
    json_error_t reason;
    json_t *object = json_loadb(text, (size_t)length, 0, &reason);
    line++;
    if (object == NULL)
      status = bad_line(path, line, reason.text, error);
    else if (json_array_append_new(lines, object) != 0)
      status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  if (status == DYNO_OK && ferror(file) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: %s", path, strerror(errno));
  free(text);
  return status;
}

static dyno_status read_family(dyno_items *items, const char *folder, const char *family,
                               size_t most, dyno_error *error)
{
  char path[PATH_TEXT];
  snprintf(path, sizeof path, "%s/%s%s", folder, family, suffix);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: held-out items of this family: %s", path, strerror(errno));
  json_t *lines = json_array();
  dyno_status status = parse_lines(lines, file, path, error);
  fclose(file);
  size_t count = json_array_size(lines), wanted = most == 0 || most > count ? count : most;
  for (size_t i = 0; i < wanted && status == DYNO_OK; i++) {
    size_t line = i * count / wanted;
    dyno_item item;
    status = read_item(&item, json_array_get(lines, line), path, line + 1, error);
    if (status == DYNO_OK)
      status = add_item(items, &item, error);
  }
  if (json_array_append_new(items->lines, lines) != 0 && status == DYNO_OK)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  return status;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(a, b);
}

static dyno_status list_families(char names[MOST_FAMILIES][NAME_TEXT], size_t *count,
                                 const char *folder, dyno_error *error)
{
  *count = 0;
  DIR *directory = opendir(folder);
  if (directory == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: held-out items: %s", folder, strerror(errno));
  const struct dirent *entry;
  while ((entry = readdir(directory)) != NULL && *count < MOST_FAMILIES) {
    size_t length = strlen(entry->d_name), tail = strlen(suffix);
    if (length > tail && length - tail < NAME_TEXT &&
        strcmp(entry->d_name + length - tail, suffix) == 0)
      snprintf(names[(*count)++], NAME_TEXT, "%.*s", (int)(length - tail), entry->d_name);
  }
  closedir(directory);
  qsort(names, *count, sizeof *names, by_name);
  if (*count == 0)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: there are no held-out items (*%s)", folder,
                     suffix);
  return DYNO_OK;
}

static dyno_status split_families(char names[MOST_FAMILIES][NAME_TEXT], size_t *count,
                                  const char *families, dyno_error *error)
{
  *count = 0;
  for (const char *word = families;; word++) {
    size_t length = strcspn(word, ",");
    if (length == 0 || length >= NAME_TEXT || memchr(word, '/', length) != NULL ||
        *count == MOST_FAMILIES)
      return dyno_fail(error, DYNO_ERROR_USAGE, "'%.80s': a list of families is wanted", families);
    snprintf(names[(*count)++], NAME_TEXT, "%.*s", (int)length, word);
    word += length;
    if (*word == '\0')
      return DYNO_OK;
  }
}

dyno_status dyno_items_read(dyno_items *items, const char *folder, const char *families,
                            size_t most, dyno_error *error)
{
  char names[MOST_FAMILIES][NAME_TEXT];
  size_t count;
  *items = (dyno_items){.lines = json_array()};
  dyno_status status = families != NULL ? split_families(names, &count, families, error)
                                        : list_families(names, &count, folder, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++)
    status = read_family(items, folder, names[i], most, error);
  if (status != DYNO_OK)
    dyno_items_free(items);
  return status;
}

void dyno_items_free(dyno_items *items)
{
  json_decref(items->lines);
  free(items->items);
  *items = (dyno_items){0};
}
