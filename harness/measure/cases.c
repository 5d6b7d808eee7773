#include "harness/measure/cases.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "harness/measure/json_fields.h"
#include "runtime/text/file.h"

enum { PATH_TEXT = 4096, NAME_LENGTH = 64, DEFAULT_ORDER = 1000 };
enum { MOST_FILE_BYTES = 16 << 20 };

static dyno_status no_memory(const char *path, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
}

/* A name that is fit for a file's name and a command line. */
static dyno_status check_name(const char *name, const char *field, const dyno_json_source *file,
                              dyno_error *error)
{
  size_t length = strlen(name);
  if (length > NAME_LENGTH || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != length)
    return dyno_json_bad(file, field, error,
                         "'%.80s': up to %d letters a to z, digits, - and _ are wanted", name,
                         NAME_LENGTH);
  return DYNO_OK;
}

static dyno_status read_prompt(dyno_testcase_prompt *prompt, json_t *object, const char *parent,
                               const dyno_json_source *file, dyno_error *error)
{
  static const char *const keys[] = {"id", "prompt", "trace", "expected", NULL};
  static const char none[] = "";
  char field[DYNO_JSON_FIELD];
  if (!json_is_object(object))
    return dyno_json_bad(file, parent, error, "an object with id, prompt and trace is wanted");
  dyno_status status = dyno_json_check_keys(object, parent, keys, file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&prompt->id, object, parent, "id", NULL, file, error);
  dyno_json_field(field, parent, "id");
  if (status == DYNO_OK)
    status = check_name(prompt->id, field, file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&prompt->prompt, object, parent, "prompt", NULL, file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&prompt->trace, object, parent, "trace", NULL, file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&prompt->expected, object, parent, "expected", none, file, error);
  if (status == DYNO_OK && prompt->expected == none)
    prompt->expected = NULL;
  return status;
}

static dyno_status read_prompts(dyno_testcase *made, const json_t *root,
                                const dyno_json_source *file, dyno_error *error)
{
  const json_t *list = json_object_get(root, "prompts");
  size_t count = json_array_size(list);
  if (list == NULL)
    return dyno_json_bad(file, "", error, "\"prompts\" is missing: a list is wanted");
  if (!json_is_array(list) || count == 0 || count > DYNO_TESTCASE_MOST_PROMPTS)
    return dyno_json_bad(file, "prompts", error, "a list of 1 to %d prompts is wanted",
                         DYNO_TESTCASE_MOST_PROMPTS);
  made->prompts = calloc(count, sizeof *made->prompts);
  if (made->prompts == NULL)
    return no_memory(file->path, error);
  made->prompt_count = count;
  for (size_t i = 0; i < count; i++) {
    char parent[DYNO_JSON_FIELD], field[DYNO_JSON_FIELD];
    snprintf(parent, sizeof parent, "prompts[%zu]", i);
    dyno_status status =
        read_prompt(&made->prompts[i], json_array_get(list, i), parent, file, error);
    if (status != DYNO_OK)
      return status;
    dyno_json_field(field, parent, "id");
    for (size_t j = 0; j < i; j++)
      if (strcmp(made->prompts[i].id, made->prompts[j].id) == 0)
        return dyno_json_bad(file, field, error, "prompts[%zu] has the id '%s' too", j,
                             made->prompts[i].id);
  }
  return DYNO_OK;
}

static dyno_status read_effort(dyno_effort *effort, const json_t *root,
                               const dyno_json_source *file, dyno_error *error)
{
  const char *name;
  dyno_status status = dyno_json_text(&name, root, "", "effort", "medium", file, error);
  if (status != DYNO_OK)
    return status;
  *effort = dyno_effort_parse(name);
  return *effort != DYNO_EFFORT_COUNT
             ? DYNO_OK
             : dyno_json_bad(file, "effort", error, "'%.80s': low, medium or high is wanted", name);
}

static dyno_status read_fields(dyno_testcase *made, const dyno_json_source *file, dyno_error *error)
{
  static const char *const keys[] = {"schema",      "name",          "title",  "guide",   "order",
                                     "description", "output_tokens", "effort", "prompts", NULL};
  static const long long default_order = DEFAULT_ORDER;
  const char *schema;
  long long order = 0, tokens = 0;
  json_t *root = made->root;
  if (!json_is_object(root))
    return dyno_json_bad(file, "", error, "an object is wanted");
  dyno_status status = dyno_json_text(&schema, root, "", "schema", NULL, file, error);
  if (status == DYNO_OK && strcmp(schema, DYNO_TESTCASE_SCHEMA) != 0)
    return dyno_json_bad(file, "schema", error, "'%.80s': this dyno reads " DYNO_TESTCASE_SCHEMA,
                         schema);
  if (status == DYNO_OK)
    status = dyno_json_check_keys(root, "", keys, file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&made->name, root, "", "name", NULL, file, error);
  if (status == DYNO_OK)
    status = check_name(made->name, "name", file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&made->title, root, "", "title", made->name, file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&made->guide, root, "", "guide", "", file, error);
  if (status == DYNO_OK)
    status = dyno_json_text(&made->description, root, "", "description", "", file, error);
  if (status == DYNO_OK)
    status =
        dyno_json_read_integer(&order, root, "", "order", 0, 1000000, &default_order, file, error);
  if (status == DYNO_OK)
    status = dyno_json_read_integer(&tokens, root, "", "output_tokens", 1,
                                    DYNO_TESTCASE_MOST_TOKENS, NULL, file, error);
  if (status == DYNO_OK)
    status = read_effort(&made->effort, root, file, error);
  if (status == DYNO_OK)
    status = read_prompts(made, root, file, error);
  made->order = (int)order;
  made->output_tokens = (size_t)tokens;
  return status;
}

