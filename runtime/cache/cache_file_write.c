#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "kernels/base/atomic_file.h"
#include "runtime/cache/cache_file_internal.h"

struct dyno_cache_writer {
  dyno_atomic_file file;
  dyno_cache_file_head head; /* index_offset is where the next record goes */
  char identity[DYNO_CACHE_FILE_MOST_IDENTITY];
  dyno_cache_file_entry *entries; /* [room], the first head.count of them used */
  size_t room;
  uint64_t most; /* bytes of the file */
};

/* What is written fails at the latest when it is committed: a stream remembers its errors. */
static void write_head(dyno_cache_writer *writer)
{
  fwrite(&writer->head, sizeof writer->head, 1, writer->file.stream);
  fwrite(writer->identity, writer->head.identity_bytes, 1, writer->file.stream);
}

dyno_status dyno_cache_writer_open(dyno_cache_writer **writer, const char *path,
                                   const char *identity, const dyno_node_shape *shape,
                                   uint64_t most, dyno_error *error)
{
  *writer = NULL;
  size_t size = strlen(identity);
  if (size == 0 || size > DYNO_CACHE_FILE_MOST_IDENTITY || DYNO_CACHE_FILE_HEAD + size > most)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "%s: a cache file of at most %" PRIu64
                     " bytes has no room for an identity of %zu",
                     path, most, size);
  dyno_cache_writer *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  made->most = most < DYNO_CACHE_FILE_MOST_BYTES ? most : DYNO_CACHE_FILE_MOST_BYTES;
  memcpy(made->identity, identity, size);
  made->head = (dyno_cache_file_head){
      .magic = DYNO_CACHE_FILE_MAGIC,
      .version = DYNO_CACHE_FILE_VERSION,
      .identity_bytes = (uint32_t)size,
      .index_offset = DYNO_CACHE_FILE_HEAD + size,
      .layers = (uint32_t)shape->layers,
      .element_bytes = (uint32_t)shape->element_bytes,
      .block_bytes = shape->block_bytes,
  };
  dyno_status status = dyno_atomic_file_open(&made->file, path, error);
  if (status == DYNO_OK)
    write_head(made);
  else
    free(made);
  *writer = status == DYNO_OK ? made : NULL;
  return status;
}

bool dyno_cache_writer_has_room(const dyno_cache_writer *writer, uint64_t bytes)
{
  uint64_t index = (writer->head.count + 1) * sizeof(dyno_cache_file_entry);
  uint64_t used = writer->head.index_offset + index;
  return used <= writer->most && bytes <= writer->most - used;
}

static bool grow(dyno_cache_writer *writer)
{
  if (writer->head.count < writer->room)
    return true;
  size_t room = writer->room > 0 ? 2 * writer->room : 64;
  dyno_cache_file_entry *entries = realloc(writer->entries, room * sizeof *entries);
  if (entries == NULL)
    return false;
  writer->entries = entries;
  writer->room = room;
  return true;
}

dyno_status dyno_cache_writer_add(dyno_cache_writer *writer, const dyno_cache_file_entry *entry,
                                  const uint8_t *bytes, size_t size, dyno_error *error)
{
  if (!grow(writer))
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: index: out of memory", writer->file.path);
  dyno_cache_file_entry *added = &writer->entries[writer->head.count++];
  *added = *entry;
  added->offset = writer->head.index_offset;
  added->bytes = size;
  added->checksum = XXH3_64bits(bytes, size);
  writer->head.index_offset += size;
  fwrite(bytes, size, 1, writer->file.stream);
  return DYNO_OK;
}

dyno_status dyno_cache_writer_commit(dyno_cache_writer **writer, dyno_error *error)
{
  dyno_cache_writer *closing = *writer;
  dyno_cache_file_head *head = &closing->head;
  size_t index_bytes = head->count * sizeof *closing->entries;
  head->file_bytes = head->index_offset + index_bytes;
  head->index_checksum = XXH3_64bits(closing->entries, index_bytes);
  head->checksum = dyno_cache_file_head_checksum(head, closing->identity);
  if (head->count > 0)
    fwrite(closing->entries, sizeof *closing->entries, head->count, closing->file.stream);
  dyno_status status = DYNO_OK;
  if (fseek(closing->file.stream, 0, SEEK_SET) != 0)
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot write it: %s", closing->file.path,
                       strerror(errno));
  if (status == DYNO_OK) {
    write_head(closing);
    status = dyno_atomic_file_commit(&closing->file, error);
  }
  dyno_cache_writer_discard(writer);
  return status;
}

void dyno_cache_writer_discard(dyno_cache_writer **writer)
{
  dyno_cache_writer *closing = *writer;
  if (closing == NULL)
    return;
  dyno_atomic_file_discard(&closing->file);
  free(closing->entries);
  free(closing);
  *writer = NULL;
}
