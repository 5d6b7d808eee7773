/* Blocks from malloc, with what is to be known of each in its last bytes. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/memory/allocator_internal.h"

typedef struct dyno_malloc_tail {
  struct dyno_malloc_tail *newer, *older;
  size_t bytes;
  dyno_purpose purpose;
  uintptr_t seal; /* of a live block */
} tail;

static const uintptr_t SEAL = (uintptr_t)0x64796e6f616c6c6full;

/* malloc tells how much there is of a block, and does not change it. */
static tail *tail_of(void *pointer)
{
  uintptr_t end = (uintptr_t)pointer + malloc_usable_size(pointer);
  return (tail *)((end - sizeof(tail)) & ~(uintptr_t)15);
}

/* On the same pages as those of arenas, so that what differs is the allocator. */
static void advise(const dyno_allocator *a, void *data, size_t bytes)
{
  uintptr_t begin = ((uintptr_t)data + DYNO_HUGE_PAGE - 1) & ~(DYNO_HUGE_PAGE - 1);
  uintptr_t end = ((uintptr_t)data + bytes) & ~(DYNO_HUGE_PAGE - 1);
  if (end > begin)
    madvise((void *)begin, end - begin,
            a->options.pages == DYNO_PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static dyno_grant take(dyno_allocator *a, const dyno_request *request)
{
  void *data;
  size_t zone = a->options.checks ? DYNO_RED_ZONE : 0;
  if (posix_memalign(&data, request->alignment, request->bytes + zone + sizeof(tail) + 16) != 0)
    return (dyno_grant){0};
  advise(a, data, request->bytes);
  tail *own = tail_of(data);
  *own = (tail){NULL, a->newest, request->bytes, request->purpose, SEAL ^ (uintptr_t)data};
  if (a->newest != NULL)
    a->newest->newer = own;
  a->newest = own;
  if (request->zeroed)
    memset(data, 0, request->bytes);
  else if (a->options.checks)
    dyno_fill_new(data, request->bytes);
  dyno_red_zone_fill((char *)data + request->bytes, zone);
  return (dyno_grant){data, request->bytes, malloc_usable_size(data), request->purpose};
}

static void *data_of(const tail *own)
{
  return (void *)(own->seal ^ SEAL);
}

static void check(const dyno_allocator *a, const tail *own)
{
  const dyno_grant block = {data_of(own), own->bytes, 0, own->purpose};
  if (a->options.checks)
    dyno_red_zone_check((char *)block.data + block.bytes, DYNO_RED_ZONE, &block, false);
}

static dyno_grant give(dyno_allocator *a, void *pointer)
{
  tail *own = tail_of(pointer);
  if (own->seal == (uintptr_t)pointer)
    dyno_fault_twice(pointer, own->bytes, own->purpose);
  if (own->seal != (SEAL ^ (uintptr_t)pointer))
    dyno_fault_foreign(pointer);
  check(a, own);
  const dyno_grant block = {NULL, own->bytes, malloc_usable_size(pointer), own->purpose};
  if (own->newer != NULL)
    own->newer->older = own->older;
  else
    a->newest = own->older;
  if (own->older != NULL)
    own->older->newer = own->newer;
  own->seal = (uintptr_t)pointer;
  if (a->options.checks)
    dyno_fill_old(pointer, block.bytes);
  free(pointer);
  return block;
}

static void for_each(dyno_allocator *a, dyno_block_visit *visit, void *context)
{
  for (const tail *own = a->newest; own != NULL; own = own->older)
    visit(context, data_of(own), own->bytes, own->purpose);
}

static void verify(dyno_allocator *a)
{
  for (const tail *own = a->newest; own != NULL; own = own->older)
    check(a, own);
}

const dyno_allocator_source dyno_malloc_source = {take, give, for_each, verify};
