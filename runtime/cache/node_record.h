/* A node of the prefix cache (L2) as bytes, in memory and in a cache file: which tokens they are,
 * and their keys and values in all layers, compressed.
 *
 *   i32  the tokens, [count]
 *   u32  bytes of each layer's encoded block, [layers]
 *        the encoded blocks (runtime/cache/block_codec.h), one after the other
 *
 * How many tokens and layers there are is said elsewhere. A record may come from a file, and is not
 * trusted. */
#ifndef DYNO_RUNTIME_CACHE_NODE_RECORD_H
#define DYNO_RUNTIME_CACHE_NODE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/cache/block_codec.h"

/* What the blocks of a cache are like; all its nodes have as many, of one size. */
typedef struct dyno_node_shape {
  size_t layers;
  size_t element_bytes, block_bytes; /* as dyno_block_codec_open takes them */
  size_t most_tokens;                /* of a node */
} dyno_node_shape;

/* Which node it is, as in runtime/cache/prefix.h. */
typedef struct dyno_node_name {
  uint64_t key[2], parent[2];
  uint32_t count; /* tokens */
  uint32_t depth; /* nodes before it */
} dyno_node_name;

/* What a record of `tokens` tokens takes at most, and at least. */
size_t dyno_node_record_most(const dyno_node_shape *shape, size_t tokens);
size_t dyno_node_record_least(const dyno_node_shape *shape, size_t tokens);

/* A record whose parts are known to lie in it. */
typedef struct dyno_node_view {
  const uint8_t *bytes; /* borrowed */
  uint64_t origin;      /* where it begins in its file, for messages */
  size_t count;         /* tokens */
  size_t layers;
} dyno_node_view;

/* Checks that `size` bytes, at a multiple of 4, are a record of so many tokens, 1 to
 * shape->most_tokens: that the parts tile it exactly. FORMAT, with the offset. What is in the
 * blocks is checked when they are restored. */
dyno_status dyno_node_view_open(dyno_node_view *view, const dyno_node_shape *shape,
                                const uint8_t *bytes, size_t size, uint64_t origin, size_t count,
                                dyno_error *error);

bool dyno_node_view_holds(const dyno_node_view *view, const int32_t *tokens, size_t count);

/* Restores the block of one layer. FORMAT, with layer and offset; the block is undefined then.
 * Threads with codecs of their own may restore layers of a record at the same time. */
dyno_status dyno_node_view_restore(const dyno_node_view *view, dyno_block_codec *codec, void *block,
                                   size_t layer, dyno_error *error);

/* Makes a record layer by layer, in ascending order. `bytes` has dyno_node_record_most. */
typedef struct dyno_node_writer {
  uint8_t *bytes; /* borrowed; at a multiple of 4 */
  size_t size;    /* of the record so far; whole when all layers are in */
  size_t count, layer;
} dyno_node_writer;

void dyno_node_writer_open(dyno_node_writer *writer, const dyno_node_shape *shape, uint8_t *bytes,
                           const int32_t *tokens, size_t count);
void dyno_node_writer_add(dyno_node_writer *writer, dyno_block_codec *codec, const void *block);

/* The same by several threads: each layer's block is encoded into a room of its own, by whom it may
 * be, and then they are brought together; sizes, [layers], are what dyno_block_encode returned. In
 * place of all of dyno_node_writer_add. */
uint8_t *dyno_node_writer_room(const dyno_node_writer *writer, const dyno_node_shape *shape,
                               size_t layer);
void dyno_node_writer_gather(dyno_node_writer *writer, const dyno_node_shape *shape,
                             const uint32_t *sizes);

#endif
