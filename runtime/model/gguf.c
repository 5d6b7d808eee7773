#include "runtime/model/gguf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/base/checked.h"
#include "runtime/model/gguf_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "GGUF is read in place, so that this needs a little-endian machine");

enum {
  DEFAULT_ALIGNMENT = 32,                   /* docs/gguf.md */
  MIN_ENTRY_BYTES = 8 + 1 + 4 + 1,          /* key length, key, type, value */
  MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* name length, name, rank, a dimension, type, offset */
};

/* Where the parser is. */
typedef struct reader {
  dyno_gguf *gguf;
  uint64_t position;
  uint64_t end;    /* nothing is read beyond */
  char field[200]; /* what is being read, for messages */
  dyno_error *error;
} reader;

__attribute__((format(printf, 2, 3))) static void describe(reader *in, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(in->field, sizeof in->field, format, arguments);
  va_end(arguments);
}

/* FORMAT: "FILE: offset N: FIELD MESSAGE". */
__attribute__((format(printf, 3, 4))) static dyno_status reject(reader *in, uint64_t offset,
                                                                const char *format, ...)
{
  char message[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: offset %" PRIu64 ": %s %s",
                   in->gguf->file.path, offset, in->field, message);
}

static dyno_status out_of_memory(reader *in)
{
  return dyno_fail(in->error, DYNO_ERROR_MEMORY, "%s: out of memory", in->gguf->file.path);
}

/* The next size bytes; NULL, and the error set, when there are not that many. */
static const uint8_t *take(reader *in, uint64_t size)
{
  if (!dyno_extent_fits(in->position, size, 0, in->end)) {
    bool budget = in->end < in->gguf->file.size;
    reject(in, in->position, "takes %" PRIu64 " bytes, but %" PRIu64 " are left%s", size,
           in->end - in->position,
           budget ? " of the 256 MiB that metadata may take"
                  : ": the file is cut short or damaged; fetch it again");
    return NULL;
  }
  const uint8_t *bytes = in->gguf->file.bytes + in->position;
  in->position += size;
  return bytes;
}

static dyno_status take_u32(uint32_t *value, reader *in)
{
  const uint8_t *bytes = take(in, sizeof *value);
  if (bytes == NULL)
    return DYNO_ERROR_FORMAT;
  memcpy(value, bytes, sizeof *value);
  return DYNO_OK;
}

static dyno_status take_u64(uint64_t *value, reader *in)
{
  const uint8_t *bytes = take(in, sizeof *value);
  if (bytes == NULL)
    return DYNO_ERROR_FORMAT;
  *value = dyno_load_u64(bytes);
  return DYNO_OK;
}

