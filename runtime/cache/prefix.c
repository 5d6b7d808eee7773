#include "runtime/cache/prefix.h"

#include <string.h>
#include <xxhash.h>

#include "runtime/cache/prefix_evict.h"

/* A node's memory beside its blocks: itself, their numbers, two buckets. */
static size_t own_bytes(size_t layers)
{
  return sizeof(dyno_prefix_node) + layers * sizeof(dyno_kv_block) + 2 * sizeof(dyno_prefix_number);
}

/* Part of a mapping, at a multiple of a cache line. */
static void *carve(char **next, size_t bytes)
{
  void *part = *next;
  *next += (bytes + 63) / 64 * 64;
  return part;
}

dyno_status dyno_prefix_open(dyno_prefix *prefix, dyno_kv_pool *pool, dyno_budget *budget,
                             size_t layers, dyno_prefix_cost cost, dyno_error *error)
{
  size_t node_bytes = layers * pool->block_bytes + own_bytes(layers);
  uint64_t most = budget->limit / node_bytes;
  *prefix = (dyno_prefix){
      .pool = pool,
      .budget = budget,
      .layers = layers,
      .cost = cost,
      .most = most < UINT32_MAX / 2 ? (size_t)most : UINT32_MAX / 2,
      .bucket_count = 1,
      .made = 1,
      .statistics = {.node_bytes = node_bytes},
  };
  prefix->statistics.most_nodes = prefix->most;
  while (prefix->bucket_count < prefix->most)
    prefix->bucket_count *= 2;
  size_t nodes = prefix->most + 1;
  size_t bytes = nodes * (sizeof *prefix->nodes + layers * sizeof *prefix->blocks) +
                 prefix->bucket_count * sizeof *prefix->buckets + layers * sizeof *prefix->fetched +
                 4 * 64;
  dyno_status status = dyno_buffer_open_on(&prefix->memory, bytes, DYNO_PAGES_SMALL, error);
  if (status != DYNO_OK) {
    dyno_error_prepend(error, "cache of prefixes");
    *prefix = (dyno_prefix){0};
    return status;
  }
  char *next = prefix->memory.data;
  prefix->nodes = carve(&next, nodes * sizeof *prefix->nodes);
  prefix->blocks = carve(&next, nodes * layers * sizeof *prefix->blocks);
  prefix->buckets = carve(&next, prefix->bucket_count * sizeof *prefix->buckets);
  prefix->fetched = carve(&next, layers * sizeof *prefix->fetched);
  return DYNO_OK;
}

void dyno_prefix_prepare(dyno_prefix *prefix, size_t nodes)
{
  size_t wanted = prefix->statistics.nodes + nodes;
  wanted = wanted < prefix->most ? wanted : prefix->most;
  if (wanted > prefix->promised &&
      dyno_kv_pool_promise(prefix->pool, (wanted - prefix->promised) * prefix->layers, NULL) ==
          DYNO_OK)
    prefix->promised = wanted;
}

void dyno_prefix_clear(dyno_prefix *prefix)
{
  for (dyno_prefix_number n = DYNO_PREFIX_ROOT; prefix->statistics.nodes > 0;) {
    dyno_prefix_number child = prefix->nodes[n].first_child;
    if (child != DYNO_PREFIX_NONE) {
      n = child;
      continue;
    }
    dyno_prefix_number parent = prefix->nodes[n].parent;
    dyno_prefix_remove(prefix, n, 0);
    n = parent;
  }
}

void dyno_prefix_close(dyno_prefix *prefix)
{
  if (prefix->pool != NULL) {
    dyno_prefix_clear(prefix);
    dyno_kv_pool_withdraw(prefix->pool, prefix->promised * prefix->layers);
  }
  dyno_buffer_close(&prefix->memory);
  *prefix = (dyno_prefix){0};
}

static dyno_prefix_key key_of(dyno_prefix_key parent, const int32_t *tokens, size_t count)
{
  struct {
    dyno_prefix_key parent;
    int32_t tokens[DYNO_PREFIX_TOKENS];
  } text = {.parent = parent};
  memcpy(text.tokens, tokens, count * sizeof *tokens);
  XXH128_hash_t hash = XXH3_128bits(&text, sizeof text.parent + count * sizeof *tokens);
  return (dyno_prefix_key){hash.low64, hash.high64};
}

