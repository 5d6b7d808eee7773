/* L2: the keys and values of prefixes that were computed before.
 *
 * A tree whose nodes are 64 consecutive tokens with their blocks of all layers, sliding ones too,
 * so that a sequence can go on from any node: what it sees lies in the last of the nodes before. A
 * path from the root is a prefix. Nodes are found by a hash of their parent's key and their tokens,
 * and the tokens are compared, so that equal hashes cannot give wrong results. Only leaves may have
 * fewer tokens: those are what sequences ended with.
 *
 * Blocks are not copied: a node refers to those of the sequence that computed them, and sequences
 * that find it refer to them as well (runtime/cache/kv.h). Of a node that is found in part, the
 * sequence copies the blocks once it goes on.
 *
 * A node is charged to the budget with all of its blocks, also while sequences share them. When
 * there is no room, the nodes of least worth leave (runtime/cache/prefix_evict.h).
 *
 * Not thread-safe. */
#ifndef DYNO_RUNTIME_CACHE_PREFIX_H
#define DYNO_RUNTIME_CACHE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buffer.h"
#include "kernels/base/status.h"
#include "runtime/cache/budget.h"
#include "runtime/cache/kv.h"
#include "runtime/cache/statistics.h"

enum { DYNO_PREFIX_TOKENS = DYNO_KV_BLOCK_TOKENS };

/* A node's number. 0 is the root, which stands for no tokens; where a root cannot be, as among
 * children, it is no node. */
typedef uint32_t dyno_prefix_number;
enum { DYNO_PREFIX_ROOT = 0, DYNO_PREFIX_NONE = 0 };

/* XXH3 of the parent's key (the root's is 0) and the tokens. */
typedef struct dyno_prefix_key {
  uint64_t low, high;
} dyno_prefix_key;

typedef struct dyno_prefix_node {
  dyno_prefix_key key;
  int32_t tokens[DYNO_PREFIX_TOKENS];
  uint32_t count; /* of them; 0: the root, or no node */
  uint32_t depth; /* the first stands at position 64 * depth */
  dyno_prefix_number parent, first_child, next, previous; /* the last two are siblings */
  dyno_prefix_number next_in_bucket;
  uint32_t pins; /* sequences that stand here: it stays, and so do those above it */
  uint32_t uses; /* inserted, found, come to again */
  double worth;  /* see runtime/cache/prefix_evict.h */
} dyno_prefix_node;

/* The next level, which takes what leaves and may have what is missing. */
typedef struct dyno_prefix_below {
  void *context;
  /* A node leaves. Its blocks, [layers], may be retained. Returns how many of the bytes that the
   * node is charged it goes on to hold, and gives back to the budget in time. urgent: they are
   * wanted at once, for the sake of which the node leaves. */
  uint64_t (*leave)(void *context, const dyno_prefix_node *node, dyno_prefix_key parent,
                    const dyno_kv_block *blocks, bool urgent);
  /* Whether it has a node with that key. */
  bool (*has)(void *context, dyno_prefix_key key);
  /* Writes the keys and values of these tokens to blocks, [layers]; false when it cannot. */
  bool (*fetch)(void *context, dyno_prefix_key key, const int32_t *tokens, size_t count,
                void *const *blocks);
} dyno_prefix_below;

/* What a token costs to compute: base + by_position * its position, in any unit. */
typedef struct dyno_prefix_cost {
  double base, by_position;
} dyno_prefix_cost;

typedef struct dyno_prefix {
  dyno_kv_pool *pool;
  dyno_budget *budget;
  size_t layers;
  size_t promised; /* nodes whose blocks are */
  dyno_prefix_cost cost;
  dyno_prefix_node *nodes;       /* [most + 1], the root first */
  dyno_kv_block *blocks;         /* [most + 1][layers] */
  void **fetched;                /* [layers]: addresses for dyno_prefix_below */
  dyno_prefix_number *buckets;   /* [bucket_count]: first node or NONE */
  size_t most, bucket_count;     /* bucket_count is a power of two */
  dyno_prefix_number made, free; /* nodes ever used; the first free one of them, or NONE */
  dyno_buffer memory;
  double inflation; /* the worth of what left last */
  dyno_cache_prefixes statistics;
  dyno_prefix_below below;
  dyno_cache_observe *observe; /* NULL: nobody watches */
  void *observe_context;
} dyno_prefix;

/* A cache without nodes, with room for what the budget's limit allows. layers: of the model.
 * MEMORY, and *prefix is zeroed. Pool and budget must outlive it. */
dyno_status dyno_prefix_open(dyno_prefix *prefix, dyno_kv_pool *pool, dyno_budget *budget,
                             size_t layers, dyno_prefix_cost cost, dyno_error *error);

/* Has blocks promised for `nodes` nodes more, as far as the limit allows, so that inserting them
 * allocates nothing; what is not to be had, is not inserted. */
void dyno_prefix_prepare(dyno_prefix *prefix, size_t nodes);

/* Drops all nodes without offering them below; none may be pinned. */
void dyno_prefix_clear(dyno_prefix *prefix);

/* Frees and zeroes; a zeroed one is fine. */
void dyno_prefix_close(dyno_prefix *prefix);

/* Takes over into kv what is known of the first `count` tokens, from the block that node stands
 * before on; their first `held` ones kv has already, 64 * node's depth <= held < count. Moves *node
 * to the last whole node, pinned in place of the one before. Returns how many tokens kv has then;
 * held when nothing more was found. */
size_t dyno_prefix_take(dyno_prefix *prefix, dyno_prefix_number *node, dyno_kv *kv,
                        const int32_t *tokens, size_t held, size_t count);

/* Remembers that tokens [count], 1 to 64, follow node and lie in kv's blocks. Of fewer than 64
 * nothing more is remembered when a node has them already. Returns the node, or NONE when there is
 * no room. */
dyno_prefix_number dyno_prefix_insert(dyno_prefix *prefix, dyno_prefix_number node,
                                      const int32_t *tokens, size_t count, const dyno_kv *kv);

/* Tokens before and in a node. */
size_t dyno_prefix_length(const dyno_prefix *prefix, dyno_prefix_number node);

/* Moves a pin from one node to another; the root needs none. */
void dyno_prefix_pin(dyno_prefix *prefix, dyno_prefix_number *pinned, dyno_prefix_number node);

/* Pins, in place of *pinned, that node or the one above it after which at most `length` tokens
 * stand. */
void dyno_prefix_rewind(dyno_prefix *prefix, dyno_prefix_number *pinned, size_t length);

dyno_cache_prefixes dyno_prefix_statistics(const dyno_prefix *prefix);

#endif
