/* The memory of an engine's sequences and caches: who has how much of it, and for what.
 *
 * Large blocks are runs of small pages cut from arenas the buddy way (buddy.h, arena.h), small ones
 * come from slabs of their size (size_class.h). Or both come from malloc, to compare with.
 *
 * All functions may be called by any thread at any time, but for open and close. */
#ifndef DYNO_RUNTIME_MEMORY_ALLOCATOR_H
#define DYNO_RUNTIME_MEMORY_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/buffer.h"
#include "kernels/base/status.h"
#include "runtime/placement.h"

typedef struct dyno_allocator dyno_allocator;

/* The first line of what dyno_allocator_options.record gets. */
#define DYNO_ALLOCATION_TRACE_HEAD "dyno allocations 1"

/* What a block is for. */
typedef enum dyno_purpose {
  DYNO_PURPOSE_KV,        /* keys and values of sequences */
  DYNO_PURPOSE_WORKSPACE, /* hidden states, scratch, logits */
  DYNO_PURPOSE_CACHE_L1,  /* embedding rows */
  DYNO_PURPOSE_CACHE_L2,  /* keys and values of prefixes, and what finds them */
  DYNO_PURPOSE_CACHE_L3,  /* the same, compressed */
  DYNO_PURPOSE_OTHER,
  DYNO_PURPOSE_COUNT
} dyno_purpose;

/* "kv", "workspace", "cache-l1", ..., "other"; and back, DYNO_PURPOSE_COUNT for anything else. */
const char *dyno_purpose_name(dyno_purpose purpose);
dyno_purpose dyno_purpose_parse(const char *name);

typedef struct dyno_allocator_options {
  dyno_allocator_kind kind;
  dyno_pages pages;
  /* Fills what is handed out and what comes back with bytes that make numbers absurd, keeps red
   * zones around every block, and looks at them when it comes back. */
  bool checks;
  /* Reads the clock with every operation: averages over time, and how long operations take. */
  bool timed;
  /* Gives the system the pages of large blocks when they come back, so that those who use them next
   * have them on their node. For several NUMA nodes: it costs a page fault for each. */
  bool forget;
  size_t arena_bytes; /* of addresses, of the first arena; 0: 1 GiB */
  FILE *record;       /* a line for each operation (docs/memory.md); NULL: none. Not owned */
} dyno_allocator_options;

/* Takes addresses, hardly any memory. MEMORY, and *allocator is NULL. options may be NULL: the
 * buddy allocator on huge pages. */
dyno_status dyno_allocator_open(dyno_allocator **allocator, const dyno_allocator_options *options,
                                dyno_error *error);

/* Every block must have come back, or be forgotten. Sets *allocator to NULL; NULL is fine. */
void dyno_allocator_close(dyno_allocator **allocator);

/* A block of so many bytes (0 counts as 1) at an address that is a multiple of alignment, a power
 * of two up to 2 MiB; of 64 at least, and of a small page from 16 KiB on. NULL when there is no
 * memory or the size is absurd. What it holds is undefined: whatever was there before. */
void *dyno_allocate(dyno_allocator *allocator, size_t bytes, size_t alignment,
                    dyno_purpose purpose);

/* The same, and the bytes are zero. Huge pages that are new from the system are not written to. */
void *dyno_allocate_zeroed(dyno_allocator *allocator, size_t bytes, size_t alignment,
                           dyno_purpose purpose);

/* Takes a block back; NULL is fine. A pointer that is none of its blocks, or came back already,
 * ends the program with a message, and so does, with checks, a block that was written beyond
 * (malloc sees less: what it does not know at all, it may not survive looking at). */
void dyno_release(dyno_allocator *allocator, void *pointer);

/* Gives the system huge pages back that hold no block, at most `most` bytes of them, and empty
 * slabs to the arenas; returns the bytes. Others wait meanwhile: some 50 us for a page. */
size_t dyno_allocator_trim(dyno_allocator *allocator, size_t most);

/* Looks at the red zones of every block, now: ends the program like dyno_release. Without checks
 * there are none. */
void dyno_allocator_verify(dyno_allocator *allocator);

/* Bytes as asked for, rounding left out. */
typedef struct dyno_memory_use {
  uint64_t live, peak;
  double average; /* over the time since the allocator was opened; NAN unless timed */
} dyno_memory_use;

enum { DYNO_LATENCY_BUCKETS = 40 };

typedef struct dyno_allocator_statistics {
  dyno_memory_use purposes[DYNO_PURPOSE_COUNT], total;
  uint64_t blocks;                /* live */
  uint64_t allocations, releases; /* operations so far */
  uint64_t failures;              /* allocations of them that found no memory */
  uint64_t given; /* live bytes, with what rounding and red zones add: 1 - live / given is the
                     internal fragmentation */
  uint64_t held;  /* bytes of the huge pages that have had a block since the system gave them, and
                     the most that can be in memory: 1 - given / held is the external
                     fragmentation. As given for malloc, which does not tell */
  uint64_t held_peak;
  uint64_t reserved; /* bytes of addresses */
  /* How often an allocation, a release took from 2^i to 2^(i + 1) - 1 ns; 0 unless timed. */
  uint64_t allocation_ns[DYNO_LATENCY_BUCKETS], release_ns[DYNO_LATENCY_BUCKETS];
} dyno_allocator_statistics;

dyno_allocator_statistics dyno_allocator_get_statistics(dyno_allocator *allocator);

/* Bytes that are live for a purpose. */
uint64_t dyno_allocator_live(dyno_allocator *allocator, dyno_purpose purpose);

/* Calls visit with every live block. It must not call the allocator, whose other users wait. */
typedef void dyno_block_visit(void *context, const void *data, size_t bytes, dyno_purpose purpose);
void dyno_allocator_for_each(dyno_allocator *allocator, dyno_block_visit *visit, void *context);

/* Calls visit with each arena and, known being true, with where what is known of its blocks is.
 * Nothing for malloc. */
typedef void dyno_arena_visit(void *context, const void *data, size_t bytes, bool known);
void dyno_allocator_for_each_arena(dyno_allocator *allocator, dyno_arena_visit *visit,
                                   void *context);

#endif
