/* What a sequence takes from the cache of prefixes, and what it leaves there.
 *
 * It stands at a node: that of its last whole block of 64 tokens which the cache knows, pinned so
 * that what it goes on with finds its place. All functions do nothing while there is no cache.
 *
 * Not thread-safe. */
#ifndef DYNO_RUNTIME_CACHE_REUSE_H
#define DYNO_RUNTIME_CACHE_REUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/cache/kv.h"
#include "runtime/cache/prefix.h"

typedef struct dyno_reuse {
  dyno_prefix *prefix; /* NULL: nothing is taken or left */
  int32_t *tokens;     /* [capacity]: those of the sequence */
  dyno_prefix_number node;
  size_t asked;    /* tokens that the cache was asked for, those of the sequence among them */
  size_t taken;    /* tokens that were not computed, since the sequence was last cleared */
  bool untruthful; /* keys and values are not those of the tokens: none is left */
} dyno_reuse;

/* Begins with an empty sequence. prefix may be NULL. MEMORY, and *reuse is zeroed. */
dyno_status dyno_reuse_open(dyno_reuse *reuse, dyno_prefix *prefix, size_t capacity,
                            dyno_error *error);

/* Has kv refer to what the cache knows of `count` tokens that are to follow the first `length`, all
 * but the last at most, and returns how many tokens there are then. Does not look again for what it
 * was asked for before. */
size_t dyno_reuse_take(dyno_reuse *reuse, dyno_kv *kv, size_t length, const int32_t *tokens,
                       size_t count);

/* Leaves the whole blocks that `count` tokens after the first `length` make, now that kv holds
 * them. To be called for each batch, before a ring makes room for the next. */
void dyno_reuse_leave(dyno_reuse *reuse, const dyno_kv *kv, size_t length, const int32_t *tokens,
                      size_t count);

/* The sequence forgets all but the first `length` tokens. */
void dyno_reuse_rewind(dyno_reuse *reuse, size_t length);

/* The sequence's tokens do not tell any more what kv holds. */
void dyno_reuse_mark_untruthful(dyno_reuse *reuse);

/* The sequence ends with `length` tokens; leaves those after its last whole block, too. */
void dyno_reuse_end(dyno_reuse *reuse, const dyno_kv *kv, size_t length);

/* Frees and zeroes, after the end; a zeroed one is fine. */
void dyno_reuse_close(dyno_reuse *reuse);

#endif
