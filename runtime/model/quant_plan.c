#include "runtime/model/quant_plan.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/model/json_file.h"
#include "runtime/model/safetensors_writer.h"

#define FORMAT "dyno-quantization-plan"
enum { VERSION = 1, MOST_BYTES = 4 << 20 };

static const dyno_tensor *find_tensor(const dyno_checkpoint *checkpoint, const char *name)
{
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    if (strcmp(tensor->name, name) == 0)
      return tensor;
  }
  return NULL;
}

static dyno_status read_tensors(dyno_quant_method *methods, const char *path,
                                const dyno_checkpoint *checkpoint, json_t *tensors,
                                dyno_error *error)
{
  const char *name;
  json_t *value;
  if (!json_is_object(tensors))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: 'tensors', an object, is missing", path);
  json_object_foreach (tensors, name, value) {
    const dyno_tensor *tensor = find_tensor(checkpoint, name);
    dyno_quant_method method = json_is_string(value) ? dyno_quant_parse(json_string_value(value))
                                                     : DYNO_QUANT_METHOD_COUNT;
    if (tensor == NULL || !dyno_quant_role(tensor->role))
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: tensors: '%s': the model has no such matrix that could be lowered",
                       path, name);
    if (method == DYNO_QUANT_METHOD_COUNT)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: tensors: '%s': this is no method", path,
                       name);
    methods[dyno_tensor_index(tensor->role, tensor->layer)] = method;
  }
  return DYNO_OK;
}

static dyno_status check_head(const char *path, const dyno_checkpoint *checkpoint,
                              const json_t *root, dyno_error *error)
{
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  const char *format = json_string_value(json_object_get(root, "format"));
  const char *made_for = json_string_value(json_object_get(root, "model_hash"));
  dyno_checkpoint_hash(checkpoint, hash);
  if (format == NULL || strcmp(format, FORMAT) != 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: this is no plan: 'format' is not \"" FORMAT "\"", path);
  if (json_integer_value(json_object_get(root, "version")) != VERSION)
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "%s: this plan is not of version %d: make it anew", path, VERSION);
  if (made_for == NULL || strcmp(made_for, hash) != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: this plan was made for another model (%s, not %s): make one for %s", path,
                     made_for != NULL ? made_for : "no hash", hash,
                     dyno_checkpoint_path(checkpoint));
  return DYNO_OK;
}

dyno_status dyno_quant_plan_read(dyno_quant_method **methods, const char *path,
                                 const dyno_checkpoint *checkpoint, dyno_error *error)
{
  json_t *root = NULL;
  *methods = NULL;
  dyno_status status = dyno_json_load(&root, path, MOST_BYTES, error);
  if (status == DYNO_OK)
    status = check_head(path, checkpoint, root, error);
  if (status == DYNO_OK) {
    *methods = calloc(dyno_checkpoint_tensor_count(checkpoint), sizeof **methods);
    status = *methods != NULL
                 ? read_tensors(*methods, path, checkpoint, json_object_get(root, "tensors"), error)
                 : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  json_decref(root);
  if (status != DYNO_OK) {
    free(*methods);
    *methods = NULL;
  }
  return status;
}

dyno_status dyno_quant_plan_write(const char *path, const dyno_quant_method *methods,
                                  const char *importance, const dyno_checkpoint *checkpoint,
                                  dyno_error *error)
{
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_checkpoint_hash(checkpoint, hash);
  json_t *tensors = json_object();
  json_t *root = json_pack("{s:s, s:i, s:s, s:s*, s:o}", "format", FORMAT, "version", VERSION,
                           "model_hash", hash, "importance", importance, "tensors", tensors);
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++)
    if (methods[i] != DYNO_QUANT_NONE)
      json_object_set_new(tensors, dyno_checkpoint_tensor_at(checkpoint, i)->name,
                          json_string(dyno_quant_get(methods[i])->name));
  dyno_status status = dyno_json_write(path, root, error);
  json_decref(root);
  return status;
}
