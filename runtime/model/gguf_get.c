/* What is read out of an opened GGUF file. */
#include <inttypes.h>
#include <stdlib.h>

#include "runtime/model/gguf_internal.h"

const dyno_mapped_file *dyno_gguf_file(const dyno_gguf *gguf)
{
  return &gguf->file;
}

uint32_t dyno_gguf_version(const dyno_gguf *gguf)
{
  return gguf->version;
}

uint64_t dyno_gguf_alignment(const dyno_gguf *gguf)
{
  return gguf->alignment;
}

uint64_t dyno_gguf_data_offset(const dyno_gguf *gguf)
{
  return gguf->data_offset;
}

size_t dyno_gguf_entry_count(const dyno_gguf *gguf)
{
  return gguf->entry_count;
}

const dyno_gguf_entry *dyno_gguf_entry_at(const dyno_gguf *gguf, size_t index)
{
  return &gguf->entries[index];
}

uint64_t dyno_gguf_entry_bytes(const dyno_gguf_entry *entry)
{
  if (entry->type != DYNO_GGUF_STRING)
    return entry->count * dyno_gguf_value_bytes(entry->type);
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < entry->count; i++)
    bytes += 8 + dyno_load_u64(entry->values + bytes);
  return bytes;
}

size_t dyno_gguf_tensor_count(const dyno_gguf *gguf)
{
  return gguf->tensor_count;
}

const dyno_gguf_tensor *dyno_gguf_tensor_at(const dyno_gguf *gguf, size_t index)
{
  return &gguf->tensors[index];
}

static int compare_key(const void *key, const void *element)
{
  const dyno_gguf_entry *const *entry = element;
  return dyno_span_compare(*(const dyno_span *)key, (*entry)->key);
}

const dyno_gguf_entry *dyno_gguf_find(const dyno_gguf *gguf, const char *key)
{
  dyno_span wanted = dyno_span_of(key);
  const dyno_gguf_entry **found = gguf->entry_count == 0
                                      ? NULL
                                      : bsearch(&wanted, gguf->entries_by_key, gguf->entry_count,
                                                sizeof *gguf->entries_by_key, compare_key);
  return found != NULL ? *found : NULL;
}

static int compare_name(const void *name, const void *element)
{
  const dyno_gguf_tensor *const *tensor = element;
  return dyno_span_compare(*(const dyno_span *)name, (*tensor)->name);
}

const dyno_gguf_tensor *dyno_gguf_find_tensor(const dyno_gguf *gguf, const char *name)
{
  dyno_span wanted = dyno_span_of(name);
  const dyno_gguf_tensor **found = gguf->tensor_count == 0
                                       ? NULL
                                       : bsearch(&wanted, gguf->tensors_by_name, gguf->tensor_count,
                                                 sizeof *gguf->tensors_by_name, compare_name);
  return found != NULL ? *found : NULL;
}

static dyno_status wrong_type(const dyno_gguf *gguf, const char *key, const dyno_gguf_entry *entry,
                              const char *wanted, dyno_error *error)
{
  if (entry->is_array)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %" PRIu64 ": metadata '%s' is an array of %" PRIu64
                     " %s; %s is wanted",
                     gguf->file.path, entry->offset, key, entry->count,
                     dyno_gguf_value_type_name(entry->type), wanted);
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "%s: offset %" PRIu64 ": metadata '%s' is a %s; %s is wanted", gguf->file.path,
                   entry->offset, key, dyno_gguf_value_type_name(entry->type), wanted);
}

static dyno_status find(const dyno_gguf_entry **entry, const dyno_gguf *gguf, const char *key,
                        dyno_error *error)
{
  *entry = dyno_gguf_find(gguf, key);
  if (*entry == NULL)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: metadata '%s' is missing", gguf->file.path,
                     key);
  return DYNO_OK;
}

/* A value of any integer type up to int64; false for other types, and for a uint64 beyond it. */
static bool load_integer(int64_t *value, const dyno_gguf_entry *entry, size_t index)
{
  const uint8_t *bytes = entry->values + index * dyno_gguf_value_bytes(entry->type);
  uint64_t wide = 0;
  memcpy(&wide, bytes, dyno_gguf_value_bytes(entry->type));
  switch (entry->type) {
  case DYNO_GGUF_UINT8:
  case DYNO_GGUF_UINT16:
  case DYNO_GGUF_UINT32:
    *value = (int64_t)wide;
    return true;
  case DYNO_GGUF_INT8:
    *value = (int8_t)wide;
    return true;
  case DYNO_GGUF_INT16:
    *value = (int16_t)wide;
    return true;
  case DYNO_GGUF_INT32:
    *value = (int32_t)wide;
    return true;
  case DYNO_GGUF_UINT64:
  case DYNO_GGUF_INT64:
    *value = (int64_t)wide;
    return entry->type == DYNO_GGUF_INT64 || wide <= INT64_MAX;
  default:
    return false;
  }
}

