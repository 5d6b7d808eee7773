#include "tests/unit/allocator_shadow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/allocator_internal.h"
#include "tests/unit/random.h"

enum { MOST_THREADS = 16, SLOTS = 64 /* of a thread */, GRANULE = 64, WORD = 64 };

#define ARENA_BYTES ((size_t)256 << 20)

typedef struct slot {
  char *data;
  size_t bytes;
  uint64_t tag;
  dyno_purpose purpose;
} slot;

typedef struct shadow {
  const shadow_options *options;
  dyno_allocator *allocator;
  _Atomic(uint64_t) *owned; /* a bit for each granule of the first arena */
  const char *base;
  pthread_mutex_t locks[MOST_THREADS];
  slot slots[MOST_THREADS][SLOTS];
  atomic_uint_fast64_t live[DYNO_PURPOSE_COUNT];
  char *text;
  atomic_bool failed;
} shadow;

typedef struct worker {
  shadow *all;
  unsigned number;
  pthread_t thread;
} worker;

static void fail(shadow *s, const char *what, const slot *block)
{
  if (!atomic_exchange(&s->failed, true))
    snprintf(s->text, 256, "%zu bytes at %p: %s", block->bytes, (void *)block->data, what);
}

/* Takes or leaves the granules of a block; false when one is not as it should be. */
static bool own(shadow *s, const slot *block, bool take)
{
  if (s->owned == NULL)
    return true;
  size_t begin = (size_t)(block->data - s->base) / GRANULE;
  size_t end = begin + (block->bytes + GRANULE - 1) / GRANULE;
  if ((uintptr_t)block->data - (uintptr_t)s->base >= ARENA_BYTES || end * GRANULE > ARENA_BYTES)
    return false;
  bool right = true;
  for (size_t at = begin; at < end;) {
    size_t until = (at / WORD + 1) * WORD < end ? (at / WORD + 1) * WORD : end;
    uint64_t bits = ~UINT64_C(0) >> (WORD - (until - at)) << at % WORD;
    uint64_t before = take ? atomic_fetch_or(&s->owned[at / WORD], bits)
                           : atomic_fetch_and(&s->owned[at / WORD], ~bits);
    right = right && (before & bits) == (take ? 0 : bits);
    at = until;
  }
  return right;
}

/* The last bytes of a block say whose it is, and so do the first. */
static void sign(const slot *block)
{
  size_t bytes = block->bytes < sizeof block->tag ? block->bytes : sizeof block->tag;
  memcpy(block->data, &block->tag, bytes);
  memcpy(block->data + block->bytes - bytes, &block->tag, bytes);
}

static bool is_signed(const slot *block)
{
  size_t bytes = block->bytes < sizeof block->tag ? block->bytes : sizeof block->tag;
  return (block->bytes < 2 * bytes || memcmp(block->data, &block->tag, bytes) == 0) &&
         memcmp(block->data + block->bytes - bytes, &block->tag, bytes) == 0;
}

static size_t random_size(uint64_t *state)
{
  size_t kind = random_below(state, 100);
  size_t most = kind < 55 ? 1000 : kind < 80 ? 20000 : kind < 99 ? 200000 : 5 << 20;
  return 1 + random_below(state, most);
}

static void allocate(shadow *s, slot *block, uint64_t *state)
{
  bool zeroed = random_below(state, 16) == 0;
  size_t alignment = (size_t)1 << random_below(state, random_below(state, 50) == 0 ? 22 : 13);
  *block = (slot){
      .bytes = random_size(state),
      .tag = random_next(state),
      .purpose = (dyno_purpose)random_below(state, DYNO_PURPOSE_COUNT),
  };
  block->data = zeroed ? dyno_allocate_zeroed(s->allocator, block->bytes, alignment, block->purpose)
                       : dyno_allocate(s->allocator, block->bytes, alignment, block->purpose);
  if (block->data == NULL || (uintptr_t)block->data % alignment != 0)
    fail(s, "no memory, or not aligned", block);
  else if (!own(s, block, true))
    fail(s, "handed out twice", block);
  for (size_t i = 0; zeroed && block->data != NULL && i < block->bytes; i += 61)
    if (block->data[i] != 0)
      fail(s, "not zero", block);
  if (atomic_load(&s->failed))
    return;
  sign(block);
  atomic_fetch_add(&s->live[block->purpose], block->bytes);
}

