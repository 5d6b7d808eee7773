#include "runtime/cache/level3_internal.h"

#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/clock.h"

/* Slots for nodes that wait: not more than this share of the account. */
enum { MOST_SLOTS = 8, SLOT_SHARE = 4 };

void dyno_level3_tell(const dyno_level3 *level3, const char *message)
{
  if (level3->options.notice != NULL)
    level3->options.notice(level3->options.notice_context, message);
}

static uint64_t leave(void *context, const dyno_prefix_node *node, dyno_prefix_key parent,
                      const dyno_kv_block *blocks, bool urgent)
{
  dyno_level3 *level3 = context;
  const dyno_node_name name = {
      {node->key.low, node->key.high}, {parent.low, parent.high}, node->count, node->depth};
  (void)urgent; /* nothing of the node's charge is kept in any case */
  if (node->count < DYNO_PREFIX_TOKENS || dyno_compressor_has(level3->compressor, name.key) ||
      dyno_compressed_renew(level3->store, name.key))
    return 0;
  for (size_t layer = 0; layer < level3->shape.layers; layer++)
    level3->sources[layer] = dyno_kv_pool_data(level3->prefix->pool, blocks[layer]);
  if (dyno_compressor_is_full(level3->compressor))
    dyno_compressor_help(level3->compressor, true);
  dyno_compressor_offer(level3->compressor, &name, node->tokens, level3->sources);
  return 0;
}

static bool has(void *context, dyno_prefix_key key)
{
  dyno_level3 *level3 = context;
  const uint64_t name[2] = {key.low, key.high};
  level3->statistics.asked++;
  return dyno_compressor_has(level3->compressor, name) || dyno_compressed_has(level3->store, name);
}

/* Layers are restored by whoever comes first. */
typedef struct restoration {
  dyno_level3 *level3;
  dyno_node_view view;
  void *const *blocks;
  atomic_size_t next;
} restoration;

static void restore_layers(void *context, unsigned thread, unsigned threads)
{
  restoration *in = context;
  dyno_level3 *level3 = in->level3;
  dyno_error *error = &level3->errors[thread];
  (void)threads;
  *error = (dyno_error){0};
  while (error->status == DYNO_OK) {
    size_t layer = atomic_fetch_add_explicit(&in->next, 1, memory_order_relaxed);
    if (layer >= level3->shape.layers)
      return;
    dyno_node_view_restore(&in->view, level3->codecs[thread], in->blocks[layer], layer, error);
  }
}

static dyno_status restore(dyno_level3 *level3, const dyno_node_view *view, void *const *blocks,
                           dyno_error *error)
{
  restoration in = {.level3 = level3, .view = *view, .blocks = blocks};
  dyno_pool_run(level3->pool, restore_layers, &in);
  for (unsigned i = 0; i < dyno_pool_threads(level3->pool); i++)
    if (level3->errors[i].status != DYNO_OK)
      return dyno_fail(error, level3->errors[i].status, "%s", level3->errors[i].message);
  return DYNO_OK;
}

/* Has the record's parts checked, after it was read if it is in the file. */
static dyno_status open_record(dyno_level3 *level3, dyno_node_view *view,
                               const dyno_compressed_pin *pin, dyno_error *error)
{
  if (pin->bytes == NULL)
    return dyno_cache_file_read(view, level3->record.data, pin->file, pin->index, error);
  return dyno_node_view_open(view, &level3->shape, pin->bytes, pin->size, 0, pin->name.count,
                             error);
}

static bool fetch_record(dyno_level3 *level3, const dyno_compressed_pin *pin, const int32_t *tokens,
                         size_t count, void *const *blocks)
{
  dyno_cache_compressed *statistics = &level3->statistics;
  dyno_node_view view;
  dyno_error error = {0};
  uint64_t begin = dyno_clock_ns();
  dyno_status status = open_record(level3, &view, pin, &error);
  if (status == DYNO_OK && !dyno_node_view_holds(&view, tokens, count)) {
    dyno_compressed_unpin(level3->store, pin, false); /* another one with the same key */
    return false;
  }
  if (status == DYNO_OK)
    status = restore(level3, &view, blocks, &error);
  dyno_compressed_unpin(level3->store, pin, status != DYNO_OK);
  if (status != DYNO_OK) {
    statistics->failed++;
    dyno_error_prepend(&error, "%s is computed anew",
                       pin->file != NULL ? level3->options.file : "a compressed prefix");
    dyno_level3_tell(level3, error.message);
    return false;
  }
  statistics->restored++;
  statistics->restored_from_file += pin->file != NULL;
  statistics->restored_in += pin->size;
  statistics->restored_out += level3->shape.layers * level3->shape.block_bytes;
  statistics->restore_ns += dyno_clock_ns() - begin;
  return true;
}

