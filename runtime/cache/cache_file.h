/* Compressed nodes of the prefix cache in a file, so that they outlive the process
 * (docs/cache-file.md has the format).
 *
 * A file belongs to one model, with its kernels, and one form of keys and values: the identity,
 * lines of "name value", says which. Any other is refused, and so is a file that is damaged
 * anywhere in its head or its index; what is in a record is checked when it is read. A file appears
 * whole or not at all. */
#ifndef DYNO_RUNTIME_CACHE_CACHE_FILE_H
#define DYNO_RUNTIME_CACHE_CACHE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/cache/node_record.h"

enum {
  DYNO_CACHE_FILE_VERSION = 1,
  DYNO_CACHE_FILE_HEAD = 72,            /* bytes, before the identity */
  DYNO_CACHE_FILE_MOST_IDENTITY = 1024, /* bytes, no NUL */
};

/* A file larger than this is refused. */
#define DYNO_CACHE_FILE_MOST_BYTES ((uint64_t)1 << 40)

/* A line of the index, as it is in the file. */
typedef struct dyno_cache_file_entry {
  uint64_t key[2], parent[2]; /* as in runtime/cache/prefix.h */
  uint64_t offset, bytes;     /* of the record */
  uint32_t count;             /* tokens */
  uint32_t depth;             /* nodes before it */
  uint64_t checksum;          /* XXH3, 64 bits, of the record */
} dyno_cache_file_entry;

typedef struct dyno_cache_file dyno_cache_file;

/* Opens it and reads its index. NOT_FOUND; IO; FORMAT when it is damaged or cut short, or
 * empty; UNSUPPORTED when it is of another version, model or form, or no cache file at all;
 * MEMORY. Every message begins with the
 * path. On failure *file is NULL. */
dyno_status dyno_cache_file_open(dyno_cache_file **file, const char *path, const char *identity,
                                 const dyno_node_shape *shape, dyno_error *error);

/* Sets *file to NULL; NULL is fine. */
void dyno_cache_file_close(dyno_cache_file **file);

size_t dyno_cache_file_count(const dyno_cache_file *file);
const dyno_cache_file_entry *dyno_cache_file_at(const dyno_cache_file *file, size_t index);

/* Reads a record into `bytes`, [entry's bytes], at a multiple of 4, and proves it by its checksum.
 * view refers to it. FORMAT, IO. Any thread. */
dyno_status dyno_cache_file_read(dyno_node_view *view, uint8_t *bytes, const dyno_cache_file *file,
                                 size_t index, dyno_error *error);

typedef struct dyno_cache_writer dyno_cache_writer;

/* Begins a file of at most `most` bytes. USAGE when even the head is larger; IO, MEMORY; then
 * *writer is NULL and nothing is left behind. */
dyno_status dyno_cache_writer_open(dyno_cache_writer **writer, const char *path,
                                   const char *identity, const dyno_node_shape *shape,
                                   uint64_t most, dyno_error *error);

/* Whether a record of so many bytes still fits. */
bool dyno_cache_writer_has_room(const dyno_cache_writer *writer, uint64_t bytes);

/* Appends a record that has room; entry's offset, bytes and checksum are filled in. MEMORY, and the
 * file cannot be finished. A write that fails is told by dyno_cache_writer_commit. */
dyno_status dyno_cache_writer_add(dyno_cache_writer *writer, const dyno_cache_file_entry *entry,
                                  const uint8_t *bytes, size_t size, dyno_error *error);

/* Puts the file in its place. On failure what was there before is as it was. Either way the writer
 * is gone, and *writer NULL. */
dyno_status dyno_cache_writer_commit(dyno_cache_writer **writer, dyno_error *error);

/* Leaves no file. Sets *writer to NULL; NULL is fine. */
void dyno_cache_writer_discard(dyno_cache_writer **writer);

#endif