static void release(shadow *s, slot *block)
{
  if (!is_signed(block))
    fail(s, "somebody else wrote to it", block);
  else if (!own(s, block, false))
    fail(s, "the shadow is wrong", block);
  else {
    atomic_fetch_sub(&s->live[block->purpose], block->bytes);
    dyno_release(s->allocator, block->data);
  }
  *block = (slot){0};
}

static void *work(void *argument)
{
  const worker *self = argument;
  shadow *s = self->all;
  uint64_t state = s->options->seed * 1000 + self->number;
  size_t operations = s->options->operations / s->options->threads;
  for (size_t i = 0; i < operations && !atomic_load(&s->failed); i++) {
    unsigned whose = self->number;
    if (s->options->shared)
      whose = (unsigned)random_below(&state, s->options->threads);
    pthread_mutex_lock(&s->locks[whose]);
    slot *block = &s->slots[whose][random_below(&state, SLOTS)];
    if (block->data == NULL)
      allocate(s, block, &state);
    else
      release(s, block);
    pthread_mutex_unlock(&s->locks[whose]);
    if (random_below(&state, 2000) == 0)
      dyno_allocator_trim(s->allocator, (size_t)8 << 20);
  }
  return NULL;
}

static void run_workers(shadow *s)
{
  worker workers[MOST_THREADS];
  for (unsigned i = 0; i < s->options->threads; i++) {
    workers[i] = (worker){.all = s, .number = i};
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
      abort();
  }
  for (unsigned i = 0; i < s->options->threads; i++)
    pthread_join(workers[i].thread, NULL);
}

/* The statistics against the shadow's sums, before and after everything came back. */
static void check_end(shadow *s)
{
  dyno_allocator_statistics statistics = dyno_allocator_get_statistics(s->allocator);
  for (size_t i = 0; i < DYNO_PURPOSE_COUNT; i++)
    if (statistics.purposes[i].live != atomic_load(&s->live[i]))
      fail(s, "the sums of the statistics are wrong", &s->slots[0][0]);
  dyno_allocator_verify(s->allocator);
  for (unsigned t = 0; t < s->options->threads; t++)
    for (size_t i = 0; i < SLOTS && !atomic_load(&s->failed); i++)
      if (s->slots[t][i].data != NULL)
        release(s, &s->slots[t][i]);
  dyno_allocator_trim(s->allocator, SIZE_MAX);
  statistics = dyno_allocator_get_statistics(s->allocator);
  if (statistics.blocks != 0 || statistics.total.live != 0 || statistics.given != 0 ||
      statistics.held != 0 || statistics.allocations != statistics.releases)
    fail(s, "something is left at the end", &s->slots[0][0]);
  for (size_t i = 0; i < s->allocator->arena_count; i++) {
    const dyno_arena *arena = &s->allocator->arenas[i];
    size_t units = arena->bytes / DYNO_ARENA_UNIT;
    if (arena->buddy.free != units || dyno_buddy_largest(&arena->buddy) != units)
      fail(s, "an arena is not one free block at the end", &s->slots[0][0]);
  }
}

static void find_base(void *context, const void *data, size_t bytes, bool known)
{
  shadow *s = context;
  if (!known && bytes == ARENA_BYTES && s->base == NULL)
    s->base = data;
}

const char *shadow_run(char text[256], const shadow_options *options)
{
  const dyno_allocator_options how = {
      .kind = options->kind, .checks = options->checks, .arena_bytes = ARENA_BYTES};
  shadow *s = calloc(1, sizeof *s);
  if (s == NULL || dyno_allocator_open(&s->allocator, &how, NULL) != DYNO_OK)
    abort();
  s->options = options;
  s->text = text;
  for (size_t i = 0; i < MOST_THREADS; i++)
    pthread_mutex_init(&s->locks[i], NULL);
  if (options->kind == DYNO_ALLOC_BUDDY) {
    dyno_release(s->allocator, dyno_allocate(s->allocator, 1, 1, DYNO_PURPOSE_OTHER));
    dyno_allocator_for_each_arena(s->allocator, find_base, s);
    s->owned = calloc(ARENA_BYTES / GRANULE / WORD, sizeof *s->owned);
    if (s->base == NULL || s->owned == NULL)
      abort();
  }
  run_workers(s);
  if (!atomic_load(&s->failed))
    check_end(s);
  bool failed = atomic_load(&s->failed);
  dyno_allocator_close(&s->allocator);
  for (size_t i = 0; i < MOST_THREADS; i++)
    pthread_mutex_destroy(&s->locks[i]);
  free((void *)s->owned);
  free(s);
  return failed ? text : NULL;
}