static bool fetch(void *context, dyno_prefix_key key, const int32_t *tokens, size_t count,
                  void *const *blocks)
{
  dyno_level3 *level3 = context;
  const uint64_t name[2] = {key.low, key.high};
  dyno_compressed_pin pin;
  if (dyno_compressor_recall(level3->compressor, name, tokens, count, blocks)) {
    level3->statistics.recalled++;
    return true;
  }
  return dyno_compressed_find(level3->store, &pin, name) &&
         fetch_record(level3, &pin, tokens, count, blocks);
}

/* A file is written when the engine closes: better to know now that it cannot be. */
static dyno_status check_folder(const char *path, dyno_error *error)
{
  char *copy = strdup(path);
  if (copy == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  bool writable = access(dirname(copy), W_OK | X_OK) == 0;
  free(copy);
  return writable ? DYNO_OK
                  : dyno_fail(error, DYNO_ERROR_IO,
                              "%s: a cache file cannot be written in its folder: %m", path);
}

static dyno_status open_file(dyno_level3 *level3, dyno_error *error)
{
  const dyno_level3_options *options = &level3->options;
  dyno_error refused = {0};
  dyno_status status = check_folder(options->file, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_cache_file_open(&level3->file, options->file, options->identity, &level3->shape,
                                &refused);
  if (status == DYNO_ERROR_MEMORY)
    return dyno_fail(error, status, "%s", refused.message);
  if (status != DYNO_OK && status != DYNO_ERROR_NOT_FOUND) {
    char message[sizeof refused.message + 100];
    level3->file_is_foreign = status != DYNO_ERROR_FORMAT;
    snprintf(message, sizeof message, "%s: it is not used%s", refused.message,
             level3->file_is_foreign ? ", and left as it is: delete it, or name another file" : "");
    dyno_level3_tell(level3, message);
  }
  if (level3->file != NULL)
    dyno_compressed_add_file(level3->store, level3->file);
  return DYNO_OK;
}

static uint64_t bytes_with(const dyno_level3 *level3, size_t slots)
{
  const dyno_node_shape *shape = &level3->shape;
  return dyno_compressor_bytes(shape, slots) + level3->record.size +
         dyno_pool_threads(level3->pool) * dyno_block_codec_bytes(shape->block_bytes);
}

/* Takes what is there from the start out of the account. */
static dyno_status take_fixed(dyno_level3 *level3, size_t *slots, dyno_error *error)
{
  uint64_t limit = level3->budget->limit, one = bytes_with(level3, 1);
  uint64_t slot = bytes_with(level3, 2) - one;
  *slots =
      limit / SLOT_SHARE / slot < MOST_SLOTS ? (size_t)(limit / SLOT_SHARE / slot) : MOST_SLOTS;
  *slots = *slots > 0 ? *slots : 1;
  level3->fixed_bytes = bytes_with(level3, *slots);
  if (level3->fixed_bytes <= limit / 2 && dyno_budget_take(level3->budget, level3->fixed_bytes))
    return DYNO_OK;
  uint64_t wanted = (4 * level3->fixed_bytes + (1 << 20) - 1) >> 20;
  level3->fixed_bytes = 0;
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "compressed prefixes (cache level l3) of this model want a cache of %llu MiB at "
                   "least: ask for that size, or for l1,l2 only",
                   (unsigned long long)wanted);
}

static dyno_status open_codecs(dyno_level3 *level3, dyno_error *error)
{
  unsigned threads = dyno_pool_threads(level3->pool);
  level3->codecs = calloc(threads, sizeof(dyno_block_codec *));
  level3->errors = calloc(threads, sizeof *level3->errors);
  level3->sources = calloc(level3->shape.layers, sizeof *level3->sources);
  level3->sizes = calloc(level3->shape.layers, sizeof *level3->sizes);
  if (level3->codecs == NULL || level3->errors == NULL || level3->sources == NULL ||
      level3->sizes == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "compressed cache: out of memory");
  dyno_status status = DYNO_OK;
  for (unsigned i = 0; i < threads && status == DYNO_OK; i++)
    status = dyno_block_codec_open(&level3->codecs[i], level3->shape.element_bytes,
                                   level3->shape.block_bytes, error);
  return status;
}

static dyno_status open_parts(dyno_level3 *level3, dyno_error *error)
{
  const dyno_node_shape *shape = &level3->shape;
  size_t slots;
  dyno_status status = dyno_buffer_open_on(
      &level3->record, dyno_node_record_most(shape, shape->most_tokens), DYNO_PAGES_SMALL, error);
  if (status == DYNO_OK)
    status = take_fixed(level3, &slots, error);
  if (status == DYNO_OK)
    status = open_codecs(level3, error);
  if (status == DYNO_OK)
    status = dyno_compressed_open(&level3->store, level3->budget, shape, error);
  if (status == DYNO_OK)
    status = dyno_compressor_open(&level3->compressor, level3->store, shape, slots, error);
  if (status == DYNO_OK && level3->options.file != NULL)
    status = open_file(level3, error);
  return status;
}

dyno_status dyno_level3_open(dyno_level3 **level3, dyno_prefix *prefix, dyno_budget *budget,
                             dyno_pool *pool, const dyno_level3_options *options, dyno_error *error)
{
  *level3 = NULL;
  dyno_level3 *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "compressed cache: out of memory");
  made->prefix = prefix;
  made->budget = budget;
  made->pool = pool;
  made->options = *options;
  made->options.file = options->file != NULL ? strdup(options->file) : NULL;
  made->options.identity = strdup(options->identity);
  made->shape = (dyno_node_shape){prefix->layers, options->element_bytes, prefix->pool->block_bytes,
                                  DYNO_PREFIX_TOKENS};
  bool copied =
      made->options.identity != NULL && (made->options.file != NULL) == (options->file != NULL);
  dyno_status status = copied
                           ? open_parts(made, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "compressed cache: out of memory");
  if (status == DYNO_OK)
    prefix->below = (dyno_prefix_below){made, leave, has, fetch};
  else
    dyno_level3_close(&made);
  *level3 = made;
  return status;
}

