/* Small cache files for tests, and how to change them. */
#ifndef DYNO_TESTS_UNIT_CACHE_FIXTURE_H
#define DYNO_TESTS_UNIT_CACHE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "runtime/cache/cache_file.h"
#include "runtime/cache/cache_file_internal.h"
#include "tests/unit/random.h"

enum { CACHE_LAYERS = 3, CACHE_BLOCK = 512, CACHE_ELEMENT = 2 };

static const dyno_node_shape cache_shape = {CACHE_LAYERS, CACHE_ELEMENT, CACHE_BLOCK, 64};
static const char cache_identity[] = "model 0123456789abcdef\nkv bf16\nwindow 128";

/* Numbers as keys and values are: around zero, of few magnitudes. */
static inline void cache_fill(uint8_t *block, size_t bytes, size_t element_bytes, uint64_t *state)
{
  for (size_t i = 0; i + element_bytes <= bytes; i += element_bytes) {
    float sum = 0;
    for (int k = 0; k < 6; k++)
      sum += random_float(state, -1, 1);
    uint8_t raw[4];
    memcpy(raw, &sum, sizeof raw);
    memcpy(block + i, raw + 4 - element_bytes, element_bytes);
  }
}

/* Record number `index` of a file: its tokens, its blocks, its record. Returns the bytes. */
static inline size_t cache_make_record(uint8_t *bytes, int32_t tokens[64],
                                       uint8_t blocks[CACHE_LAYERS][CACHE_BLOCK], size_t count,
                                       uint64_t seed)
{
  dyno_block_codec *codec;
  dyno_node_writer writer;
  if (dyno_block_codec_open(&codec, CACHE_ELEMENT, CACHE_BLOCK, NULL) != DYNO_OK)
    abort();
  for (size_t i = 0; i < count; i++)
    tokens[i] = (int32_t)random_below(&seed, 200000);
  dyno_node_writer_open(&writer, &cache_shape, bytes, tokens, count);
  for (size_t layer = 0; layer < CACHE_LAYERS; layer++) {
    cache_fill(blocks[layer], CACHE_BLOCK, CACHE_ELEMENT, &seed);
    dyno_node_writer_add(&writer, codec, blocks[layer]);
  }
  dyno_block_codec_close(&codec);
  return writer.size;
}

/* How many tokens record `index` of `count` has: the last ends a sequence. */
static inline size_t cache_record_tokens(size_t index, size_t count)
{
  return index + 1 < count ? 64 : 17;
}

/* A chain of `count` nodes; record i is made with seed i + 1. */
static inline dyno_status cache_write_file(const char *path, size_t count, dyno_error *error)
{
  dyno_cache_writer *writer;
  dyno_status status =
      dyno_cache_writer_open(&writer, path, cache_identity, &cache_shape, UINT64_MAX, error);
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    size_t tokens_count = cache_record_tokens(i, count);
    uint8_t *bytes = malloc(dyno_node_record_most(&cache_shape, tokens_count));
    uint8_t blocks[CACHE_LAYERS][CACHE_BLOCK];
    int32_t tokens[64];
    if (bytes == NULL)
      abort();
    size_t size = cache_make_record(bytes, tokens, blocks, tokens_count, i + 1);
    const dyno_cache_file_entry entry = {
        .key = {i + 1, i + 1},
        .parent = {i, i},
        .count = (uint32_t)tokens_count,
        .depth = (uint32_t)i,
    };
    status = dyno_cache_writer_add(writer, &entry, bytes, size, error);
    free(bytes);
  }
  if (status == DYNO_OK)
    return dyno_cache_writer_commit(&writer, error);
  dyno_cache_writer_discard(&writer);
  return status;
}

/* Makes the checksums of head, index and records right, where there is room for them: without that
 * hardly a change would get past them. */
static inline void cache_seal(uint8_t *bytes, size_t size, bool records)
{
  dyno_cache_file_head head;
  if (size < sizeof head)
    return;
  memcpy(&head, bytes, sizeof head);
  bool has_index = head.index_offset <= size && head.count <= (size - head.index_offset) / 64;
  for (size_t i = 0; records && has_index && i < head.count; i++) {
    dyno_cache_file_entry entry;
    memcpy(&entry, bytes + head.index_offset + 64 * i, sizeof entry);
    if (entry.offset <= size && entry.bytes <= size - entry.offset)
      entry.checksum = XXH3_64bits(bytes + entry.offset, entry.bytes);
    memcpy(bytes + head.index_offset + 64 * i, &entry, sizeof entry);
  }
  if (has_index)
    head.index_checksum = XXH3_64bits(bytes + head.index_offset, head.count * 64);
  if (head.identity_bytes <= size - sizeof head)
    head.checksum = dyno_cache_file_head_checksum(&head, (const char *)bytes + sizeof head);
  memcpy(bytes, &head, sizeof head);
}

#endif