dyno_status dyno_gguf_get_uint(uint64_t *value, const dyno_gguf *gguf, const char *key,
                               dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (!entry->is_array && entry->type == DYNO_GGUF_UINT64) {
    *value = dyno_load_u64(entry->values);
    return DYNO_OK;
  }
  int64_t number;
  if (entry->is_array || !load_integer(&number, entry, 0))
    return wrong_type(gguf, key, entry, "an integer", error);
  if (number < 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %" PRIu64 ": metadata '%s' is %" PRId64
                     "; it must not be negative",
                     gguf->file.path, entry->offset, key, number);
  *value = (uint64_t)number;
  return DYNO_OK;
}

dyno_status dyno_gguf_get_float(double *value, const dyno_gguf *gguf, const char *key,
                                dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (!entry->is_array && entry->type == DYNO_GGUF_FLOAT32) {
    float number;
    memcpy(&number, entry->values, sizeof number);
    *value = (double)number;
    return DYNO_OK;
  }
  if (!entry->is_array && entry->type == DYNO_GGUF_FLOAT64) {
    memcpy(value, entry->values, sizeof *value);
    return DYNO_OK;
  }
  return wrong_type(gguf, key, entry, "a float32 or float64", error);
}

dyno_status dyno_gguf_get_bool(bool *value, const dyno_gguf *gguf, const char *key,
                               dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (entry->is_array || entry->type != DYNO_GGUF_BOOL)
    return wrong_type(gguf, key, entry, "a bool", error);
  *value = entry->values[0] != 0;
  return DYNO_OK;
}

static dyno_span load_string(const uint8_t *bytes)
{
  return (dyno_span){(const char *)bytes + 8, (size_t)dyno_load_u64(bytes)};
}

dyno_status dyno_gguf_get_string(dyno_span *value, const dyno_gguf *gguf, const char *key,
                                 dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (entry->is_array || entry->type != DYNO_GGUF_STRING)
    return wrong_type(gguf, key, entry, "a string", error);
  *value = load_string(entry->values);
  return DYNO_OK;
}

static dyno_status check_count(const dyno_gguf *gguf, const char *key, const dyno_gguf_entry *entry,
                               size_t count, dyno_error *error)
{
  if (entry->count == count)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "%s: offset %" PRIu64 ": metadata '%s' has %" PRIu64 " values; %zu are wanted",
                   gguf->file.path, entry->offset, key, entry->count, count);
}

dyno_status dyno_gguf_get_ints(int64_t *values, size_t count, const dyno_gguf *gguf,
                               const char *key, dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (!entry->is_array)
    return wrong_type(gguf, key, entry, "an array of integers", error);
  dyno_status status = check_count(gguf, key, entry, count, error);
  if (status != DYNO_OK)
    return status;
  for (size_t i = 0; i < count; i++)
    if (!load_integer(&values[i], entry, i))
      return wrong_type(gguf, key, entry, "an array of integers below 2^63", error);
  return DYNO_OK;
}

dyno_status dyno_gguf_get_bools(bool *values, size_t count, const dyno_gguf *gguf, const char *key,
                                dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (!entry->is_array || entry->type != DYNO_GGUF_BOOL)
    return wrong_type(gguf, key, entry, "an array of bools", error);
  dyno_status status = check_count(gguf, key, entry, count, error);
  if (status != DYNO_OK)
    return status;
  for (size_t i = 0; i < count; i++)
    values[i] = entry->values[i] != 0;
  return DYNO_OK;
}

dyno_status dyno_gguf_get_count(size_t *count, const dyno_gguf *gguf, const char *key,
                                dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (!entry->is_array)
    return wrong_type(gguf, key, entry, "an array", error);
  *count = (size_t)entry->count;
  return DYNO_OK;
}

dyno_status dyno_gguf_get_strings(dyno_span **values, size_t *count, const dyno_gguf *gguf,
                                  const char *key, dyno_error *error)
{
  const dyno_gguf_entry *entry;
  if (find(&entry, gguf, key, error) != DYNO_OK)
    return DYNO_ERROR_NOT_FOUND;
  if (!entry->is_array || entry->type != DYNO_GGUF_STRING)
    return wrong_type(gguf, key, entry, "an array of strings", error);
  /* Opening has seen that count strings of 8 bytes and more lie in the metadata, so that this
   * takes at most twice its budget. */
  dyno_span *spans = malloc(((size_t)entry->count + 1) * sizeof *spans);
  if (spans == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", gguf->file.path);
  const uint8_t *bytes = entry->values;
  for (size_t i = 0; i < entry->count; i++) {
    spans[i] = load_string(bytes);
    bytes += 8 + spans[i].size;
  }
  *values = spans;
  *count = (size_t)entry->count;
  return DYNO_OK;
}
