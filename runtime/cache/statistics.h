/* What the caches of an engine came to, since it was opened. */
#ifndef DYNO_RUNTIME_CACHE_STATISTICS_H
#define DYNO_RUNTIME_CACHE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The account of all levels, in bytes; limit 0: nothing is cached. */
typedef struct dyno_cache_account {
  uint64_t limit, threshold, used, peak;
  uint64_t refused; /* times that something was not to be had */
} dyno_cache_account;

/* L1: rows of the embedding as floats. */
typedef struct dyno_cache_rows {
  uint64_t lookups, hits, misses; /* of tokens of passes */
  uint64_t evictions;
  uint64_t expected; /* rows decoded ahead, */
  uint64_t awaited;  /* and those of them that a pass then wanted */
  uint64_t rows;     /* that are held now */
  uint64_t bytes;    /* of the whole cache */
} dyno_cache_rows;

/* L2: prefixes in nodes of 64 tokens, or fewer at a sequence's end. */
typedef struct dyno_cache_prefixes {
  uint64_t lookups;       /* prompts that were looked up */
  uint64_t asked;         /* tokens of theirs that could have been found */
  uint64_t found;         /* that were found: in whole nodes, */
  uint64_t found_in_part; /* and in a part of one more, whose blocks were copied */
  uint64_t restored;      /* nodes that came back from below */
  uint64_t inserted;      /* nodes */
  uint64_t known;         /* that were there already when a sequence came to them */
  uint64_t refused;       /* for which no room could be made */
  uint64_t evicted;       /* for others or to the threshold */
  uint64_t replaced;      /* ends of sequences that longer ones went on from */
  size_t nodes, pinned;   /* there are now */
  size_t node_bytes;      /* what a node is charged */
  size_t most_nodes;      /* that the limit has room for */
} dyno_cache_prefixes;

/* L3: compressed nodes of 64 tokens. Bytes in and out of compression and restoration are those of
 * the keys and values and of the records made of them. */
typedef struct dyno_cache_compressed {
  uint64_t asked;    /* nodes that L2 did not have */
  uint64_t restored; /* from records, */
  uint64_t restored_from_file;
  uint64_t recalled; /* and from before they were compressed */
  uint64_t failed;   /* records that could not be restored */
  uint64_t restored_in, restored_out, restore_ns;
  uint64_t compressed; /* nodes */
  uint64_t compressed_in, compressed_out;
  uint64_t compress_ns;                 /* of processor time, */
  uint64_t compress_busy_ns;            /* and of that while passes ran */
  uint64_t helped;                      /* nodes that the engine's thread compressed itself */
  uint64_t dropped;                     /* nodes that came while all slots were taken */
  uint64_t refused;                     /* that were compressed, and had no room */
  uint64_t evicted;                     /* records for others */
  size_t nodes, nodes_in_file, waiting; /* there are now: in memory, in the cache file, in slots */
  uint64_t bytes;                       /* of the records in memory */
  size_t node_bytes;                    /* of a node's keys and values */
} dyno_cache_compressed;

/* The blocks of keys and values of sequences and caches, in chunks of whole huge pages. */
typedef struct dyno_cache_blocks {
  size_t block_bytes, blocks; /* in use */
  size_t chunks, slots;       /* chunks that blocks were taken from, and their slots */
  uint64_t moved;             /* blocks, to have fewer chunks */
  uint64_t returned;          /* chunks given back to the system */
} dyno_cache_blocks;

typedef struct dyno_cache_statistics {
  dyno_cache_account account;
  dyno_cache_rows rows;
  dyno_cache_prefixes prefixes;
  dyno_cache_compressed compressed;
  dyno_cache_blocks blocks;
} dyno_cache_statistics;

/* What happens in a cache, for who watches it. */
typedef enum dyno_cache_event_kind {
  DYNO_CACHE_HIT,
  DYNO_CACHE_MISS,
  DYNO_CACHE_INSERT,
  DYNO_CACHE_EVICT,
} dyno_cache_event_kind;

typedef struct dyno_cache_event {
  dyno_cache_event_kind kind;
  unsigned level;    /* a dyno_cache_level */
  uint64_t key;      /* the same for the same content */
  uint64_t position; /* L2: of the node's first token */
  uint64_t tokens;   /* L2: of the node */
  uint64_t bytes;    /* what it is charged */
} dyno_cache_event;

/* Called in the engine's thread. A prompt that is looked up gives a hit or a miss for each of its
 * whole nodes, in order. */
typedef void dyno_cache_observe(void *context, const dyno_cache_event *event);

#endif
