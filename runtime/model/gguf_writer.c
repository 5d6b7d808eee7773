#include "runtime/model/gguf_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The streaming state on the stack, so that the checksum needs no memory. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "kernels/base/checked.h"
#include "runtime/model/byte_buffer.h"
#include "runtime/model/tensor_stream.h"

enum { VERSION = 3, DEFAULT_ALIGNMENT = 32 };

struct dyno_gguf_writer {
  char *path;
  uint64_t alignment;
  uint64_t entry_count, tensor_count;
  dyno_byte_buffer entries; /* as they will be in the file */
  dyno_byte_buffer tensors; /* likewise, from begin() on with the padding behind */
  dyno_byte_buffer sizes;   /* uint64 bytes of each tensor */
  uint64_t data_bytes;      /* of all tensors, each padded */
  dyno_error declaration;   /* the first thing that was wrong with one */
  dyno_tensor_stream stream;
  uint64_t current;      /* tensor being written */
  uint64_t current_left; /* bytes it still lacks */
  uint64_t total_bytes;
  uint64_t head_checksum;
};

dyno_status dyno_gguf_writer_new(dyno_gguf_writer **writer, const char *path, dyno_error *error)
{
  *writer = calloc(1, sizeof **writer);
  char *copy = strdup(path);
  if (*writer == NULL || copy == NULL) {
    free(copy);
    free(*writer);
    *writer = NULL;
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  (*writer)->path = copy;
  (*writer)->alignment = DEFAULT_ALIGNMENT;
  return DYNO_OK;
}

void dyno_gguf_writer_free(dyno_gguf_writer **writer)
{
  if (*writer == NULL)
    return;
  dyno_tensor_stream_discard(&(*writer)->stream);
  dyno_byte_buffer_free(&(*writer)->entries);
  dyno_byte_buffer_free(&(*writer)->tensors);
  dyno_byte_buffer_free(&(*writer)->sizes);
  free((*writer)->path);
  free(*writer);
  *writer = NULL;
}

static void append_string(dyno_byte_buffer *buffer, dyno_span span)
{
  dyno_byte_buffer_append_u64(buffer, span.size);
  dyno_byte_buffer_append(buffer, span.bytes, span.size);
}

static void add_value(dyno_gguf_writer *writer, const char *key, dyno_gguf_value_type type,
                      const void *value, size_t size)
{
  append_string(&writer->entries, dyno_span_of(key));
  dyno_byte_buffer_append_u32(&writer->entries, type);
  dyno_byte_buffer_append(&writer->entries, value, size);
  writer->entry_count++;
}

void dyno_gguf_writer_add_uint32(dyno_gguf_writer *writer, const char *key, uint32_t value)
{
  if (strcmp(key, "general.alignment") == 0)
    writer->alignment = value;
  add_value(writer, key, DYNO_GGUF_UINT32, &value, sizeof value);
}

void dyno_gguf_writer_add_int32(dyno_gguf_writer *writer, const char *key, int32_t value)
{
  add_value(writer, key, DYNO_GGUF_INT32, &value, sizeof value);
}

void dyno_gguf_writer_add_uint64(dyno_gguf_writer *writer, const char *key, uint64_t value)
{
  add_value(writer, key, DYNO_GGUF_UINT64, &value, sizeof value);
}

void dyno_gguf_writer_add_float32(dyno_gguf_writer *writer, const char *key, float value)
{
  add_value(writer, key, DYNO_GGUF_FLOAT32, &value, sizeof value);
}

void dyno_gguf_writer_add_bool(dyno_gguf_writer *writer, const char *key, bool value)
{
  uint8_t byte = value ? 1 : 0;
  add_value(writer, key, DYNO_GGUF_BOOL, &byte, sizeof byte);
}

void dyno_gguf_writer_add_string(dyno_gguf_writer *writer, const char *key, const char *value)
{
  add_value(writer, key, DYNO_GGUF_STRING, NULL, 0);
  append_string(&writer->entries, dyno_span_of(value));
}

static void add_array_head(dyno_gguf_writer *writer, const char *key, dyno_gguf_value_type type,
                           size_t count)
{
  add_value(writer, key, DYNO_GGUF_ARRAY, NULL, 0);
  dyno_byte_buffer_append_u32(&writer->entries, type);
  dyno_byte_buffer_append_u64(&writer->entries, count);
}

void dyno_gguf_writer_add_strings(dyno_gguf_writer *writer, const char *key,
                                  const dyno_span *values, size_t count)
{
  add_array_head(writer, key, DYNO_GGUF_STRING, count);
  for (size_t i = 0; i < count; i++)
    append_string(&writer->entries, values[i]);
}

void dyno_gguf_writer_add_array(dyno_gguf_writer *writer, const char *key,
                                dyno_gguf_value_type type, const void *values, size_t count)
{
  if (dyno_gguf_value_bytes(type) == 0 && writer->declaration.status == DYNO_OK)
    dyno_fail(&writer->declaration, DYNO_ERROR_USAGE,
              "%s: metadata '%s' cannot be an array of values of type %s", writer->path, key,
              dyno_gguf_value_type_name(type));
  add_array_head(writer, key, type, count);
  dyno_byte_buffer_append(&writer->entries, values, count * dyno_gguf_value_bytes(type));
}

void dyno_gguf_writer_copy_entry(dyno_gguf_writer *writer, const dyno_gguf_entry *entry)
{
  append_string(&writer->entries, entry->key);
  if (entry->is_array)
    dyno_byte_buffer_append_u32(&writer->entries, DYNO_GGUF_ARRAY);
  dyno_byte_buffer_append_u32(&writer->entries, entry->type);
  if (entry->is_array)
    dyno_byte_buffer_append_u64(&writer->entries, entry->count);
  dyno_byte_buffer_append(&writer->entries, entry->values, (size_t)dyno_gguf_entry_bytes(entry));
  writer->entry_count++;
}

/* Bytes of a tensor, and of all tensors with this one, or false when it has no such. */
static bool measure(uint64_t *bytes, uint64_t *all, const dyno_gguf_writer *writer,
                    uint32_t type_id, const uint64_t *dims, uint32_t rank)
{
  const dyno_gguf_tensor_type *type = dyno_gguf_tensor_type_by_id(type_id);
  if (type == NULL || rank < 1 || rank > DYNO_GGUF_MAX_RANK || dims[0] % type->block_elements != 0)
    return false;
  uint64_t blocks = dims[0] / type->block_elements, padded;
  for (uint32_t i = 1; i < rank; i++)
    if (!dyno_checked_multiply(&blocks, blocks, dims[i]))
      return false;
  return blocks > 0 && dyno_checked_multiply(bytes, blocks, type->block_bytes) &&
         dyno_checked_round_up(&padded, *bytes, writer->alignment) &&
         dyno_checked_add(all, writer->data_bytes, padded);
}

void dyno_gguf_writer_add_tensor(dyno_gguf_writer *writer, const char *name, uint32_t type_id,
                                 const uint64_t *dims, uint32_t rank)
{
  uint64_t bytes, all;
  if (!measure(&bytes, &all, writer, type_id, dims, rank)) {
    if (writer->declaration.status == DYNO_OK)
      dyno_fail(&writer->declaration, DYNO_ERROR_USAGE,
                "%s: tensor '%s' of type %" PRIu32 " has a type or shape that GGUF cannot hold",
                writer->path, name, type_id);
    return;
  }
  append_string(&writer->tensors, dyno_span_of(name));
  dyno_byte_buffer_append_u32(&writer->tensors, rank);
  dyno_byte_buffer_append(&writer->tensors, dims, rank * sizeof *dims);
  dyno_byte_buffer_append_u32(&writer->tensors, type_id);
  dyno_byte_buffer_append_u64(&writer->tensors, writer->data_bytes);
  dyno_byte_buffer_append_u64(&writer->sizes, bytes);
  writer->data_bytes = all;
  writer->tensor_count++;
}

uint64_t dyno_gguf_writer_bytes(const dyno_gguf_writer *writer)
{
  return writer->total_bytes;
}

static uint64_t tensor_bytes(const dyno_gguf_writer *writer, uint64_t index)
{
  uint64_t bytes;
  memcpy(&bytes, writer->sizes.bytes + index * sizeof bytes, sizeof bytes);
  return bytes;
}

uint64_t dyno_gguf_writer_head_checksum(const dyno_gguf_writer *writer)
{
  return writer->head_checksum;
}

static dyno_status write_head(dyno_gguf_writer *writer, dyno_error *error)
{
  dyno_byte_buffer head = {0};
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  dyno_byte_buffer_append_text(&head, "GGUF");
  dyno_byte_buffer_append_u32(&head, VERSION);
  dyno_byte_buffer_append_u64(&head, writer->tensor_count);
  dyno_byte_buffer_append_u64(&head, writer->entry_count);
  dyno_status status = DYNO_OK;
  if (head.failed)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", writer->path);
  const dyno_byte_buffer *const parts[] = {&head, &writer->entries, &writer->tensors};
  for (size_t i = 0; i < sizeof parts / sizeof *parts && status == DYNO_OK; i++) {
    XXH3_64bits_update(&state, parts[i]->bytes, parts[i]->size);
    status = dyno_tensor_stream_write(&writer->stream, parts[i]->bytes, parts[i]->size, error);
  }
  writer->head_checksum = XXH3_64bits_digest(&state);
  dyno_byte_buffer_free(&head);
  return status;
}

/* Zeros up to where the data begins. */
static void pad_head(dyno_gguf_writer *writer, uint64_t bytes)
{
  static const uint8_t zeros[64];
  for (; bytes > 0; bytes -= bytes < sizeof zeros ? bytes : sizeof zeros)
    dyno_byte_buffer_append(&writer->tensors, zeros, bytes < sizeof zeros ? bytes : sizeof zeros);
}

dyno_status dyno_gguf_writer_begin(dyno_gguf_writer *writer, dyno_error *error)
{
  if (writer->declaration.status != DYNO_OK)
    return dyno_fail(error, writer->declaration.status, "%s", writer->declaration.message);
  if (writer->alignment < 8 || (writer->alignment & (writer->alignment - 1)) != 0)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: alignment %" PRIu64 " is no power of two from 8",
                     writer->path, writer->alignment);
  uint64_t head_bytes = 24 + writer->entries.size + writer->tensors.size, head_end;
  if (!dyno_checked_round_up(&head_end, head_bytes, writer->alignment) ||
      !dyno_checked_add(&writer->total_bytes, head_end, writer->data_bytes))
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: the tensors are too big", writer->path);
  pad_head(writer, head_end - head_bytes);
  if (writer->entries.failed || writer->tensors.failed || writer->sizes.failed)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", writer->path);
  dyno_status status =
      dyno_tensor_stream_open(&writer->stream, writer->path, writer->total_bytes, error);
  if (status == DYNO_OK)
    status = write_head(writer, error);
  if (status == DYNO_OK && writer->tensor_count > 0)
    writer->current_left = tensor_bytes(writer, 0);
  return status;
}