static dyno_prefix_number *bucket_of(const dyno_prefix *prefix, dyno_prefix_key key)
{
  return &prefix->buckets[key.low & (prefix->bucket_count - 1)];
}

/* The child of parent with these 64 tokens. */
static dyno_prefix_number find(const dyno_prefix *prefix, dyno_prefix_number parent,
                               dyno_prefix_key key, const int32_t *tokens)
{
  dyno_prefix_number n = *bucket_of(prefix, key);
  for (; n != DYNO_PREFIX_NONE; n = prefix->nodes[n].next_in_bucket) {
    const dyno_prefix_node *node = &prefix->nodes[n];
    if (node->key.low == key.low && node->key.high == key.high && node->parent == parent &&
        node->count == DYNO_PREFIX_TOKENS && memcmp(node->tokens, tokens, sizeof node->tokens) == 0)
      break;
  }
  return n;
}

static size_t common(const dyno_prefix_node *node, const int32_t *tokens, size_t count)
{
  size_t length = 0, most = node->count < count ? node->count : count;
  while (length < most && node->tokens[length] == tokens[length])
    length++;
  return length;
}

/* The child that has most of the tokens at its beginning. */
static dyno_prefix_number longest(const dyno_prefix *prefix, dyno_prefix_number parent,
                                  const int32_t *tokens, size_t count, size_t *length)
{
  dyno_prefix_number best = DYNO_PREFIX_NONE;
  *length = 0;
  for (dyno_prefix_number n = prefix->nodes[parent].first_child; n != DYNO_PREFIX_NONE;
       n = prefix->nodes[n].next) {
    size_t here = common(&prefix->nodes[n], tokens, count);
    if (here > *length) {
      *length = here;
      best = n;
    }
  }
  return best;
}

size_t dyno_prefix_length(const dyno_prefix *prefix, dyno_prefix_number node)
{
  const dyno_prefix_node *of = &prefix->nodes[node];
  return node == DYNO_PREFIX_ROOT ? 0 : (size_t)of->depth * DYNO_PREFIX_TOKENS + of->count;
}

void dyno_prefix_pin(dyno_prefix *prefix, dyno_prefix_number *pinned, dyno_prefix_number node)
{
  if (node != DYNO_PREFIX_ROOT)
    prefix->nodes[node].pins++;
  if (*pinned != DYNO_PREFIX_ROOT)
    prefix->nodes[*pinned].pins--;
  *pinned = node;
}

void dyno_prefix_rewind(dyno_prefix *prefix, dyno_prefix_number *pinned, size_t length)
{
  dyno_prefix_number node = *pinned;
  while (dyno_prefix_length(prefix, node) > length)
    node = prefix->nodes[node].parent;
  dyno_prefix_pin(prefix, pinned, node);
}

/* Room for a node, for which others leave; charged. NONE when there is none. */
static dyno_prefix_number acquire(dyno_prefix *prefix)
{
  bool room = true;
  while (room && (prefix->statistics.nodes >= prefix->promised ||
                  !dyno_budget_take(prefix->budget, prefix->statistics.node_bytes)))
    room = dyno_prefix_evict(prefix, true);
  if (!room) {
    prefix->statistics.refused++;
    return DYNO_PREFIX_NONE;
  }
  dyno_prefix_number n = prefix->free;
  if (n != DYNO_PREFIX_NONE)
    prefix->free = prefix->nodes[n].next_in_bucket;
  else
    n = prefix->made++;
  prefix->statistics.nodes++;
  return n;
}

/* Hangs a node whose blocks are in place into the tree. */
static void attach(dyno_prefix *prefix, dyno_prefix_number n, dyno_prefix_number parent,
                   dyno_prefix_key key, const int32_t *tokens, size_t count)
{
  dyno_prefix_node *node = &prefix->nodes[n], *above = &prefix->nodes[parent];
  *node = (dyno_prefix_node){
      .key = key,
      .count = (uint32_t)count,
      .depth = (uint32_t)(dyno_prefix_length(prefix, parent) / DYNO_PREFIX_TOKENS),
      .parent = parent,
      .next = above->first_child,
      .next_in_bucket = *bucket_of(prefix, key),
  };
  memcpy(node->tokens, tokens, count * sizeof *tokens);
  if (node->next != DYNO_PREFIX_NONE)
    prefix->nodes[node->next].previous = n;
  above->first_child = n;
  *bucket_of(prefix, key) = n;
  dyno_prefix_use(prefix, n);
}

