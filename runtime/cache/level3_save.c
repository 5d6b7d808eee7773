/* What L2 and L3 hold, into the cache file. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/level3_internal.h"

typedef struct saving {
  dyno_level3 *level3;
  dyno_cache_writer *writer;
  dyno_error *error;
  dyno_status status;
} saving;

/* Nodes of L2, those that others follow first; deep prefixes are no use without their beginning. */
static dyno_prefix_number *nodes_by_depth(const dyno_prefix *prefix, size_t *count)
{
  dyno_prefix_number *order = malloc((prefix->made + 1) * sizeof *order);
  uint32_t deepest = 0;
  *count = 0;
  for (dyno_prefix_number n = 1; n < prefix->made; n++)
    if (prefix->nodes[n].depth > deepest)
      deepest = prefix->nodes[n].depth;
  for (uint32_t depth = 0; order != NULL && depth <= deepest; depth++)
    for (dyno_prefix_number n = 1; n < prefix->made; n++)
      if (prefix->nodes[n].count == DYNO_PREFIX_TOKENS && prefix->nodes[n].depth == depth)
        order[(*count)++] = n;
  return order;
}

static void add(saving *to, const dyno_node_name *name, const uint8_t *bytes, size_t size)
{
  const dyno_cache_file_entry entry = {
      .key = {name->key[0], name->key[1]},
      .parent = {name->parent[0], name->parent[1]},
      .count = name->count,
      .depth = name->depth,
  };
  if (to->status == DYNO_OK && dyno_cache_writer_has_room(to->writer, size))
    to->status = dyno_cache_writer_add(to->writer, &entry, bytes, size, to->error);
}

/* A record as it is; one of the old file that is damaged is told of and left out. */
static void add_record(saving *to, const dyno_compressed_pin *record)
{
  dyno_level3 *level3 = to->level3;
  const uint8_t *bytes = record->bytes;
  if (bytes == NULL && dyno_cache_writer_has_room(to->writer, record->size)) {
    dyno_node_view view;
    dyno_error error = {0};
    bytes = level3->record.data;
    if (dyno_cache_file_read(&view, level3->record.data, record->file, record->index, &error) !=
        DYNO_OK) {
      dyno_level3_tell(level3, error.message);
      return;
    }
  }
  if (bytes != NULL)
    add(to, &record->name, bytes, record->size);
}

/* Layers of a node are compressed by whoever comes first. */
typedef struct compression {
  dyno_level3 *level3;
  const dyno_node_writer *writer;
  atomic_size_t next;
} compression;

static void compress_layers(void *context, unsigned thread, unsigned threads)
{
  compression *in = context;
  dyno_level3 *level3 = in->level3;
  (void)threads;
  for (;;) {
    size_t layer = atomic_fetch_add_explicit(&in->next, 1, memory_order_relaxed);
    if (layer >= level3->shape.layers)
      return;
    uint8_t *room = dyno_node_writer_room(in->writer, &level3->shape, layer);
    level3->sizes[layer] =
        (uint32_t)dyno_block_encode(level3->codecs[thread], room, level3->sources[layer]);
  }
}

static void add_node(saving *to, const dyno_prefix_node *node, const dyno_kv_block *blocks)
{
  dyno_level3 *level3 = to->level3;
  const dyno_prefix *prefix = level3->prefix;
  const dyno_prefix_key parent = prefix->nodes[node->parent].key;
  const dyno_node_name name = {
      {node->key.low, node->key.high}, {parent.low, parent.high}, node->count, node->depth};
  dyno_compressed_pin known;
  if (dyno_compressed_find(level3->store, &known, name.key)) {
    add_record(to, &known);
    dyno_compressed_unpin(level3->store, &known, true); /* written, and not to be met again */
    return;
  }
  dyno_node_writer writer;
  dyno_node_writer_open(&writer, &level3->shape, level3->record.data, node->tokens, node->count);
  for (size_t layer = 0; layer < level3->shape.layers; layer++)
    level3->sources[layer] = dyno_kv_pool_data(prefix->pool, blocks[layer]);
  compression in = {.level3 = level3, .writer = &writer};
  dyno_pool_run(level3->pool, compress_layers, &in);
  dyno_node_writer_gather(&writer, &level3->shape, level3->sizes);
  add(to, &name, writer.bytes, writer.size);
}

static bool visit_record(void *context, const dyno_compressed_pin *record)
{
  saving *to = context;
  add_record(to, record);
  return to->status == DYNO_OK;
}

static bool has_news(const dyno_level3 *level3, const dyno_prefix_number *order, size_t count)
{
  bool news = dyno_compressed_count(level3->store).nodes > 0;
  for (size_t i = 0; i < count && !news; i++) {
    dyno_prefix_key key = level3->prefix->nodes[order[i]].key;
    const uint64_t name[2] = {key.low, key.high};
    news = !dyno_compressed_has(level3->store, name);
  }
  return news;
}

static dyno_status save(dyno_level3 *level3, dyno_error *error)
{
  const dyno_prefix *prefix = level3->prefix;
  const dyno_level3_options *options = &level3->options;
  size_t count;
  dyno_prefix_number *order = nodes_by_depth(prefix, &count);
  if (order == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", options->file);
  saving to = {.level3 = level3, .error = error};
  if (!has_news(level3, order, count)) {
    free(order);
    return DYNO_OK;
  }
  to.status = dyno_cache_writer_open(&to.writer, options->file, options->identity, &level3->shape,
                                     options->most_bytes, error);
  for (size_t i = 0; i < count && to.status == DYNO_OK; i++)
    add_node(&to, &prefix->nodes[order[i]], &prefix->blocks[order[i] * prefix->layers]);
  if (to.status == DYNO_OK)
    dyno_compressed_for_each(level3->store, visit_record, &to);
  free(order);
  if (to.status == DYNO_OK)
    return dyno_cache_writer_commit(&to.writer, error);
  dyno_cache_writer_discard(&to.writer);
  return to.status;
}

void dyno_level3_save(dyno_level3 *level3)
{
  dyno_error error = {0};
  if (level3 == NULL || level3->options.file == NULL || level3->file_is_foreign)
    return;
  dyno_compressor_drain(level3->compressor);
  if (save(level3, &error) != DYNO_OK)
    dyno_level3_tell(level3, error.message);
}