static void free_case(dyno_testcase *gone)
{
  free(gone->prompts);
  free((char *)gone->file);
  json_decref(gone->root);
}

static dyno_status parse_file(dyno_testcase *made, const dyno_json_source *file, dyno_error *error)
{
  json_error_t reason;
  *made = (dyno_testcase){.hash = XXH3_64bits(file->text, file->count), .file = strdup(file->path)};
  if (made->file == NULL)
    return no_memory(file->path, error);
  made->root = json_loadb(file->text, file->count, JSON_REJECT_DUPLICATES, &reason);
  dyno_status status = made->root != NULL ? read_fields(made, file, error)
                                          : dyno_fail(error, DYNO_ERROR_FORMAT, "%s, line %d: %s",
                                                      file->path, reason.line, reason.text);
  if (status != DYNO_OK)
    free_case(made);
  return status;
}

static dyno_status add_case(dyno_testcases *cases, dyno_testcase *made,
                            const dyno_json_source *file, dyno_error *error)
{
  size_t at = cases->count;
  for (size_t i = 0; i < cases->count; i++)
    if (strcmp(cases->cases[i].name, made->name) == 0)
      return dyno_json_bad(file, "name", error, "'%s' is the name of %s already", made->name,
                           cases->cases[i].file);
  dyno_testcase *longer = realloc(cases->cases, (cases->count + 1) * sizeof *longer);
  if (longer == NULL)
    return no_memory(file->path, error);
  cases->cases = longer;
  while (at > 0 &&
         (longer[at - 1].order > made->order ||
          (longer[at - 1].order == made->order && strcmp(longer[at - 1].name, made->name) > 0))) {
    longer[at] = longer[at - 1];
    at--;
  }
  longer[at] = *made;
  cases->count++;
  return DYNO_OK;
}

static dyno_status read_file(dyno_testcases *cases, const char *path, dyno_error *error)
{
  char *text;
  size_t count;
  dyno_testcase made;
  dyno_status status = dyno_file_read(&text, &count, path, MOST_FILE_BYTES, error);
  if (status != DYNO_OK)
    return status;
  const dyno_json_source file = {path, text, count};
  status = parse_file(&made, &file, error);
  if (status == DYNO_OK) {
    status = add_case(cases, &made, &file, error);
    if (status != DYNO_OK)
      free_case(&made);
  }
  free(text);
  return status;
}

static int is_case_file(const struct dirent *entry)
{
  size_t length = strlen(entry->d_name);
  return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static dyno_status read_folder(dyno_testcases *cases, const char *folder, dyno_error *error)
{
  struct dirent **entries;
  dyno_status status = DYNO_OK;
  int count = scandir(folder, &entries, is_case_file, alphasort);
  if (count < 0)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cases of the benchmark: %s", folder,
                     strerror(errno));
  for (int i = 0; i < count; i++) {
    char path[PATH_TEXT];
    int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    if (status == DYNO_OK && length >= PATH_TEXT)
      status = dyno_fail(error, DYNO_ERROR_USAGE, "%s: the path is too long", folder);
    if (status == DYNO_OK)
      status = read_file(cases, path, error);
    free(entries[i]);
  }
  free(entries);
  if (status == DYNO_OK && count == 0)
    status =
        dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: there are no cases (*.json) in it", folder);
  return status;
}

dyno_status dyno_testcases_read(dyno_testcases *cases, const char *path, dyno_error *error)
{
  struct stat facts;
  if (stat(path, &facts) != 0)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: cases of the benchmark: %s", path, strerror(errno));
  return S_ISDIR(facts.st_mode) ? read_folder(cases, path, error) : read_file(cases, path, error);
}

static bool in_list(const char *list, const char *name)
{
  size_t length = strlen(name);
  for (const char *word = list;; word += strcspn(word, ",") + 1) {
    if (strcspn(word, ",") == length && memcmp(word, name, length) == 0)
      return true;
    if (word[strcspn(word, ",")] == '\0')
      return false;
  }
}

static dyno_status check_list(const dyno_testcases *cases, const char *list, dyno_error *error)
{
  for (const char *word = list;; word += strcspn(word, ",") + 1) {
    size_t length = strcspn(word, ",");
    bool found = false;
    char names[512] = "";
    for (size_t i = 0; i < cases->count; i++) {
      const char *name = cases->cases[i].name;
      size_t used = strlen(names);
      found = found || (strlen(name) == length && memcmp(name, word, length) == 0);
      snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", name);
    }
    if (!found)
      return dyno_fail(error, DYNO_ERROR_USAGE, "there is no case '%.*s'; there are %s",
                       (int)(length < 80 ? length : 80), word, names);
    if (word[length] == '\0')
      return DYNO_OK;
  }
}

dyno_status dyno_testcases_choose(dyno_testcases *cases, const char *list, dyno_error *error)
{
  size_t kept = 0;
  dyno_status status = check_list(cases, list, error);
  if (status != DYNO_OK)
    return status;
  for (size_t i = 0; i < cases->count; i++)
    if (in_list(list, cases->cases[i].name))
      cases->cases[kept++] = cases->cases[i];
    else
      free_case(&cases->cases[i]);
  cases->count = kept;
  return DYNO_OK;
}

void dyno_testcases_free(dyno_testcases *cases)
{
  for (size_t i = 0; i < cases->count; i++)
    free_case(&cases->cases[i]);
  free(cases->cases);
  *cases = (dyno_testcases){0};
}
