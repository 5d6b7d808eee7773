#include "runtime/memory/allocator.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runtime/memory/allocator_internal.h"

#define DEFAULT_ARENA ((size_t)1 << 30)
#define MOST_BYTES ((size_t)1 << 42)

static const char *const purpose_names[DYNO_PURPOSE_COUNT] = {
    [DYNO_PURPOSE_KV] = "kv",
    [DYNO_PURPOSE_WORKSPACE] = "workspace",
    [DYNO_PURPOSE_CACHE_L1] = "cache-l1",
    [DYNO_PURPOSE_CACHE_L2] = "cache-l2",
    [DYNO_PURPOSE_CACHE_L3] = "cache-l3",
    [DYNO_PURPOSE_OTHER] = "other",
};

static const dyno_allocator_source *const sources[DYNO_ALLOC_KIND_COUNT] = {
    [DYNO_ALLOC_BUDDY] = &dyno_buddy_source,
    [DYNO_ALLOC_MALLOC] = &dyno_malloc_source,
};

const char *dyno_purpose_name(dyno_purpose purpose)
{
  return purpose < DYNO_PURPOSE_COUNT ? purpose_names[purpose] : "nothing known";
}

dyno_purpose dyno_purpose_parse(const char *name)
{
  dyno_purpose purpose = 0;
  while (purpose < DYNO_PURPOSE_COUNT && strcmp(purpose_names[purpose], name) != 0)
    purpose++;
  return purpose;
}

dyno_status dyno_allocator_open(dyno_allocator **allocator, const dyno_allocator_options *options,
                                dyno_error *error)
{
  dyno_allocator *made = calloc(1, sizeof *made);
  *allocator = made;
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "allocator: out of memory");
  if (options != NULL)
    made->options = *options;
  if (made->options.arena_bytes == 0)
    made->options.arena_bytes = DEFAULT_ARENA;
  made->source = sources[made->options.kind];
  made->opened_ns = dyno_clock_ns();
  for (size_t i = 0; i < DYNO_PURPOSE_COUNT; i++)
    made->accounts[i].since_ns = made->opened_ns;
  made->total.since_ns = made->opened_ns;
  pthread_mutex_init(&made->lock, NULL);
  if (made->options.record != NULL)
    fputs(DYNO_ALLOCATION_TRACE_HEAD "\n", made->options.record);
  return DYNO_OK;
}

void dyno_allocator_close(dyno_allocator **allocator)
{
  dyno_allocator *closing = *allocator;
  if (closing == NULL)
    return;
  for (size_t i = 0; i < closing->arena_count; i++)
    dyno_arena_close(&closing->arenas[i]);
  pthread_mutex_destroy(&closing->lock);
  free(closing);
  *allocator = NULL;
}

/* Accounts */

static void book(dyno_account *account, uint64_t added, uint64_t removed, uint64_t now)
{
  account->integral += (double)account->live * (double)(now - account->since_ns);
  account->since_ns = now;
  account->live += added - removed;
  if (account->live > account->peak)
    account->peak = account->live;
}

static void book_block(dyno_allocator *a, const dyno_grant *block, bool taken, uint64_t now)
{
  uint64_t added = taken ? block->bytes : 0, removed = taken ? 0 : block->bytes;
  now = a->options.timed ? now : a->opened_ns;
  book(&a->accounts[block->purpose], added, removed, now);
  book(&a->total, added, removed, now);
  dyno_allocator_statistics *counts = &a->counts;
  counts->given += taken ? block->given : -(uint64_t)block->given;
  counts->blocks += taken ? 1 : UINT64_MAX;
  if (!taken)
    return;
  uint64_t held = 0;
  for (size_t i = 0; i < a->arena_count; i++)
    held += a->arenas[i].touched_pages * DYNO_HUGE_PAGE;
  if (held > counts->held_peak)
    counts->held_peak = held;
}

static uint64_t clock_of(const dyno_allocator *a)
{
  return a->options.timed ? dyno_clock_ns() : 0;
}

static void count_latency(uint64_t buckets[DYNO_LATENCY_BUCKETS], uint64_t ns)
{
  unsigned bucket = ns <= 1 ? 0 : 63 - (unsigned)__builtin_clzll(ns);
  buckets[bucket < DYNO_LATENCY_BUCKETS ? bucket : DYNO_LATENCY_BUCKETS - 1]++;
}

