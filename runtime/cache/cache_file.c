#include "runtime/cache/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "kernels/base/checked.h"
#include "runtime/cache/cache_file_internal.h"
#include "runtime/model/span.h"

/* Read, not mapped: a file that somebody cuts short meanwhile is then an error like any other. */
struct dyno_cache_file {
  int descriptor;
  char *path;
  uint64_t size;
  dyno_node_shape shape;
  dyno_cache_file_head head;
  dyno_cache_file_entry *entries; /* [head.count] */
};

uint64_t dyno_cache_file_head_checksum(const dyno_cache_file_head *head, const char *identity)
{
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, head, offsetof(dyno_cache_file_head, checksum));
  XXH3_64bits_update(&state, identity, head->identity_bytes);
  return XXH3_64bits_digest(&state);
}

/* The file is not what it says: `field` at `offset`. */
static dyno_status wrong(const dyno_cache_file *file, dyno_status status, uint64_t offset,
                         const char *what, dyno_error *error)
{
  return dyno_fail(error, status, "%s: offset %" PRIu64 ": %s; delete the file to be rid of it",
                   file->path, offset, what);
}

static dyno_status wrong_number(const dyno_cache_file *file, size_t offset, const char *field,
                                uint64_t is, uint64_t wanted, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "%s: offset %zu: %s is %" PRIu64 "; %" PRIu64
                   " is wanted: the file is damaged; delete it to be rid of it",
                   file->path, offset, field, is, wanted);
}

static dyno_status read_at(const dyno_cache_file *file, void *bytes, size_t size, uint64_t offset,
                           dyno_error *error)
{
  for (size_t done = 0; done < size;) {
    ssize_t got =
        pread(file->descriptor, (char *)bytes + done, size - done, (off_t)(offset + done));
    if (got > 0)
      done += (size_t)got;
    else if (got == 0)
      return wrong(file, DYNO_ERROR_FORMAT, offset + done, "the file ends here, too early", error);
    else if (errno != EINTR)
      return dyno_fail(error, DYNO_ERROR_IO, "%s: offset %" PRIu64 ": it cannot be read: %s",
                       file->path, offset + done, strerror(errno));
  }
  return DYNO_OK;
}

static dyno_status open_descriptor(dyno_cache_file *file, dyno_error *error)
{
  struct stat facts;
  file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->descriptor < 0)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: it cannot be opened: %s", file->path, strerror(errno));
  if (fstat(file->descriptor, &facts) != 0 || !S_ISREG(facts.st_mode))
    return dyno_fail(error, DYNO_ERROR_IO, "%s: it is no regular file", file->path);
  file->size = (uint64_t)facts.st_size;
  if (file->size > DYNO_CACHE_FILE_MOST_BYTES)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: %" PRIu64 " bytes; a cache file has at most %" PRIu64, file->path,
                     file->size, DYNO_CACHE_FILE_MOST_BYTES);
  return DYNO_OK;
}

/* The line of a text that begins at `at`, without its end. */
static dyno_span line_at(const char *at, const char *end)
{
  const char *newline = memchr(at, '\n', (size_t)(end - at));
  return (dyno_span){at, (size_t)((newline != NULL ? newline : end) - at)};
}

/* Says which line of the identity is another. */
static dyno_status check_identity(const dyno_cache_file *file, const char *is, size_t size,
                                  const char *wanted, dyno_error *error)
{
  const char *end = is + size, *wanted_end = wanted + strlen(wanted);
  const char *const begin = is;
  while (is < end || wanted < wanted_end) {
    dyno_span line = line_at(is, end), other = line_at(wanted, wanted_end);
    if (!dyno_span_equal(line, other)) {
      char quoted[DYNO_QUOTED_TEXT], quoted_other[DYNO_QUOTED_TEXT];
      return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                       "%s: offset %zu: identity: it was made with '%s', and this run has '%s'",
                       file->path, DYNO_CACHE_FILE_HEAD + (size_t)(is - begin),
                       dyno_span_quote(quoted, line), dyno_span_quote(quoted_other, other));
    }
    is += line.size + (is + line.size < end);
    wanted += other.size + (wanted + other.size < wanted_end);
  }
  return DYNO_OK;
}