static dyno_status take_span(dyno_span *span, reader *in)
{
  uint64_t size;
  if (take_u64(&size, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  const uint8_t *bytes = take(in, size);
  if (bytes == NULL)
    return DYNO_ERROR_FORMAT;
  *span = (dyno_span){(const char *)bytes, (size_t)size};
  return DYNO_OK;
}

/* A name: a string of 1 to limit bytes. */
static dyno_status take_name(dyno_span *name, reader *in, uint64_t limit)
{
  uint64_t start = in->position;
  if (take_span(name, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  if (name->size == 0 || name->size > limit)
    return reject(in, start, "is %zu bytes long; 1 to %" PRIu64 " are allowed", name->size, limit);
  return DYNO_OK;
}

static dyno_status parse_header(reader *in, uint64_t *tensor_count, uint64_t *entry_count)
{
  dyno_gguf *gguf = in->gguf;
  describe(in, "the magic number");
  const uint8_t *magic = take(in, 4);
  if (magic == NULL)
    return DYNO_ERROR_FORMAT;
  if (memcmp(magic, "GGUF", 4) != 0) {
    char quoted[DYNO_QUOTED_TEXT];
    return reject(in, 0, "is '%s', not 'GGUF': this is not a GGUF file",
                  dyno_span_quote(quoted, (dyno_span){(const char *)magic, 4}));
  }
  describe(in, "the version");
  if (take_u32(&gguf->version, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  /* A version is a small number: with its bytes swapped it has its low half empty. */
  if (gguf->version != 0 && (gguf->version & 0xffff) == 0)
    return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                     "%s: offset 4: this is a big-endian GGUF file; only little-endian ones can "
                     "be read: fetch or convert it again for little-endian machines",
                     gguf->file.path);
  if (gguf->version != 2 && gguf->version != 3)
    return dyno_fail(in->error, DYNO_ERROR_UNSUPPORTED,
                     "%s: offset 4: GGUF version %" PRIu32
                     "; versions 2 and 3 can be read: fetch a newer file or convert it again",
                     gguf->file.path, gguf->version);
  describe(in, "the number of tensors");
  if (take_u64(tensor_count, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  describe(in, "the number of metadata entries");
  return take_u64(entry_count, in);
}

/* Steps over an array's strings, so that reading them later needs no checks. */
static dyno_status skip_strings(reader *in, uint64_t count)
{
  for (uint64_t i = 0; i < count; i++) {
    dyno_span span;
    if (take_span(&span, in) != DYNO_OK)
      return DYNO_ERROR_FORMAT;
  }
  return DYNO_OK;
}

static dyno_status check_bools(reader *in, const dyno_gguf_entry *entry)
{
  for (uint64_t i = 0; i < entry->count; i++)
    if (entry->values[i] > 1)
      return reject(in, entry->offset + i, "is a bool and neither 0 nor 1 but %u",
                    entry->values[i]);
  return DYNO_OK;
}

static dyno_status parse_array_head(reader *in, dyno_gguf_entry *entry)
{
  uint64_t start = in->position;
  uint32_t type;
  if (take_u32(&type, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  if (type == DYNO_GGUF_ARRAY)
    return reject(in, start, "is an array of arrays, which no model needs");
  if (type >= DYNO_GGUF_VALUE_TYPE_COUNT)
    return reject(in, start, "is an array of type %" PRIu32 ", which does not exist", type);
  entry->type = (dyno_gguf_value_type)type;
  return take_u64(&entry->count, in);
}

static dyno_status parse_value(reader *in, dyno_gguf_entry *entry)
{
  uint64_t start = in->position;
  uint32_t type;
  if (take_u32(&type, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  if (type >= DYNO_GGUF_VALUE_TYPE_COUNT)
    return reject(in, start, "has type %" PRIu32 ", which does not exist", type);
  entry->type = (dyno_gguf_value_type)type;
  entry->count = 1;
  entry->is_array = type == DYNO_GGUF_ARRAY;
  if (entry->is_array && parse_array_head(in, entry) != DYNO_OK)
    return DYNO_ERROR_FORMAT;

  uint64_t item = entry->type == DYNO_GGUF_STRING ? 8 : dyno_gguf_value_bytes(entry->type), bytes;
  entry->offset = in->position;
  if (!dyno_checked_multiply(&bytes, entry->count, item) ||
      !dyno_extent_fits(in->position, bytes, 0, in->end))
    return reject(in, in->position,
                  "has %" PRIu64 " values of at least %" PRIu64 " bytes, but %" PRIu64
                  " bytes are left",
                  entry->count, item, in->end - in->position);
  entry->values = in->gguf->file.bytes + in->position;
  if (entry->type == DYNO_GGUF_STRING)
    return skip_strings(in, entry->count);
  in->position += bytes;
  return entry->type == DYNO_GGUF_BOOL ? check_bools(in, entry) : DYNO_OK;
}

static int compare_entries(const void *a, const void *b)
{
  const dyno_gguf_entry *const *left = a, *const *right = b;
  return dyno_span_compare((*left)->key, (*right)->key);
}

static dyno_status index_entries(reader *in)
{
  dyno_gguf *gguf = in->gguf;
  for (size_t i = 0; i < gguf->entry_count; i++)
    gguf->entries_by_key[i] = &gguf->entries[i];
  if (gguf->entry_count > 0)
    qsort(gguf->entries_by_key, gguf->entry_count, sizeof *gguf->entries_by_key, compare_entries);
  for (size_t i = 1; i < gguf->entry_count; i++) {
    const dyno_gguf_entry *const *pair = &gguf->entries_by_key[i - 1];
    if (compare_entries(&pair[0], &pair[1]) == 0) {
      char quoted[DYNO_QUOTED_TEXT];
      describe(in, "metadata '%s'", dyno_span_quote(quoted, pair[0]->key));
      return reject(in, pair[0]->offset > pair[1]->offset ? pair[0]->offset : pair[1]->offset,
                    "is there twice");
    }
  }
  return DYNO_OK;
}

static dyno_status check_count(reader *in, uint64_t count, uint64_t limit, uint64_t item_bytes,
                               uint64_t offset)
{
  if (count > limit)
    return reject(in, offset, "is %" PRIu64 "; at most %" PRIu64 " are allowed", count, limit);
  if (count > (in->end - in->position) / item_bytes)
    return reject(in, offset,
                  "is %" PRIu64 ", which takes at least %" PRIu64 " bytes each, but %" PRIu64
                  " bytes are left",
                  count, item_bytes, in->end - in->position);
  return DYNO_OK;
}

static dyno_status parse_entries(reader *in, uint64_t count)
{
  dyno_gguf *gguf = in->gguf;
  describe(in, "the number of metadata entries");
  if (check_count(in, count, DYNO_GGUF_MAX_ENTRIES, MIN_ENTRY_BYTES, 16) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  gguf->entries = calloc((size_t)count + 1, sizeof *gguf->entries);
  gguf->entries_by_key = calloc((size_t)count + 1, sizeof *gguf->entries_by_key);
  if (gguf->entries == NULL || gguf->entries_by_key == NULL)
    return out_of_memory(in);
  for (; gguf->entry_count < count; gguf->entry_count++) {
    dyno_gguf_entry *entry = &gguf->entries[gguf->entry_count];
    describe(in, "the key of metadata entry %zu", gguf->entry_count);
    if (take_name(&entry->key, in, DYNO_GGUF_MAX_KEY_BYTES) != DYNO_OK)
      return DYNO_ERROR_FORMAT;
    char quoted[DYNO_QUOTED_TEXT];
    describe(in, "metadata '%s'", dyno_span_quote(quoted, entry->key));
    if (parse_value(in, entry) != DYNO_OK)
      return DYNO_ERROR_FORMAT;
  }
  return index_entries(in);
}

static dyno_status parse_alignment(reader *in)
{
  static const char key[] = "general.alignment";
  dyno_gguf *gguf = in->gguf;
  gguf->alignment = DEFAULT_ALIGNMENT;
  const dyno_gguf_entry *entry = dyno_gguf_find(gguf, key);
  if (entry == NULL)
    return DYNO_OK;
  dyno_status status = dyno_gguf_get_uint(&gguf->alignment, gguf, key, in->error);
  if (status != DYNO_OK)
    return status;
  uint64_t alignment = gguf->alignment;
  describe(in, "metadata '%s'", key);
  if (alignment < 8 || alignment > DYNO_GGUF_MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
    return reject(in, entry->offset, "is %" PRIu64 "; a power of two from 8 to %u is wanted",
                  alignment, DYNO_GGUF_MAX_ALIGNMENT);
  return DYNO_OK;
}

static dyno_status parse_dims(reader *in, dyno_gguf_tensor *tensor, uint64_t *elements)
{
  uint64_t start = in->position;
  if (take_u32(&tensor->rank, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  if (tensor->rank < 1 || tensor->rank > DYNO_GGUF_MAX_RANK)
    return reject(in, start, "has %" PRIu32 " dimensions; 1 to %d are allowed", tensor->rank,
                  DYNO_GGUF_MAX_RANK);
  *elements = 1;
  for (uint32_t i = 0; i < DYNO_GGUF_MAX_RANK; i++)
    tensor->dims[i] = 1;
  for (uint32_t i = 0; i < tensor->rank; i++) {
    start = in->position;
    if (take_u64(&tensor->dims[i], in) != DYNO_OK)
      return DYNO_ERROR_FORMAT;
    if (tensor->dims[i] == 0)
      return reject(in, start, "has dimension %" PRIu32 " of 0", i);
    if (!dyno_checked_multiply(elements, *elements, tensor->dims[i]))
      return reject(in, start, "has dimension %" PRIu32 " of %" PRIu64 ", which makes it too big",
                    i, tensor->dims[i]);
  }
  return DYNO_OK;
}

/* Name, dimensions, type and offset; the offset is made one in the file by place_tensor, when it
 * is known where the data begins. */
static dyno_status parse_tensor(reader *in, dyno_gguf_tensor *tensor)
{
  describe(in, "the name of tensor %zu", in->gguf->tensor_count);
  if (take_name(&tensor->name, in, DYNO_GGUF_MAX_TENSOR_NAME) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  char quoted[DYNO_QUOTED_TEXT];
  describe(in, "tensor '%s'", dyno_span_quote(quoted, tensor->name));
  uint64_t elements = 0;
  if (parse_dims(in, tensor, &elements) != DYNO_OK)
    return DYNO_ERROR_FORMAT;

  uint64_t start = in->position;
  uint32_t type;
  if (take_u32(&type, in) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  tensor->type = dyno_gguf_tensor_type_by_id(type);
  if (tensor->type == NULL)
    return reject(in, start, "has type %" PRIu32 ", which is unknown", type);
  if (tensor->dims[0] % tensor->type->block_elements != 0)
    return reject(in, start,
                  "has rows of %" PRIu64 " elements, not whole blocks of %" PRIu32 " (%s)",
                  tensor->dims[0], tensor->type->block_elements, tensor->type->name);
  if (!dyno_checked_multiply(&tensor->bytes, elements / tensor->type->block_elements,
                             tensor->type->block_bytes))
    return reject(in, start, "has %" PRIu64 " elements of %s, which is too big", elements,
                  tensor->type->name);
  return take_u64(&tensor->offset, in);
}

static int compare_tensors(const void *a, const void *b)
{
  const dyno_gguf_tensor *const *left = a, *const *right = b;
  return dyno_span_compare((*left)->name, (*right)->name);
}

static int compare_offsets(const void *a, const void *b)
{
  const dyno_gguf_tensor *const *left = a, *const *right = b;
  return ((*left)->offset > (*right)->offset) - ((*left)->offset < (*right)->offset);
}

static dyno_status place_tensors(reader *in)
{
  dyno_gguf *gguf = in->gguf;
  for (size_t i = 0; i < gguf->tensor_count; i++) {
    dyno_gguf_tensor *tensor = &gguf->tensors[i];
    char quoted[DYNO_QUOTED_TEXT];
    describe(in, "tensor '%s'", dyno_span_quote(quoted, tensor->name));
    if (tensor->offset % gguf->alignment != 0)
      return reject(in, gguf->data_offset,
                    "begins %" PRIu64 " bytes on, not at a multiple of the alignment, %" PRIu64,
                    tensor->offset, gguf->alignment);
    uint64_t begin;
    if (!dyno_checked_add(&begin, gguf->data_offset, tensor->offset) ||
        !dyno_extent_fits(begin, tensor->bytes, 0, gguf->file.size))
      return reject(in, gguf->data_offset,
                    "begins %" PRIu64 " bytes on and takes %" PRIu64
                    ", but the file ends at %zu: it is cut short or damaged; fetch it again",
                    tensor->offset, tensor->bytes, gguf->file.size);
    tensor->offset = begin;
    tensor->data = gguf->file.bytes + begin;
  }
  return DYNO_OK;
}

/* Overlaps are found in the order of the offsets, duplicates in the order of the names, and the
 * latter stays for searching. */
static dyno_status index_tensors(reader *in)
{
  dyno_gguf *gguf = in->gguf;
  const dyno_gguf_tensor **sorted = gguf->tensors_by_name;
  size_t count = gguf->tensor_count;
  if (count == 0)
    return DYNO_OK;
  for (size_t i = 0; i < count; i++)
    sorted[i] = &gguf->tensors[i];

  char quoted[DYNO_QUOTED_TEXT], other[DYNO_QUOTED_TEXT];
  qsort(sorted, count, sizeof *sorted, compare_offsets);
  for (size_t i = 1; i < count; i++)
    if (sorted[i]->offset - sorted[i - 1]->offset < sorted[i - 1]->bytes) {
      describe(in, "tensor '%s'", dyno_span_quote(quoted, sorted[i]->name));
      return reject(in, sorted[i]->offset, "overlaps tensor '%s'",
                    dyno_span_quote(other, sorted[i - 1]->name));
    }
  qsort(sorted, count, sizeof *sorted, compare_tensors);
  for (size_t i = 1; i < count; i++)
    if (compare_tensors(&sorted[i - 1], &sorted[i]) == 0) {
      describe(in, "tensor '%s'", dyno_span_quote(quoted, sorted[i]->name));
      return reject(in, sorted[i]->offset, "is there twice");
    }
  return DYNO_OK;
}

static dyno_status parse_tensors(reader *in, uint64_t count)
{
  dyno_gguf *gguf = in->gguf;
  describe(in, "the number of tensors");
  if (check_count(in, count, DYNO_GGUF_MAX_TENSORS, MIN_TENSOR_BYTES, 8) != DYNO_OK)
    return DYNO_ERROR_FORMAT;
  gguf->tensors = calloc((size_t)count + 1, sizeof *gguf->tensors);
  gguf->tensors_by_name = calloc((size_t)count + 1, sizeof *gguf->tensors_by_name);
  if (gguf->tensors == NULL || gguf->tensors_by_name == NULL)
    return out_of_memory(in);
  for (; gguf->tensor_count < count; gguf->tensor_count++)
    if (parse_tensor(in, &gguf->tensors[gguf->tensor_count]) != DYNO_OK)
      return DYNO_ERROR_FORMAT;

  describe(in, "the tensor data");
  if (!dyno_checked_round_up(&gguf->data_offset, in->position, gguf->alignment))
    return reject(in, in->position, "begins beyond any file");
  dyno_status status = place_tensors(in);
  return status != DYNO_OK ? status : index_tensors(in);
}

static dyno_status parse(dyno_gguf *gguf, dyno_error *error)
{
  reader in = {.gguf = gguf, .end = gguf->file.size, .error = error};
  uint64_t tensor_count = 0, entry_count = 0;
  dyno_status status = parse_header(&in, &tensor_count, &entry_count);
  if (status != DYNO_OK)
    return status;
  if (in.end - in.position > DYNO_GGUF_MAX_METADATA_BYTES)
    in.end = in.position + DYNO_GGUF_MAX_METADATA_BYTES;
  status = parse_entries(&in, entry_count);
  if (status == DYNO_OK)
    status = parse_alignment(&in);
  in.end = gguf->file.size;
  return status != DYNO_OK ? status : parse_tensors(&in, tensor_count);
}

dyno_status dyno_gguf_open(dyno_gguf **gguf, const char *path, dyno_error *error)
{
  *gguf = calloc(1, sizeof **gguf);
  if (*gguf == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  dyno_status status = dyno_mapped_file_open(&(*gguf)->file, path, error);
  if (status == DYNO_OK)
    status = parse(*gguf, error);
  if (status != DYNO_OK)
    dyno_gguf_close(gguf);
  return status;
}

void dyno_gguf_close(dyno_gguf **gguf)
{
  if (*gguf == NULL)
    return;
  free((*gguf)->entries);
  free((void *)(*gguf)->entries_by_key);
  free((*gguf)->tensors);
  free((void *)(*gguf)->tensors_by_name);
  dyno_mapped_file_close(&(*gguf)->file);
  free(*gguf);
  *gguf = NULL;
}
