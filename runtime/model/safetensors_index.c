/* Which files of a folder make up a checkpoint. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/model/json_file.h"
#include "runtime/model/path.h"
#include "runtime/model/safetensors_internal.h"

static const char suffix[] = ".safetensors";
enum { MAX_INDEX_BYTES = 64 << 20, SUFFIX_LENGTH = sizeof suffix - 1 };

static bool has_suffix(const char *name)
{
  size_t length = strlen(name);
  return length > SUFFIX_LENGTH && strcmp(name + length - SUFFIX_LENGTH, suffix) == 0;
}

/* A shard lies in the folder of its index, whatever the index says. */
static bool is_plain_name(const char *name)
{
  return has_suffix(name) && strlen(name) <= 255 && name[0] != '.' && strpbrk(name, "/\\") == NULL;
}

typedef struct list {
  char **names; /* owned */
  size_t count;
} list;

static void free_list(list *names)
{
  for (size_t i = 0; i < names->count; i++)
    free(names->names[i]);
  free(names->names);
  *names = (list){0};
}

static bool append(list *names, const char *name)
{
  char **longer = realloc(names->names, (names->count + 1) * sizeof *longer);
  if (longer == NULL)
    return false;
  names->names = longer;
  char *copy = strdup(name);
  if (copy != NULL)
    longer[names->count++] = copy;
  return copy != NULL;
}

static bool contains(const list *names, const char *name)
{
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->names[i], name) == 0)
      return true;
  return false;
}

static dyno_status list_index(list *names, json_t **map, const char *path, dyno_error *error)
{
  json_t *root;
  dyno_status status = dyno_json_load(&root, path, MAX_INDEX_BYTES, error);
  if (status != DYNO_OK)
    return status;
  *map = json_incref(json_object_get(root, "weight_map"));
  json_decref(root);
  if (!json_is_object(*map) || json_object_size(*map) == 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: weight_map is no object that names each tensor's file", path);
  const char *tensor;
  json_t *value;
  json_object_foreach (*map, tensor, value) {
    const char *name = json_string_value(value);
    char quoted[DYNO_QUOTED_TEXT], quoted_name[DYNO_QUOTED_TEXT];
    if (name == NULL || !is_plain_name(name))
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: weight_map: '%s' should lie in '%s', which is not the name of a "
                       ".safetensors file in the same folder",
                       path, dyno_span_quote(quoted, dyno_span_of(tensor)),
                       dyno_span_quote(quoted_name, dyno_span_of(name != NULL ? name : "?")));
    if (contains(names, name))
      continue;
    if (names->count == DYNO_SAFETENSORS_MAX_SHARDS)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: weight_map: more than %d files", path,
                       DYNO_SAFETENSORS_MAX_SHARDS);
    if (!append(names, name))
      return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  return DYNO_OK;
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static dyno_status list_all(list *names, const char *folder, dyno_error *error)
{
  DIR *directory = opendir(folder);
  if (directory == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: cannot open it: %s", folder, strerror(errno));
  dyno_status status = DYNO_OK;
  const struct dirent *entry;
  while (status == DYNO_OK && (entry = readdir(directory)) != NULL) {
    if (!has_suffix(entry->d_name) || entry->d_name[0] == '.')
      continue;
    if (names->count == DYNO_SAFETENSORS_MAX_SHARDS)
      status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s: more than %d .safetensors files", folder,
                         DYNO_SAFETENSORS_MAX_SHARDS);
    else if (!append(names, entry->d_name))
      status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  }
  closedir(directory);
  if (status == DYNO_OK && names->count == 0)
    status =
        dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: there is no .safetensors file in it", folder);
  if (names->count > 0)
    qsort(names->names, names->count, sizeof *names->names, compare_names);
  return status;
}

static bool exists(const char *folder, const char *name)
{
  char *path = dyno_join_path(folder, name);
  bool found = path != NULL && access(path, F_OK) == 0;
  free(path);
  return found;
}

static dyno_status list_names(list *names, json_t **map, const char *folder, dyno_error *error)
{
  static const char single[] = "model.safetensors";
  if (exists(folder, DYNO_SAFETENSORS_INDEX)) {
    char *path = dyno_join_path(folder, DYNO_SAFETENSORS_INDEX);
    dyno_status status = path != NULL
                             ? list_index(names, map, path, error)
                             : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
    free(path);
    return status;
  }
  if (exists(folder, single))
    return append(names, single) ? DYNO_OK
                                 : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
  return list_all(names, folder, error);
}

dyno_status dyno_safetensors_list_folder(char ***paths, size_t *count, json_t **map,
                                         const char *folder, dyno_error *error)
{
  list names = {0};
  *map = NULL;
  dyno_status status = list_names(&names, map, folder, error);
  for (size_t i = 0; i < names.count && status == DYNO_OK; i++) {
    char *path = dyno_join_path(folder, names.names[i]);
    if (path == NULL) {
      status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
      break;
    }
    free(names.names[i]);
    names.names[i] = path;
  }
  if (status != DYNO_OK) {
    free_list(&names);
    json_decref(*map);
    *map = NULL;
  }
  *paths = names.names;
  *count = names.count;
  return status;
}
