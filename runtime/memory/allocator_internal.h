/* What the parts of the allocator share. */
#ifndef DYNO_RUNTIME_MEMORY_ALLOCATOR_INTERNAL_H
#define DYNO_RUNTIME_MEMORY_ALLOCATOR_INTERNAL_H

#include <pthread.h>

#include "runtime/memory/allocator.h"
#include "runtime/memory/arena.h"
#include "runtime/memory/size_class.h"

/* Each is at least as large as all before: addresses for 2^24 times the first one. */
enum { DYNO_MOST_ARENAS = 24 };

/* With checks, so many bytes at least after a block, and before it where it comes from an arena. */
enum { DYNO_RED_ZONE = 64 };

/* What a block takes: as asked for, and as given. */
typedef struct dyno_grant {
  void *data; /* NULL: there is no memory */
  size_t bytes, given;
  dyno_purpose purpose;
} dyno_grant;

typedef struct dyno_request {
  size_t bytes, alignment;
  dyno_purpose purpose;
  bool zeroed;
} dyno_request;

/* Where blocks come from. All are called with the allocator locked. */
typedef struct dyno_allocator_source {
  dyno_grant (*take)(dyno_allocator *allocator, const dyno_request *request);
  /* What it took; ends the program on a fault. */
  dyno_grant (*give)(dyno_allocator *allocator, void *pointer);
  void (*for_each)(dyno_allocator *allocator, dyno_block_visit *visit, void *context);
  void (*verify)(dyno_allocator *allocator);
} dyno_allocator_source;

extern const dyno_allocator_source dyno_buddy_source, dyno_malloc_source;

typedef struct dyno_account {
  uint64_t live, peak;
  double integral;   /* byte-nanoseconds up to then */
  uint64_t since_ns; /* then */
} dyno_account;

struct dyno_allocator {
  pthread_mutex_t lock;
  dyno_allocator_options options;
  const dyno_allocator_source *source;
  uint64_t opened_ns;

  dyno_arena arenas[DYNO_MOST_ARENAS];
  size_t arena_count;
  dyno_size_classes classes;
  struct dyno_malloc_tail *newest; /* of malloc's blocks */

  dyno_account accounts[DYNO_PURPOSE_COUNT], total;
  dyno_allocator_statistics counts; /* but for what is above, and arenas */
};

/* Faults of the program: each prints a line and aborts. */
_Noreturn void dyno_fault_foreign(const void *pointer);
_Noreturn void dyno_fault_twice(const void *pointer, size_t bytes, dyno_purpose purpose);

/* Red zones: writes [data, data + bytes), or looks at it. before: they lie before the block. */
void dyno_red_zone_fill(void *data, size_t bytes);
void dyno_red_zone_check(const void *data, size_t bytes, const dyno_grant *block, bool before);

/* What blocks hold when they are handed out, and when they came back, with checks. */
void dyno_fill_new(void *data, size_t bytes);
void dyno_fill_old(void *data, size_t bytes);

#endif
