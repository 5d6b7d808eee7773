/* The header of one safetensors file. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/checked.h"
#include "runtime/model/json_file.h"
#include "runtime/model/safetensors_internal.h"

enum { LENGTH_BYTES = 8 };

static const dyno_safetensors_type types[] = {
    {"F32", 4, DYNO_F32},      {"F16", 2, DYNO_F16},      {"BF16", 2, DYNO_BF16},
    {"U8", 1, DYNO_NONE},      {"I8", 1, DYNO_NONE},      {"BOOL", 1, DYNO_NONE},
    {"F8_E5M2", 1, DYNO_NONE}, {"F8_E4M3", 1, DYNO_NONE}, {"F8_E8M0", 1, DYNO_NONE},
    {"I16", 2, DYNO_NONE},     {"U16", 2, DYNO_NONE},     {"I32", 4, DYNO_NONE},
    {"U32", 4, DYNO_NONE},     {"I64", 8, DYNO_NONE},     {"U64", 8, DYNO_NONE},
    {"F64", 8, DYNO_NONE},     {"C64", 8, DYNO_NONE},
};

const dyno_safetensors_type *dyno_safetensors_type_by_name(const char *name)
{
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(types[i].name, name) == 0)
      return &types[i];
  return NULL;
}

/* FORMAT: "FILE: offset 8: header: tensor 'NAME': MESSAGE". */
static dyno_status reject(const char *path, const char *tensor, const char *message,
                          dyno_error *error)
{
  char quoted[DYNO_QUOTED_TEXT];
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: offset 8: header: tensor '%s': %s", path,
                   dyno_span_quote(quoted, dyno_span_of(tensor)), message);
}

static dyno_status parse_shape(dyno_safetensors_tensor *tensor, uint64_t *bytes,
                               const json_t *shape, const char *path, const char *name,
                               dyno_error *error)
{
  size_t rank = json_array_size(shape);
  if (!json_is_array(shape) || rank > DYNO_SAFETENSORS_MAX_RANK)
    return reject(path, name, "shape is no array of at most 8 integers", error);
  tensor->rank = (uint32_t)rank;
  *bytes = tensor->type->bytes;
  for (size_t i = 0; i < rank; i++) {
    const json_t *size = json_array_get(shape, i);
    if (!json_is_integer(size))
      return reject(path, name, "shape holds something that is no integer", error);
    tensor->shape[i] = (uint64_t)json_integer_value(size);
    if (!dyno_checked_multiply(bytes, *bytes, tensor->shape[i]))
      return reject(path, name, "shape is too big", error);
  }
  return DYNO_OK;
}

/* The range in the file, from the one after the header. */
static dyno_status parse_range(dyno_safetensors_tensor *tensor, uint64_t wanted,
                               const json_t *range, const dyno_safetensors_shard *shard,
                               const char *name, dyno_error *error)
{
  const char *path = shard->file.path;
  const json_t *begin = json_array_get(range, 0), *end = json_array_get(range, 1);
  if (json_array_size(range) != 2 || !json_is_integer(begin) || !json_is_integer(end))
    return reject(path, name, "data_offsets is no array of two integers", error);
  uint64_t from = (uint64_t)json_integer_value(begin), to = (uint64_t)json_integer_value(end);
  if (from > to || to - from != wanted) {
    char message[160];
    snprintf(message, sizeof message,
             "data_offsets %" PRIu64 " to %" PRIu64 " do not span the %" PRIu64
             " bytes of its shape and dtype",
             from, to, wanted);
    return reject(path, name, message, error);
  }
  if (!dyno_extent_fits(shard->data_offset, from, wanted, shard->file.size)) {
    char message[160];
    snprintf(message, sizeof message,
             "data_offsets end at %" PRIu64 ", but the data has %" PRIu64
             " bytes: the file is cut short or damaged; fetch it again",
             to, shard->file.size - shard->data_offset);
    return reject(path, name, message, error);
  }
  tensor->offset = shard->data_offset + from;
  tensor->bytes = wanted;
  tensor->data = shard->file.bytes + tensor->offset;
  return DYNO_OK;
}

static dyno_status parse_tensor(dyno_safetensors_tensor *tensor, const char *name,
                                const json_t *value, const dyno_safetensors_shard *shard,
                                dyno_error *error)
{
  const char *path = shard->file.path;
  if (json_object_size(value) != 3)
    return reject(path, name, "is no object of dtype, shape and data_offsets", error);
  const char *type = json_string_value(json_object_get(value, "dtype"));
  if (type == NULL)
    return reject(path, name, "dtype is no string", error);
  tensor->name = dyno_span_of(name);
  tensor->type = dyno_safetensors_type_by_name(type);
  if (tensor->type == NULL) {
    char quoted[DYNO_QUOTED_TEXT], message[DYNO_QUOTED_TEXT + 40];
    snprintf(message, sizeof message, "dtype '%s' is unknown",
             dyno_span_quote(quoted, dyno_span_of(type)));
    return reject(path, name, message, error);
  }
  uint64_t bytes = 0;
  dyno_status status =
      parse_shape(tensor, &bytes, json_object_get(value, "shape"), path, name, error);
  return status != DYNO_OK ? status
                           : parse_range(tensor, bytes, json_object_get(value, "data_offsets"),
                                         shard, name, error);
}