/* Operations */

static void *allocate(dyno_allocator *a, dyno_request request)
{
  bool possible = request.bytes <= MOST_BYTES && request.alignment <= DYNO_HUGE_PAGE &&
                  (request.alignment & (request.alignment - 1)) == 0;
  uint64_t start = clock_of(a);
  if (request.bytes == 0)
    request.bytes = 1;
  if (request.alignment < DYNO_SMALL_UNIT)
    request.alignment = DYNO_SMALL_UNIT;
  pthread_mutex_lock(&a->lock);
  const dyno_grant block = possible ? a->source->take(a, &request) : (dyno_grant){0};
  a->counts.allocations++;
  a->counts.failures += block.data == NULL;
  uint64_t end = clock_of(a);
  if (block.data != NULL)
    book_block(a, &block, true, end);
  if (a->options.timed)
    count_latency(a->counts.allocation_ns, end - start);
  if (a->options.record != NULL && block.data != NULL)
    fprintf(a->options.record, "+ %" PRIxPTR " %zu %zu %s\n", (uintptr_t)block.data, request.bytes,
            request.alignment, dyno_purpose_name(request.purpose));
  pthread_mutex_unlock(&a->lock);
  return block.data;
}

void *dyno_allocate(dyno_allocator *allocator, size_t bytes, size_t alignment, dyno_purpose purpose)
{
  return allocate(allocator, (dyno_request){bytes, alignment, purpose, false});
}

void *dyno_allocate_zeroed(dyno_allocator *allocator, size_t bytes, size_t alignment,
                           dyno_purpose purpose)
{
  return allocate(allocator, (dyno_request){bytes, alignment, purpose, true});
}

void dyno_release(dyno_allocator *a, void *pointer)
{
  if (pointer == NULL)
    return;
  uint64_t start = clock_of(a);
  pthread_mutex_lock(&a->lock);
  const dyno_grant block = a->source->give(a, pointer);
  a->counts.releases++;
  uint64_t end = clock_of(a);
  book_block(a, &block, false, end);
  if (a->options.timed)
    count_latency(a->counts.release_ns, end - start);
  if (a->options.record != NULL)
    fprintf(a->options.record, "- %" PRIxPTR "\n", (uintptr_t)pointer);
  pthread_mutex_unlock(&a->lock);
}

void dyno_allocator_verify(dyno_allocator *a)
{
  pthread_mutex_lock(&a->lock);
  if (a->options.checks)
    a->source->verify(a);
  pthread_mutex_unlock(&a->lock);
}

void dyno_allocator_for_each(dyno_allocator *a, dyno_block_visit *visit, void *context)
{
  pthread_mutex_lock(&a->lock);
  a->source->for_each(a, visit, context);
  pthread_mutex_unlock(&a->lock);
}

/* Statistics */

static dyno_memory_use use_of(const dyno_allocator *a, const dyno_account *account, uint64_t now)
{
  dyno_memory_use use = {account->live, account->peak, NAN};
  if (a->options.timed && now > a->opened_ns)
    use.average = (account->integral + (double)account->live * (double)(now - account->since_ns)) /
                  (double)(now - a->opened_ns);
  return use;
}

dyno_allocator_statistics dyno_allocator_get_statistics(dyno_allocator *a)
{
  pthread_mutex_lock(&a->lock);
  uint64_t now = clock_of(a);
  dyno_allocator_statistics statistics = a->counts;
  for (size_t i = 0; i < DYNO_PURPOSE_COUNT; i++)
    statistics.purposes[i] = use_of(a, &a->accounts[i], now);
  statistics.total = use_of(a, &a->total, now);
  for (size_t i = 0; i < a->arena_count; i++) {
    statistics.held += a->arenas[i].touched_pages * DYNO_HUGE_PAGE;
    statistics.reserved += a->arenas[i].bytes;
  }
  if (a->options.kind == DYNO_ALLOC_MALLOC)
    statistics.held = statistics.given;
  pthread_mutex_unlock(&a->lock);
  return statistics;
}

uint64_t dyno_allocator_live(dyno_allocator *a, dyno_purpose purpose)
{
  pthread_mutex_lock(&a->lock);
  uint64_t live = a->accounts[purpose].live;
  pthread_mutex_unlock(&a->lock);
  return live;
}
