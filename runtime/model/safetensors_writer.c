#include "runtime/model/safetensors_writer.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/checked.h"
#include "runtime/model/json_file.h"
#include "runtime/model/tensor_stream.h"

enum { ALIGNMENT = 8, LENGTH_BYTES = 8 };

struct dyno_safetensors_writer {
  char *path;
  json_t *header;
  json_t *metadata;
  uint64_t data_bytes;
  dyno_error declaration; /* the first thing that was wrong with one */
  dyno_tensor_stream stream;
  uint64_t total_bytes;
};

dyno_status dyno_safetensors_writer_new(dyno_safetensors_writer **writer, const char *path,
                                        dyno_error *error)
{
  *writer = calloc(1, sizeof **writer);
  if (*writer != NULL) {
    (*writer)->path = strdup(path);
    (*writer)->header = json_object();
    (*writer)->metadata = json_object();
  }
  if (*writer == NULL || (*writer)->path == NULL || (*writer)->header == NULL ||
      (*writer)->metadata == NULL) {
    dyno_safetensors_writer_free(writer);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  return DYNO_OK;
}

void dyno_safetensors_writer_free(dyno_safetensors_writer **writer)
{
  if (*writer == NULL)
    return;
  dyno_tensor_stream_discard(&(*writer)->stream);
  json_decref((*writer)->header);
  json_decref((*writer)->metadata);
  free((*writer)->path);
  free(*writer);
  *writer = NULL;
}

static void decline(dyno_safetensors_writer *writer, const char *name, const char *reason)
{
  if (writer->declaration.status == DYNO_OK)
    dyno_fail(&writer->declaration, DYNO_ERROR_USAGE, "%s: '%s' %s", writer->path, name, reason);
}

void dyno_safetensors_writer_add_metadata(dyno_safetensors_writer *writer, const char *key,
                                          const char *value)
{
  if (json_object_set_new(writer->metadata, key, json_string(value)) != 0)
    decline(writer, key, "cannot be metadata: it is no UTF-8, or there is no memory");
}

void dyno_safetensors_writer_add_tensor(dyno_safetensors_writer *writer, const char *name,
                                        const char *type, const uint64_t *shape, uint32_t rank)
{
  const dyno_safetensors_type *found = dyno_safetensors_type_by_name(type);
  if (found == NULL || rank > DYNO_SAFETENSORS_MAX_RANK) {
    decline(writer, name, "has a type or rank that safetensors cannot hold");
    return;
  }
  uint64_t bytes = found->bytes, end;
  json_t *dimensions = json_array();
  bool fits = true;
  for (uint32_t i = 0; i < rank; i++) {
    fits = fits && dyno_checked_multiply(&bytes, bytes, shape[i]);
    json_array_append_new(dimensions, json_integer((json_int_t)shape[i]));
  }
  fits = fits && dyno_checked_add(&end, writer->data_bytes, bytes) && end <= INT64_MAX;
  if (!fits || json_object_get(writer->header, name) != NULL) {
    decline(writer, name, "is too big or is there twice");
    json_decref(dimensions);
    return;
  }
  json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", type, "shape", dimensions,
                            "data_offsets", (json_int_t)writer->data_bytes, (json_int_t)end);
  if (entry == NULL || json_object_set_new(writer->header, name, entry) != 0)
    decline(writer, name, "cannot be a tensor: its name is no UTF-8, or there is no memory");
  writer->data_bytes = end;
}

uint64_t dyno_safetensors_writer_bytes(const dyno_safetensors_writer *writer)
{
  return writer->total_bytes;
}

dyno_status dyno_safetensors_writer_begin(dyno_safetensors_writer *writer, dyno_error *error)
{
  if (writer->declaration.status != DYNO_OK)
    return dyno_fail(error, writer->declaration.status, "%s", writer->declaration.message);
  bool good = json_object_size(writer->metadata) == 0 ||
              json_object_set(writer->header, "__metadata__", writer->metadata) == 0;
  char *text = good ? json_dumps(writer->header, JSON_COMPACT) : NULL;
  if (text == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", writer->path);
  /* The header is padded with blanks, so that the data begins aligned. */
  size_t length = strlen(text);
  uint64_t padded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  writer->total_bytes = LENGTH_BYTES + padded + writer->data_bytes;
  dyno_status status = DYNO_OK;
  if (padded > DYNO_SAFETENSORS_MAX_HEADER)
    status = dyno_fail(error, DYNO_ERROR_USAGE,
                       "%s: the header takes %" PRIu64 " bytes; at most 100 MB are allowed",
                       writer->path, padded);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_open(&writer->stream, writer->path, writer->total_bytes, error);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_write(&writer->stream, &padded, sizeof padded, error);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_write(&writer->stream, text, length, error);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_write(&writer->stream, "        ", padded - length, error);
  free(text);
  return status;
}

dyno_status dyno_safetensors_writer_write(dyno_safetensors_writer *writer, const void *bytes,
                                          size_t size, dyno_error *error)
{
  if (size > writer->total_bytes - writer->stream.position)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: the data lacks %" PRIu64 " bytes, and %zu were given", writer->path,
                     writer->total_bytes - writer->stream.position, size);
  return dyno_tensor_stream_write(&writer->stream, bytes, size, error);
}

dyno_status dyno_safetensors_writer_commit(dyno_safetensors_writer *writer, dyno_error *error)
{
  if (writer->stream.position != writer->total_bytes)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: the data lacks %" PRIu64 " bytes", writer->path,
                     writer->total_bytes - writer->stream.position);
  return dyno_tensor_stream_commit(&writer->stream, error);
}

dyno_status dyno_json_write(const char *path, const json_t *object, dyno_error *error)
{
  char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(DYNO_JSON_FLOAT_DIGITS));
  if (text == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  dyno_tensor_stream stream;
  size_t length = strlen(text);
  dyno_status status = dyno_tensor_stream_open(&stream, path, length + 1, error);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_write(&stream, text, length, error);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_write(&stream, "\n", 1, error);
  if (status == DYNO_OK)
    status = dyno_tensor_stream_commit(&stream, error);
  else
    dyno_tensor_stream_discard(&stream);
  free(text);
  return status;
}

dyno_status dyno_safetensors_write_index(const char *path, const char *const *names,
                                         const char *const *files, size_t count,
                                         uint64_t total_bytes, dyno_error *error)
{
  json_t *map = json_object();
  bool good = map != NULL;
  for (size_t i = 0; i < count && good; i++)
    good = json_object_set_new(map, names[i], json_string(files[i])) == 0;
  json_t *index = good ? json_pack("{s:{s:I}, s:O}", "metadata", "total_size",
                                   (json_int_t)total_bytes, "weight_map", map)
                       : NULL;
  json_decref(map);
  if (index == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  dyno_status status = dyno_json_write(path, index, error);
  json_decref(index);
  return status;
}