static void give_up(dyno_prefix *prefix, dyno_prefix_number n)
{
  prefix->nodes[n] = (dyno_prefix_node){.next_in_bucket = prefix->free};
  prefix->free = n;
  prefix->statistics.nodes--;
}

void dyno_prefix_remove(dyno_prefix *prefix, dyno_prefix_number n, uint64_t kept)
{
  const dyno_prefix_node *node = &prefix->nodes[n];
  dyno_prefix_number *link = bucket_of(prefix, node->key);
  while (*link != n)
    link = &prefix->nodes[*link].next_in_bucket;
  *link = node->next_in_bucket;
  if (node->next != DYNO_PREFIX_NONE)
    prefix->nodes[node->next].previous = node->previous;
  if (node->previous != DYNO_PREFIX_NONE)
    prefix->nodes[node->previous].next = node->next;
  else
    prefix->nodes[node->parent].first_child = node->next;
  for (size_t layer = 0; layer < prefix->layers; layer++)
    dyno_kv_pool_uncache(prefix->pool, prefix->blocks[n * prefix->layers + layer]);
  give_up(prefix, n);
  dyno_budget_give(prefix->budget, prefix->statistics.node_bytes - kept);
}

/* Has a node brought up from below. */
static dyno_prefix_number restore(dyno_prefix *prefix, dyno_prefix_number parent,
                                  dyno_prefix_key key, const int32_t *tokens)
{
  const dyno_prefix_below *below = &prefix->below;
  if (below->has == NULL || !below->has(below->context, key))
    return DYNO_PREFIX_NONE;
  dyno_prefix_number n = acquire(prefix);
  if (n == DYNO_PREFIX_NONE)
    return n;
  dyno_kv_block *blocks = &prefix->blocks[n * prefix->layers];
  for (size_t layer = 0; layer < prefix->layers; layer++) {
    blocks[layer] = dyno_kv_pool_take(prefix->pool);
    dyno_kv_pool_cache(prefix->pool, blocks[layer]);
    dyno_kv_pool_release(prefix->pool, blocks[layer]);
    prefix->fetched[layer] = dyno_kv_pool_data(prefix->pool, blocks[layer]);
  }
  attach(prefix, n, parent, key, tokens, DYNO_PREFIX_TOKENS);
  if (!below->fetch(below->context, key, tokens, DYNO_PREFIX_TOKENS, prefix->fetched)) {
    dyno_prefix_remove(prefix, n, 0);
    return DYNO_PREFIX_NONE;
  }
  prefix->statistics.restored++;
  return n;
}

/* Tells who watches of the rest of a prompt, which was not found. */
static void tell_misses(const dyno_prefix *prefix, dyno_prefix_key key, const int32_t *tokens,
                        size_t from, size_t to)
{
  for (size_t at = from; prefix->observe != NULL && at + DYNO_PREFIX_TOKENS <= to;
       at += DYNO_PREFIX_TOKENS) {
    key = key_of(key, tokens + at, DYNO_PREFIX_TOKENS);
    dyno_prefix_tell(prefix, DYNO_CACHE_MISS, key, at / DYNO_PREFIX_TOKENS, DYNO_PREFIX_TOKENS);
  }
}

/* Follows the tokens down from *node as far as there are whole nodes within the first `most`. */
static void descend(dyno_prefix *prefix, dyno_prefix_number *node, const int32_t *tokens,
                    size_t most)
{
  size_t length = dyno_prefix_length(prefix, *node);
  for (; length + DYNO_PREFIX_TOKENS <= most; length += DYNO_PREFIX_TOKENS) {
    dyno_prefix_key key = key_of(prefix->nodes[*node].key, tokens + length, DYNO_PREFIX_TOKENS);
    dyno_prefix_number child = find(prefix, *node, key, tokens + length);
    if (child == DYNO_PREFIX_NONE)
      child = restore(prefix, *node, key, tokens + length);
    if (child == DYNO_PREFIX_NONE)
      break;
    dyno_prefix_use(prefix, child);
    dyno_prefix_tell(prefix, DYNO_CACHE_HIT, key, length / DYNO_PREFIX_TOKENS, DYNO_PREFIX_TOKENS);
    dyno_prefix_pin(prefix, node, child);
  }
  tell_misses(prefix, prefix->nodes[*node].key, tokens, length, most);
}