void dyno_level3_close(dyno_level3 **level3)
{
  dyno_level3 *closing = *level3;
  if (closing == NULL)
    return;
  if (closing->prefix->below.context == closing)
    closing->prefix->below = (dyno_prefix_below){0};
  dyno_compressor_close(&closing->compressor);
  dyno_compressed_close(&closing->store);
  dyno_cache_file_close(&closing->file);
  for (unsigned i = 0; closing->codecs != NULL && i < dyno_pool_threads(closing->pool); i++)
    dyno_block_codec_close(&closing->codecs[i]);
  dyno_budget_give(closing->budget, closing->fixed_bytes);
  dyno_buffer_close(&closing->record);
  free(closing->codecs);
  free(closing->errors);
  free(closing->sources);
  free(closing->sizes);
  free((char *)(uintptr_t)closing->options.file);
  free((char *)(uintptr_t)closing->options.identity);
  free(closing);
  *level3 = NULL;
}

bool dyno_level3_is_full(dyno_level3 *level3)
{
  return level3 != NULL && dyno_compressor_is_full(level3->compressor);
}

void dyno_level3_enter(dyno_level3 *level3, size_t tokens)
{
  if (level3 != NULL)
    dyno_compressor_enter(level3->compressor, tokens);
}

void dyno_level3_leave(dyno_level3 *level3)
{
  if (level3 != NULL)
    dyno_compressor_leave(level3->compressor);
}

dyno_cache_compressed dyno_level3_statistics(const dyno_level3 *level3)
{
  dyno_compressor_counts made = dyno_compressor_count(level3->compressor);
  dyno_compressed_counts kept = dyno_compressed_count(level3->store);
  dyno_cache_compressed found = level3->statistics;
  found.compressed = made.nodes;
  found.compressed_in = made.bytes_in;
  found.compressed_out = made.bytes_out;
  found.compress_ns = made.ns;
  found.compress_busy_ns = made.busy_ns;
  found.helped = made.helped;
  found.dropped = made.dropped;
  found.refused = kept.refused;
  found.evicted = kept.evicted;
  found.nodes = kept.nodes;
  found.nodes_in_file = kept.nodes_in_file;
  found.waiting = made.waiting;
  found.bytes = kept.bytes;
  found.node_bytes = level3->shape.layers * level3->shape.block_bytes;
  return found;
}