static dyno_status check_metadata(const json_t *metadata, const char *path, dyno_error *error)
{
  bool good = json_is_object(metadata);
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)metadata, key, value)
    good = good && json_is_string(value);
  return good ? DYNO_OK
              : dyno_fail(error, DYNO_ERROR_FORMAT,
                          "%s: offset 8: header: __metadata__ is no object of strings", path);
}

/* One more than needed, so that there is an array even for no tensors. */
static bool make_room(dyno_safetensors *tensors, size_t more)
{
  size_t needed = tensors->tensor_count + more + 1;
  if (needed <= tensors->tensor_capacity)
    return true;
  dyno_safetensors_tensor *longer = realloc(tensors->tensors, needed * sizeof *longer);
  if (longer == NULL)
    return false;
  tensors->tensors = longer;
  tensors->tensor_capacity = needed;
  return true;
}

static int compare_offsets(const void *a, const void *b)
{
  const dyno_safetensors_tensor *left = a, *right = b;
  if (left->offset != right->offset)
    return left->offset > right->offset ? 1 : -1;
  return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

/* The ranges follow each other from the first byte of the data to the last. */
static dyno_status check_tiling(dyno_safetensors_tensor *tensors, size_t count,
                                const dyno_safetensors_shard *shard, dyno_error *error)
{
  const char *path = shard->file.path;
  uint64_t expected = shard->data_offset;
  if (count > 0)
    qsort(tensors, count, sizeof *tensors, compare_offsets);
  for (size_t i = 0; i < count; i++) {
    if (tensors[i].offset != expected) {
      char message[160];
      snprintf(message, sizeof message,
               "its data begins at offset %" PRIu64 " of the file where %" PRIu64
               " is due: tensors overlap or leave a gap",
               tensors[i].offset, expected);
      return reject(path, tensors[i].name.bytes, message, error);
    }
    expected += tensors[i].bytes;
  }
  if (expected != shard->file.size)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %" PRIu64 ": no tensor covers the last %" PRIu64 " bytes", path,
                     expected, shard->file.size - expected);
  return DYNO_OK;
}

static dyno_status parse_header(dyno_safetensors_shard *shard, dyno_error *error)
{
  const dyno_mapped_file *file = &shard->file;
  uint64_t length = 0;
  if (file->size < LENGTH_BYTES)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset 0: the header's length takes 8 bytes, but the file has %zu",
                     file->path, file->size);
  memcpy(&length, file->bytes, sizeof length);
  if (length > DYNO_SAFETENSORS_MAX_HEADER)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset 0: the header's length is %" PRIu64
                     "; at most 100 MB are allowed: this is not a safetensors file",
                     file->path, length);
  if (!dyno_extent_fits(LENGTH_BYTES, length, 0, file->size))
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset 0: the header's length is %" PRIu64
                     ", but the file has %zu bytes: it is cut short or damaged; fetch it again",
                     file->path, length, file->size);
  shard->data_offset = LENGTH_BYTES + length;
  return dyno_json_parse(&shard->header, (const char *)file->bytes + LENGTH_BYTES, (size_t)length,
                         true, file->path, LENGTH_BYTES, error);
}

dyno_status dyno_safetensors_read_shard(dyno_safetensors *tensors, size_t index, const char *path,
                                        dyno_error *error)
{
  dyno_safetensors_shard *shard = &tensors->shards[index];
  dyno_status status = dyno_mapped_file_open(&shard->file, path, error);
  if (status == DYNO_OK)
    status = parse_header(shard, error);
  if (status != DYNO_OK)
    return status;
  if (!make_room(tensors, json_object_size(shard->header)))
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);

  size_t first = tensors->tensor_count;
  const char *name;
  json_t *value;
  json_object_foreach (shard->header, name, value) {
    if (strcmp(name, "__metadata__") == 0) {
      status = check_metadata(value, path, error);
    } else {
      dyno_safetensors_tensor *tensor = &tensors->tensors[tensors->tensor_count++];
      *tensor = (dyno_safetensors_tensor){.file = index};
      status = parse_tensor(tensor, name, value, shard, error);
    }
    if (status != DYNO_OK)
      return status;
  }
  return check_tiling(tensors->tensors + first, tensors->tensor_count - first, shard, error);
}