static dyno_status check_head(const dyno_cache_file *file, const char *identity, const char *wanted,
                              dyno_error *error)
{
  const dyno_cache_file_head *head = &file->head;
  if (head->checksum != dyno_cache_file_head_checksum(head, identity))
    return wrong(file, DYNO_ERROR_FORMAT, offsetof(dyno_cache_file_head, checksum),
                 "the head does not have its checksum: the file is damaged", error);
  if (head->file_bytes != file->size)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %zu: file size is %" PRIu64 ", and the file has %" PRIu64
                     " bytes: it was %s; delete it to be rid of it",
                     file->path, offsetof(dyno_cache_file_head, file_bytes), head->file_bytes,
                     file->size, file->size < head->file_bytes ? "cut short" : "added to");
  dyno_status status = check_identity(file, identity, head->identity_bytes, wanted, error);
  const struct {
    const char *field;
    size_t offset;
    uint64_t is, wanted;
  } fields[] = {
      {"number of layers", offsetof(dyno_cache_file_head, layers), head->layers,
       file->shape.layers},
      {"bytes of an element", offsetof(dyno_cache_file_head, element_bytes), head->element_bytes,
       file->shape.element_bytes},
      {"bytes of a block", offsetof(dyno_cache_file_head, block_bytes), head->block_bytes,
       file->shape.block_bytes},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields && status == DYNO_OK; i++)
    if (fields[i].is != fields[i].wanted)
      status = wrong_number(file, fields[i].offset, fields[i].field, fields[i].is, fields[i].wanted,
                            error);
  return status;
}

static dyno_status read_head(dyno_cache_file *file, const char *wanted, dyno_error *error)
{
  char identity[DYNO_CACHE_FILE_MOST_IDENTITY];
  dyno_cache_file_head *head = &file->head;
  size_t there = file->size < sizeof *head ? (size_t)file->size : sizeof *head;
  dyno_status status = read_at(file, head, there, 0, error);
  if (status != DYNO_OK)
    return status;
  if (there > 0 && (there < sizeof head->magic || head->magic != DYNO_CACHE_FILE_MAGIC))
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED, "%s: offset 0: it is no cache file",
                     file->path);
  if (there < sizeof *head)
    return wrong(file, DYNO_ERROR_FORMAT, file->size, "the file ends in its head: it was cut short",
                 error);
  if (head->version != DYNO_CACHE_FILE_VERSION)
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "%s: offset %zu: a cache file of version %" PRIu32
                     ", and this dyno reads version %d",
                     file->path, offsetof(dyno_cache_file_head, version), head->version,
                     DYNO_CACHE_FILE_VERSION);
  if (head->identity_bytes == 0 || head->identity_bytes > sizeof identity ||
      head->identity_bytes > file->size - sizeof *head)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %zu: the identity has %" PRIu32 " bytes; 1 to %zu are possible",
                     file->path, offsetof(dyno_cache_file_head, identity_bytes),
                     head->identity_bytes, sizeof identity);
  status = read_at(file, identity, head->identity_bytes, sizeof *head, error);
  return status == DYNO_OK ? check_head(file, identity, wanted, error) : status;
}

/* The records tile what lies between identity and index, in the order of the index. */
static dyno_status check_entry(const dyno_cache_file *file, size_t index, uint64_t *at,
                               dyno_error *error)
{
  const dyno_cache_file_entry *entry = &file->entries[index];
  const dyno_node_shape *shape = &file->shape;
  uint64_t line = file->head.index_offset + index * sizeof *entry;
  if (entry->count == 0 || entry->count > shape->most_tokens)
    return dyno_fail(
        error, DYNO_ERROR_FORMAT,
        "%s: offset %" PRIu64 ": record %zu: %" PRIu32 " tokens; 1 to %zu are possible", file->path,
        line + offsetof(dyno_cache_file_entry, count), index, entry->count, shape->most_tokens);
  if (entry->offset != *at)
    return wrong_number(file, line + offsetof(dyno_cache_file_entry, offset), "offset of a record",
                        entry->offset, *at, error);
  size_t least = dyno_node_record_least(shape, entry->count);
  size_t most = dyno_node_record_most(shape, entry->count);
  if (entry->bytes < least || entry->bytes > most || entry->bytes > file->head.index_offset - *at)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %" PRIu64 ": record %zu: %" PRIu64
                     " bytes; %zu to %zu are possible, and %" PRIu64 " are left",
                     file->path, line + offsetof(dyno_cache_file_entry, bytes), index, entry->bytes,
                     least, most, file->head.index_offset - *at);
  *at += entry->bytes;
  return DYNO_OK;
}