dyno_status dyno_gguf_writer_write(dyno_gguf_writer *writer, const void *bytes, size_t size,
                                   dyno_error *error)
{
  if (size > writer->current_left)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: tensor %" PRIu64 " lacks %" PRIu64 " bytes, and %zu were given",
                     writer->path, writer->current, writer->current_left, size);
  dyno_status status = dyno_tensor_stream_write(&writer->stream, bytes, size, error);
  writer->current_left -= size;
  if (status != DYNO_OK || writer->current_left > 0 || writer->current == writer->tensor_count)
    return status;
  uint64_t end = writer->stream.position;
  end = (end + writer->alignment - 1) & ~(writer->alignment - 1);
  status = dyno_tensor_stream_pad(&writer->stream, end, error);
  writer->current++;
  if (writer->current < writer->tensor_count)
    writer->current_left = tensor_bytes(writer, writer->current);
  return status;
}

dyno_status dyno_gguf_writer_commit(dyno_gguf_writer *writer, dyno_error *error)
{
  if (writer->current < writer->tensor_count)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: tensor %" PRIu64 " of %" PRIu64 " lacks %" PRIu64 " bytes", writer->path,
                     writer->current, writer->tensor_count, writer->current_left);
  return dyno_tensor_stream_commit(&writer->stream, error);
}
