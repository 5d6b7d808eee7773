/* The thread that compresses nodes which left L2, off the way of whoever computes.
 *
 * A node that leaves is copied into one of a few slots and waits there for the thread, which runs
 * under SCHED_IDLE and takes a block at a time: whenever no pass has run for 5 ms, and otherwise as
 * long as its processor time stays below a share of theirs, 1/200 of passes of one token and 1/32
 * of longer ones. When all slots are taken, whoever computes a longer pass compresses one itself,
 * out of the same share, and after that nodes are dropped. So decoding loses no more than 1/200. */
#ifndef DYNO_RUNTIME_CACHE_COMPRESSOR_H
#define DYNO_RUNTIME_CACHE_COMPRESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/cache/compressed.h"
#include "runtime/cache/node_record.h"

enum {
  DYNO_COMPRESSOR_DECODE_SHARE = 200, /* one part in so many */
  DYNO_COMPRESSOR_BATCH_SHARE = 32,
};

typedef struct dyno_compressor dyno_compressor;

/* Bytes that a compressor with so many slots takes, but for its thread's stack. */
uint64_t dyno_compressor_bytes(const dyno_node_shape *shape, size_t slots);

/* Starts the thread, which puts what it makes into store. MEMORY; UNAVAILABLE when there is no
 * thread to be had; then *compressor is NULL. */
dyno_status dyno_compressor_open(dyno_compressor **compressor, dyno_compressed *store,
                                 const dyno_node_shape *shape, size_t slots, dyno_error *error);

/* Ends the thread within a block's time; what waits is lost. Sets *compressor to NULL; NULL is
 * fine. */
void dyno_compressor_close(dyno_compressor **compressor);

/* What follows is called by one thread, the engine's. */

/* Around a pass of so many tokens. */
void dyno_compressor_enter(dyno_compressor *compressor, size_t tokens);
void dyno_compressor_leave(dyno_compressor *compressor);

/* Copies a node's tokens and blocks, [layers]; false when there is no slot for it. */
bool dyno_compressor_offer(dyno_compressor *compressor, const dyno_node_name *name,
                           const int32_t *tokens, const void *const *blocks);

/* Whether all slots are taken. */
bool dyno_compressor_is_full(dyno_compressor *compressor);

bool dyno_compressor_has(dyno_compressor *compressor, const uint64_t key[2]);

/* Copies a node that waits still into blocks, [layers]; false when there is none with that key and
 * these tokens. */
bool dyno_compressor_recall(dyno_compressor *compressor, const uint64_t key[2],
                            const int32_t *tokens, size_t count, void *const *blocks);

/* Compresses the node that waits longest in the calling thread. With within_share, only as long as
 * the share of longer passes lasts. False when there is nothing to be done. */
bool dyno_compressor_help(dyno_compressor *compressor, bool within_share);

/* Returns when nothing waits any more. No pass may run. */
void dyno_compressor_drain(dyno_compressor *compressor);

typedef struct dyno_compressor_counts {
  uint64_t nodes;               /* compressed and kept */
  uint64_t bytes_in, bytes_out; /* of their blocks, and of their records */
  uint64_t ns;                  /* of processor time for them, */
  uint64_t busy_ns;             /* and of that while passes ran */
  uint64_t helped;              /* nodes that the caller compressed */
  uint64_t dropped;             /* for which there was no slot */
  size_t waiting;               /* now */
} dyno_compressor_counts;

dyno_compressor_counts dyno_compressor_count(dyno_compressor *compressor);

#endif