static dyno_status check_entries(const dyno_cache_file *file, dyno_error *error)
{
  const dyno_cache_file_head *head = &file->head;
  if (XXH3_64bits(file->entries, head->count * sizeof *file->entries) != head->index_checksum)
    return wrong(file, DYNO_ERROR_FORMAT, head->index_offset,
                 "the index does not have its checksum: the file is damaged", error);
  uint64_t at = sizeof *head + head->identity_bytes;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < head->count && status == DYNO_OK; i++)
    status = check_entry(file, i, &at, error);
  if (status == DYNO_OK && at != head->index_offset)
    status = wrong_number(file, offsetof(dyno_cache_file_head, index_offset), "offset of the index",
                          head->index_offset, at, error);
  return status;
}

static dyno_status read_index(dyno_cache_file *file, dyno_error *error)
{
  const dyno_cache_file_head *head = &file->head;
  uint64_t first = sizeof *head + head->identity_bytes, bytes;
  if (head->index_offset < first || head->index_offset > file->size)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %zu: the index begins at %" PRIu64 "; %" PRIu64 " to %" PRIu64
                     " are possible",
                     file->path, offsetof(dyno_cache_file_head, index_offset), head->index_offset,
                     first, file->size);
  if (!dyno_checked_multiply(&bytes, head->count, sizeof *file->entries) ||
      bytes != file->size - head->index_offset)
    return dyno_fail(
        error, DYNO_ERROR_FORMAT,
        "%s: offset %zu: %" PRIu64 " records do not make an index of %" PRIu64 " bytes", file->path,
        offsetof(dyno_cache_file_head, count), head->count, file->size - head->index_offset);
  file->entries = malloc(bytes > 0 ? bytes : 1);
  if (file->entries == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: index: out of memory", file->path);
  dyno_status status = read_at(file, file->entries, bytes, head->index_offset, error);
  return status == DYNO_OK ? check_entries(file, error) : status;
}

dyno_status dyno_cache_file_open(dyno_cache_file **file, const char *path, const char *identity,
                                 const dyno_node_shape *shape, dyno_error *error)
{
  *file = NULL;
  dyno_cache_file *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  *made = (dyno_cache_file){.descriptor = -1, .path = strdup(path), .shape = *shape};
  dyno_status status =
      made->path != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  if (status == DYNO_OK)
    status = open_descriptor(made, error);
  if (status == DYNO_OK)
    status = read_head(made, identity, error);
  if (status == DYNO_OK)
    status = read_index(made, error);
  if (status != DYNO_OK)
    dyno_cache_file_close(&made);
  *file = made;
  return status;
}

void dyno_cache_file_close(dyno_cache_file **file)
{
  dyno_cache_file *closing = *file;
  if (closing == NULL)
    return;
  if (closing->descriptor >= 0)
    close(closing->descriptor);
  free(closing->entries);
  free(closing->path);
  free(closing);
  *file = NULL;
}

size_t dyno_cache_file_count(const dyno_cache_file *file)
{
  return file->head.count;
}

const dyno_cache_file_entry *dyno_cache_file_at(const dyno_cache_file *file, size_t index)
{
  return &file->entries[index];
}

dyno_status dyno_cache_file_read(dyno_node_view *view, uint8_t *bytes, const dyno_cache_file *file,
                                 size_t index, dyno_error *error)
{
  const dyno_cache_file_entry *entry = &file->entries[index];
  dyno_status status = read_at(file, bytes, entry->bytes, entry->offset, error);
  if (status != DYNO_OK)
    return status;
  if (XXH3_64bits(bytes, entry->bytes) != entry->checksum)
    return wrong(file, DYNO_ERROR_FORMAT, entry->offset,
                 "the record does not have its checksum: the file is damaged", error);
  status = dyno_node_view_open(view, &file->shape, bytes, entry->bytes, entry->offset, entry->count,
                               error);
  return status == DYNO_OK ? status : dyno_error_prepend(error, "%s", file->path);
}
