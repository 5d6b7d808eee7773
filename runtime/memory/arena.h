/* A stretch of addresses that blocks are cut from, and what is known of it.
 *
 * The addresses are there from the start, at a multiple of 2 MiB; the system gives them memory when
 * they are first written to, on the node of the thread that writes, on huge pages where they are
 * asked for. What is known of the blocks lies outside of it, and takes memory only for the parts
 * that are in use.
 *
 * Not thread-safe. */
#ifndef DYNO_RUNTIME_MEMORY_ARENA_H
#define DYNO_RUNTIME_MEMORY_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buffer.h"
#include "runtime/memory/buddy.h"
#include "runtime/memory/size_class.h"

enum { DYNO_ARENA_UNIT = 4096, DYNO_ARENA_LEAST_ORDER = 9 /* a huge page */ };

/* What is known of a block of whole units, at the unit in which what was asked for starts. */
typedef struct dyno_block {
  uint64_t bytes : 44; /* as asked for; 0: nothing, but for a slab */
  uint64_t purpose : 6;
  uint64_t front : 12; /* units before that one */
  uint64_t live : 1;
  uint64_t slab : 1; /* a slab starts here */
} dyno_block;

typedef struct dyno_arena {
  char *data;
  size_t bytes;
  dyno_buddy buddy;   /* of units */
  dyno_block *blocks; /* [units] */
  dyno_slab *slabs;   /* [bytes / DYNO_SLAB_BYTES] */
  dyno_small *smalls; /* [that][DYNO_SLAB_MOST_BLOCKS] */
  uint64_t *touched;  /* a bit for each huge page: part of it was handed out */
  size_t touched_pages;
  dyno_buffer memory, known;
} dyno_arena;

/* An arena of 2^order units, order from DYNO_ARENA_LEAST_ORDER to DYNO_BUDDY_MOST_ORDER. MEMORY,
 * and *arena is zeroed. */
dyno_status dyno_arena_open(dyno_arena *arena, unsigned order, dyno_pages pages, dyno_error *error);

/* Takes whole units for so many bytes at an alignment (a power of two); NULL where there are none.
 * With zeroed, the bytes are zero: they are written only on huge pages that were handed out before,
 * the others being so already. */
void *dyno_arena_take(dyno_arena *arena, size_t bytes, size_t alignment, bool zeroed);

/* Gives units back that were taken for so many bytes. */
void dyno_arena_give(dyno_arena *arena, void *data, size_t bytes);

bool dyno_arena_contains(const dyno_arena *arena, const void *address);
size_t dyno_arena_unit(const dyno_arena *arena, const void *address);

/* Gives the system free huge pages back that were in use, at most `most` of them; returns how
 * many. */
size_t dyno_arena_trim(dyno_arena *arena, size_t most);

/* Gives the system the pages that lie within [data, data + bytes). */
void dyno_arena_forget(void *data, size_t bytes);

/* A zeroed arena is fine. */
void dyno_arena_close(dyno_arena *arena);

#endif
