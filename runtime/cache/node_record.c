#include "runtime/cache/node_record.h"

#include <inttypes.h>
#include <string.h>

static size_t tables_bytes(size_t count, size_t layers)
{
  return count * sizeof(int32_t) + layers * sizeof(uint32_t);
}

size_t dyno_node_record_most(const dyno_node_shape *shape, size_t tokens)
{
  return tables_bytes(tokens, shape->layers) +
         shape->layers * dyno_block_codec_bound(shape->block_bytes);
}

size_t dyno_node_record_least(const dyno_node_shape *shape, size_t tokens)
{
  return tables_bytes(tokens, shape->layers) +
         shape->layers * (DYNO_BLOCK_HEADER_BYTES + shape->element_bytes);
}

static uint32_t block_size(const dyno_node_view *view, size_t layer)
{
  uint32_t size;
  memcpy(&size, view->bytes + tables_bytes(view->count, layer), sizeof size);
  return size;
}

dyno_status dyno_node_view_open(dyno_node_view *view, const dyno_node_shape *shape,
                                const uint8_t *bytes, size_t size, uint64_t origin, size_t count,
                                dyno_error *error)
{
  *view = (dyno_node_view){bytes, origin, count, shape->layers};
  if (count == 0 || count > shape->most_tokens)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "offset %" PRIu64 ": record: %zu tokens; 1 to %zu are possible", origin, count,
                     shape->most_tokens);
  uint64_t total = tables_bytes(count, shape->layers);
  if (size < total)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "offset %" PRIu64 ": record: %zu bytes are less than its tables of %" PRIu64,
                     origin, size, total);
  for (size_t layer = 0; layer < shape->layers; layer++)
    total += block_size(view, layer);
  if (total == size)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "offset %" PRIu64 ": record: it has %zu bytes, and its blocks make it %" PRIu64,
                   origin, size, total);
}

bool dyno_node_view_holds(const dyno_node_view *view, const int32_t *tokens, size_t count)
{
  return view->count == count && memcmp(view->bytes, tokens, count * sizeof *tokens) == 0;
}

dyno_status dyno_node_view_restore(const dyno_node_view *view, dyno_block_codec *codec, void *block,
                                   size_t layer, dyno_error *error)
{
  size_t at = tables_bytes(view->count, view->layers);
  for (size_t i = 0; i < layer; i++)
    at += block_size(view, i);
  dyno_status status = dyno_block_decode(codec, block, view->bytes + at, block_size(view, layer),
                                         view->origin + at, error);
  return status == DYNO_OK ? status : dyno_error_prepend(error, "layer %zu", layer);
}

void dyno_node_writer_open(dyno_node_writer *writer, const dyno_node_shape *shape, uint8_t *bytes,
                           const int32_t *tokens, size_t count)
{
  *writer = (dyno_node_writer){bytes, tables_bytes(count, shape->layers), count, 0};
  memcpy(bytes, tokens, count * sizeof *tokens);
}

void dyno_node_writer_add(dyno_node_writer *writer, dyno_block_codec *codec, const void *block)
{
  uint32_t size = (uint32_t)dyno_block_encode(codec, writer->bytes + writer->size, block);
  memcpy(writer->bytes + tables_bytes(writer->count, writer->layer), &size, sizeof size);
  writer->size += size;
  writer->layer++;
}

uint8_t *dyno_node_writer_room(const dyno_node_writer *writer, const dyno_node_shape *shape,
                               size_t layer)
{
  return writer->bytes + tables_bytes(writer->count, shape->layers) +
         layer * dyno_block_codec_bound(shape->block_bytes);
}

void dyno_node_writer_gather(dyno_node_writer *writer, const dyno_node_shape *shape,
                             const uint32_t *sizes)
{
  memcpy(writer->bytes + tables_bytes(writer->count, 0), sizes, shape->layers * sizeof *sizes);
  for (; writer->layer < shape->layers; writer->layer++) {
    uint32_t size = sizes[writer->layer];
    memmove(writer->bytes + writer->size, dyno_node_writer_room(writer, shape, writer->layer),
            size);
    writer->size += size;
  }
}
