#include "runtime/model/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/model/safetensors_internal.h"

static int compare_tensors(const void *a, const void *b)
{
  const dyno_safetensors_tensor *left = a, *right = b;
  return dyno_span_compare(left->name, right->name);
}

static dyno_status sort_by_name(dyno_safetensors *tensors, dyno_error *error)
{
  if (tensors->tensor_count > 0)
    qsort(tensors->tensors, tensors->tensor_count, sizeof *tensors->tensors, compare_tensors);
  for (size_t i = 1; i < tensors->tensor_count; i++) {
    const dyno_safetensors_tensor *pair = &tensors->tensors[i - 1];
    char quoted[DYNO_QUOTED_TEXT];
    if (compare_tensors(&pair[0], &pair[1]) == 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: tensor '%s' is also in %s",
                       tensors->shards[pair[0].file].file.path,
                       dyno_span_quote(quoted, pair[0].name),
                       tensors->shards[pair[1].file].file.path);
  }
  return DYNO_OK;
}

/* The index names each tensor of each file, in the file where it is, and no others. */
static dyno_status check_index(const dyno_safetensors *tensors, const json_t *map,
                               dyno_error *error)
{
  char quoted[DYNO_QUOTED_TEXT];
  for (size_t i = 0; i < tensors->tensor_count; i++) {
    const dyno_safetensors_tensor *tensor = &tensors->tensors[i];
    const char *path = tensors->shards[tensor->file].file.path;
    const char *named = json_string_value(json_object_get(map, tensor->name.bytes));
    const char *slash = strrchr(path, '/');
    if (named == NULL || strcmp(named, slash != NULL ? slash + 1 : path) != 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: tensor '%s' is in it, but %s says that it is in %s", path,
                       dyno_span_quote(quoted, tensor->name), DYNO_SAFETENSORS_INDEX,
                       named != NULL ? named : "no file");
  }
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)map, name, value)
    if (dyno_safetensors_find(tensors, name) == NULL)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: weight_map: tensor '%s' should be in %s, which does not have it",
                       DYNO_SAFETENSORS_INDEX, dyno_span_quote(quoted, dyno_span_of(name)),
                       json_string_value(value));
  return DYNO_OK;
}

static dyno_status read_files(dyno_safetensors *tensors, char *const *paths, size_t count,
                              const json_t *map, dyno_error *error)
{
  tensors->shards = calloc(count, sizeof *tensors->shards);
  if (tensors->shards == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", paths[0]);
  tensors->shard_count = count;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < count && status == DYNO_OK; i++)
    status = dyno_safetensors_read_shard(tensors, i, paths[i], error);
  if (status == DYNO_OK)
    status = sort_by_name(tensors, error);
  return status == DYNO_OK && map != NULL ? check_index(tensors, map, error) : status;
}

static dyno_status open_folder(dyno_safetensors *tensors, const char *folder, dyno_error *error)
{
  char **paths;
  size_t count;
  json_t *map;
  dyno_status status = dyno_safetensors_list_folder(&paths, &count, &map, folder, error);
  if (status != DYNO_OK)
    return status;
  status = read_files(tensors, paths, count, map, error);
  for (size_t i = 0; i < count; i++)
    free(paths[i]);
  free(paths);
  json_decref(map);
  return status;
}

dyno_status dyno_safetensors_open(dyno_safetensors **tensors, const char *path, dyno_error *error)
{
  *tensors = calloc(1, sizeof **tensors);
  char *copy = strdup(path);
  dyno_status status = DYNO_OK;
  struct stat kind;
  if (*tensors == NULL || copy == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  else if (stat(path, &kind) == 0 && S_ISDIR(kind.st_mode))
    status = open_folder(*tensors, path, error);
  else
    status = read_files(*tensors, &copy, 1, NULL, error);
  free(copy);
  if (status != DYNO_OK)
    dyno_safetensors_close(tensors);
  return status;
}

void dyno_safetensors_close(dyno_safetensors **tensors)
{
  if (*tensors == NULL)
    return;
  for (size_t i = 0; i < (*tensors)->shard_count; i++) {
    json_decref((*tensors)->shards[i].header);
    dyno_mapped_file_close(&(*tensors)->shards[i].file);
  }
  free((*tensors)->shards);
  free((*tensors)->tensors);
  free(*tensors);
  *tensors = NULL;
}

size_t dyno_safetensors_file_count(const dyno_safetensors *tensors)
{
  return tensors->shard_count;
}

const dyno_mapped_file *dyno_safetensors_file(const dyno_safetensors *tensors, size_t index)
{
  return &tensors->shards[index].file;
}

uint64_t dyno_safetensors_data_offset(const dyno_safetensors *tensors, size_t index)
{
  return tensors->shards[index].data_offset;
}

size_t dyno_safetensors_count(const dyno_safetensors *tensors)
{
  return tensors->tensor_count;
}

const dyno_safetensors_tensor *dyno_safetensors_at(const dyno_safetensors *tensors, size_t index)
{
  return &tensors->tensors[index];
}

static int compare_name(const void *name, const void *element)
{
  const dyno_safetensors_tensor *tensor = element;
  return dyno_span_compare(*(const dyno_span *)name, tensor->name);
}

const dyno_safetensors_tensor *dyno_safetensors_find(const dyno_safetensors *tensors,
                                                     const char *name)
{
  dyno_span wanted = dyno_span_of(name);
  return tensors->tensor_count == 0 ? NULL
                                    : bsearch(&wanted, tensors->tensors, tensors->tensor_count,
                                              sizeof *tensors->tensors, compare_name);
}