static void adopt(const dyno_prefix *prefix, dyno_kv *kv, dyno_prefix_number n, size_t reached)
{
  for (size_t layer = 0; layer < prefix->layers; layer++)
    dyno_kv_adopt(kv, layer, prefix->nodes[n].depth, prefix->blocks[n * prefix->layers + layer],
                  reached);
}

size_t dyno_prefix_take(dyno_prefix *prefix, dyno_prefix_number *node, dyno_kv *kv,
                        const int32_t *tokens, size_t held, size_t count)
{
  dyno_cache_prefixes *statistics = &prefix->statistics;
  size_t most = count - 1, part;
  dyno_prefix_number start = *node;
  dyno_prefix_prepare(prefix, kv->capacity / DYNO_PREFIX_TOKENS + 1);
  statistics->lookups++;
  statistics->asked += most - held;
  descend(prefix, node, tokens, most);
  size_t whole = dyno_prefix_length(prefix, *node);
  dyno_prefix_number last = longest(prefix, *node, tokens + whole, most - whole, &part);
  size_t found = whole + part;
  if (found <= held)
    return held;
  if (part > 0) {
    adopt(prefix, kv, last, found);
    dyno_prefix_use(prefix, last);
  }
  for (dyno_prefix_number n = *node; n != start; n = prefix->nodes[n].parent)
    adopt(prefix, kv, n, found);
  statistics->found += found - held;
  statistics->found_in_part += whole > held ? part : found - held;
  return found;
}

/* Removes the ends of sequences that these tokens begin with. */
static void replace_ends(dyno_prefix *prefix, dyno_prefix_number parent, const int32_t *tokens,
                         size_t count)
{
  dyno_prefix_number next, n = prefix->nodes[parent].first_child;
  for (; n != DYNO_PREFIX_NONE; n = next) {
    const dyno_prefix_node *node = &prefix->nodes[n];
    next = node->next;
    if (node->count < count && node->pins == 0 && common(node, tokens, count) == node->count) {
      dyno_prefix_tell(prefix, DYNO_CACHE_EVICT, node->key, node->depth, node->count);
      dyno_prefix_remove(prefix, n, 0);
      prefix->statistics.replaced++;
    }
  }
}

dyno_prefix_number dyno_prefix_insert(dyno_prefix *prefix, dyno_prefix_number parent,
                                      const int32_t *tokens, size_t count, const dyno_kv *kv)
{
  dyno_prefix_key key = key_of(prefix->nodes[parent].key, tokens, count);
  size_t length = 0;
  dyno_prefix_number n = count == DYNO_PREFIX_TOKENS
                             ? find(prefix, parent, key, tokens)
                             : longest(prefix, parent, tokens, count, &length);
  if (count == DYNO_PREFIX_TOKENS ? n != DYNO_PREFIX_NONE : length == count) {
    prefix->statistics.known++;
    dyno_prefix_use(prefix, n);
    return n;
  }
  replace_ends(prefix, parent, tokens, count);
  n = acquire(prefix);
  if (n == DYNO_PREFIX_NONE)
    return n;
  size_t depth = dyno_prefix_length(prefix, parent) / DYNO_PREFIX_TOKENS;
  for (size_t layer = 0; layer < prefix->layers; layer++) {
    dyno_kv_block block = dyno_kv_block_of(kv, layer, depth);
    dyno_kv_pool_cache(prefix->pool, block);
    prefix->blocks[n * prefix->layers + layer] = block;
  }
  attach(prefix, n, parent, key, tokens, count);
  prefix->statistics.inserted++;
  dyno_prefix_tell(prefix, DYNO_CACHE_INSERT, key, depth, count);
  return n;
}

dyno_cache_prefixes dyno_prefix_statistics(const dyno_prefix *prefix)
{
  dyno_cache_prefixes found = prefix->statistics;
  for (dyno_prefix_number n = 1; n < prefix->made; n++)
    found.pinned += prefix->nodes[n].pins > 0;
  return found;
}
