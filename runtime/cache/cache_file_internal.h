/* Shared by the reader and the writer of cache files. */
#ifndef DYNO_RUNTIME_CACHE_CACHE_FILE_INTERNAL_H
#define DYNO_RUNTIME_CACHE_CACHE_FILE_INTERNAL_H

#include "runtime/cache/cache_file.h"

#define DYNO_CACHE_FILE_MAGIC UINT64_C(0x31434b4f4e5944ff) /* FF, "DYNOKC1" */

/* The head as it is in the file, little-endian as the machines this runs on are. The identity
 * follows, then the records, then the index, which ends the file. */
typedef struct dyno_cache_file_head {
  uint64_t magic;
  uint32_t version, identity_bytes;
  uint64_t file_bytes;
  uint64_t index_offset, count;
  uint32_t layers, element_bytes;
  uint64_t block_bytes;
  uint64_t index_checksum; /* XXH3, 64 bits */
  uint64_t checksum;       /* of all that precedes it, and the identity */
} dyno_cache_file_head;

_Static_assert(sizeof(dyno_cache_file_head) == DYNO_CACHE_FILE_HEAD, "as documented");
_Static_assert(sizeof(dyno_cache_file_entry) == 64, "as documented");

uint64_t dyno_cache_file_head_checksum(const dyno_cache_file_head *head, const char *identity);

#endif
