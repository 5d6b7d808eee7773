/* Blocks from arenas: whole units, or pieces of slabs. */
#include <string.h>

#include "runtime/memory/allocator_internal.h"

enum { UNIT = DYNO_ARENA_UNIT };

/* Of a red zone that may be as long as a huge page, so much next to the block is looked at. */
enum { MOST_RED = 4096 };

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t whole_units(size_t bytes)
{
  return (bytes + UNIT - 1) / UNIT * UNIT;
}

static unsigned order_for(size_t bytes)
{
  unsigned order = DYNO_ARENA_LEAST_ORDER;
  while (order < DYNO_BUDDY_MOST_ORDER && (size_t)UNIT << order < bytes)
    order++;
  return order;
}

/* Arenas */

static bool add_arena(dyno_allocator *a, size_t bytes)
{
  unsigned least = order_for(bytes);
  unsigned order = order_for(a->options.arena_bytes);
  if (a->arena_count == DYNO_MOST_ARENAS)
    return false;
  if (a->arena_count > 1)
    order += (unsigned)a->arena_count - 1;
  if (order > DYNO_BUDDY_MOST_ORDER)
    order = DYNO_BUDDY_MOST_ORDER;
  if (order < least)
    order = least;
  /* Addresses may be limited: what is wanted now will do. */
  for (; order >= least; order--)
    if (dyno_arena_open(&a->arenas[a->arena_count], order, a->options.pages, NULL) == DYNO_OK) {
      a->arena_count++;
      return true;
    }
  return false;
}

static char *take_units(dyno_allocator *a, size_t bytes, size_t alignment, bool zeroed,
                        dyno_arena **from)
{
  /* Pages that are given back at once are zero when they are taken again. */
  zeroed = zeroed && !a->options.forget;
  for (size_t i = 0; i < a->arena_count || add_arena(a, larger(bytes, alignment)); i++) {
    *from = &a->arenas[i];
    char *taken = dyno_arena_take(*from, bytes, alignment, zeroed);
    if (taken != NULL)
      return taken;
  }
  return NULL;
}

static void give_units(dyno_allocator *a, dyno_arena *arena, char *data, size_t bytes)
{
  if (a->options.forget)
    dyno_arena_forget(data, whole_units(bytes));
  dyno_arena_give(arena, data, bytes);
}

static dyno_arena *arena_of(dyno_allocator *a, const void *pointer)
{
  for (size_t i = 0; i < a->arena_count; i++)
    if (dyno_arena_contains(&a->arenas[i], pointer))
      return &a->arenas[i];
  return NULL;
}

static dyno_block *block_at(dyno_arena *arena, const void *address)
{
  return &arena->blocks[dyno_arena_unit(arena, address)];
}

/* Slabs */

static bool add_slab(dyno_allocator *a, unsigned size_class)
{
  dyno_arena *arena;
  char *data = take_units(a, DYNO_SLAB_BYTES, DYNO_SLAB_BYTES, false, &arena);
  if (data == NULL)
    return false;
  size_t index = (size_t)(data - arena->data) / DYNO_SLAB_BYTES;
  *block_at(arena, data) = (dyno_block){.slab = 1};
  dyno_slab_open(&a->classes, &arena->slabs[index], size_class, data,
                 arena->smalls + index * DYNO_SLAB_MOST_BLOCKS);
  return true;
}

static void drop_slab(dyno_allocator *a, dyno_slab *slab)
{
  dyno_arena *arena = arena_of(a, slab->data);
  *block_at(arena, slab->data) = (dyno_block){0};
  give_units(a, arena, slab->data, DYNO_SLAB_BYTES);
}

/* The slab that an address of the arena lies in, or NULL. */
static dyno_slab *slab_at(dyno_arena *arena, const void *address)
{
  size_t index = (size_t)((const char *)address - arena->data) / DYNO_SLAB_BYTES;
  const dyno_block *start = block_at(arena, arena->data + index * DYNO_SLAB_BYTES);
  return start->slab ? &arena->slabs[index] : NULL;
}

/* Red zones */

/* Of what was given for a block, `before` bytes lie before it. */
static void check_zones(const dyno_grant *block, size_t before)
{
  const char *data = block->data;
  size_t after = block->given - before - block->bytes, near = smaller(before, MOST_RED);
  dyno_red_zone_check(data - near, near, block, true);
  dyno_red_zone_check(data + block->bytes, smaller(after, MOST_RED), block, false);
}

static void fill_zones(const dyno_grant *block, size_t before, bool zeroed)
{
  char *data = block->data;
  size_t after = block->given - before - block->bytes, near = smaller(before, MOST_RED);
  dyno_red_zone_fill(data - near, near);
  dyno_red_zone_fill(data + block->bytes, smaller(after, MOST_RED));
  if (!zeroed)
    dyno_fill_new(data, block->bytes);
}

/* Blocks */

static dyno_grant take_small(dyno_allocator *a, const dyno_request *request, unsigned size_class,
                             size_t before)
{
  dyno_small *small;
  char *data = dyno_small_take(&a->classes, size_class, &small);
  if (data == NULL && add_slab(a, size_class))
    data = dyno_small_take(&a->classes, size_class, &small);
  if (data == NULL)
    return (dyno_grant){0};
  *small = (dyno_small){
      .bytes = (uint16_t)request->bytes,
      .purpose = request->purpose & 0x7f,
      .front = (uint8_t)(before / DYNO_SMALL_UNIT),
      .live = 1,
  };
  if (request->zeroed)
    memset(data + before, 0, request->bytes);
  return (dyno_grant){data + before, request->bytes, dyno_size_class_bytes(size_class),
                      request->purpose};
}

static dyno_grant take_large(dyno_allocator *a, const dyno_request *request, size_t total,
                             size_t before)
{
  dyno_arena *arena;
  char *data = take_units(a, total, request->alignment, request->zeroed, &arena);
  if (data == NULL)
    return (dyno_grant){0};
  *block_at(arena, data + before) = (dyno_block){
      .bytes = request->bytes & (((uint64_t)1 << 44) - 1),
      .purpose = request->purpose & 0x3f,
      .front = before / UNIT & 0xfff,
      .live = 1,
  };
  return (dyno_grant){data + before, request->bytes, whole_units(total), request->purpose};
}

static dyno_grant take(dyno_allocator *a, const dyno_request *request)
{
  bool checks = a->options.checks;
  size_t zones = checks ? larger(DYNO_RED_ZONE, request->alignment) + DYNO_RED_ZONE : 0;
  unsigned size_class = dyno_size_class_for(request->bytes + zones, request->alignment);
  size_t before = 0;
  dyno_grant block;
  if (size_class < DYNO_SIZE_CLASSES) {
    before = checks ? larger(DYNO_RED_ZONE, request->alignment) : 0;
    block = take_small(a, request, size_class, before);
  } else {
    before = checks ? larger(UNIT, request->alignment) : 0;
    block = take_large(a, request, before + request->bytes + (checks ? DYNO_RED_ZONE : 0), before);
  }
  if (block.data != NULL && checks)
    fill_zones(&block, before, request->zeroed);
  return block;
}

static dyno_grant small_grant(const dyno_slab *slab, size_t index)
{
  const dyno_small *small = &slab->blocks[index];
  size_t given = dyno_size_class_bytes(slab->size_class);
  return (dyno_grant){
      .data = slab->data + index * given + (size_t)small->front * DYNO_SMALL_UNIT,
      .bytes = small->bytes,
      .given = given,
      .purpose = small->purpose,
  };
}

static dyno_grant large_grant(const dyno_allocator *a, const dyno_arena *arena, size_t unit)
{
  const dyno_block *block = &arena->blocks[unit];
  size_t zones = a->options.checks ? (size_t)block->front * UNIT + DYNO_RED_ZONE : 0;
  return (dyno_grant){
      .data = arena->data + unit * UNIT,
      .bytes = block->bytes,
      .given = whole_units(block->bytes + zones),
      .purpose = block->purpose,
  };
}

static void check_found(const dyno_grant *block, const void *pointer, bool live)
{
  if (block->bytes == 0 || block->data != pointer)
    dyno_fault_foreign(pointer);
  if (!live)
    dyno_fault_twice(pointer, block->bytes, block->purpose);
}

static dyno_grant give_small(dyno_allocator *a, dyno_slab *slab, void *pointer)
{
  size_t index = dyno_small_index(slab, pointer);
  dyno_small *small = &slab->blocks[index];
  dyno_grant block = small_grant(slab, index);
  check_found(&block, pointer, small->live);
  if (a->options.checks) {
    check_zones(&block, (size_t)small->front * DYNO_SMALL_UNIT);
    dyno_fill_old(pointer, block.bytes);
  }
  small->live = 0;
  if (dyno_small_give(&a->classes, slab, index))
    drop_slab(a, slab);
  return block;
}

static dyno_grant give_large(dyno_allocator *a, dyno_arena *arena, void *pointer)
{
  size_t unit = dyno_arena_unit(arena, pointer);
  dyno_block *found = &arena->blocks[unit];
  dyno_grant block = large_grant(a, arena, unit);
  check_found(&block, pointer, found->live);
  size_t before = found->front * UNIT;
  if (a->options.checks) {
    check_zones(&block, before);
    dyno_fill_old(pointer, block.bytes);
  }
  found->live = 0;
  give_units(a, arena, (char *)pointer - before, block.given);
  return block;
}

static dyno_grant give(dyno_allocator *a, void *pointer)
{
  dyno_arena *arena = arena_of(a, pointer);
  if (arena == NULL)
    dyno_fault_foreign(pointer);
  dyno_slab *slab = slab_at(arena, pointer);
  return slab != NULL ? give_small(a, slab, pointer) : give_large(a, arena, pointer);
}

/* All blocks */

typedef void grant_visit(void *context, const dyno_grant *block, size_t before);

static void visit_slab(const dyno_slab *slab, grant_visit *visit, void *context)
{
  size_t count = DYNO_SLAB_BYTES / dyno_size_class_bytes(slab->size_class);
  for (size_t i = 0; i < count; i++)
    if (slab->blocks[i].live) {
      const dyno_grant block = small_grant(slab, i);
      visit(context, &block, (size_t)slab->blocks[i].front * DYNO_SMALL_UNIT);
    }
}

static void visit_arena(dyno_allocator *a, dyno_arena *arena, grant_visit *visit, void *context)
{
  for (size_t unit = 0; unit < arena->bytes / UNIT;) {
    const dyno_block *found = &arena->blocks[unit];
    size_t bytes = found->slab ? DYNO_SLAB_BYTES : UNIT;
    if (found->slab) {
      visit_slab(slab_at(arena, arena->data + unit * UNIT), visit, context);
    } else if (found->live) {
      const dyno_grant block = large_grant(a, arena, unit);
      visit(context, &block, found->front * UNIT);
      bytes = block.given - found->front * UNIT;
    }
    unit += bytes / UNIT;
  }
}

static void visit_all(dyno_allocator *a, grant_visit *visit, void *context)
{
  for (size_t i = 0; i < a->arena_count; i++)
    visit_arena(a, &a->arenas[i], visit, context);
}

typedef struct visitor {
  dyno_block_visit *visit;
  void *context;
} visitor;

static void show_block(void *context, const dyno_grant *block, size_t before)
{
  const visitor *who = context;
  (void)before;
  who->visit(who->context, block->data, block->bytes, block->purpose);
}

static void for_each(dyno_allocator *a, dyno_block_visit *visit, void *context)
{
  visitor who = {visit, context};
  visit_all(a, show_block, &who);
}

static void check_block(void *context, const dyno_grant *block, size_t before)
{
  (void)context;
  check_zones(block, before);
}

static void verify(dyno_allocator *a)
{
  visit_all(a, check_block, NULL);
}

const dyno_allocator_source dyno_buddy_source = {take, give, for_each, verify};

size_t dyno_allocator_trim(dyno_allocator *a, size_t most)
{
  size_t pages = most / DYNO_HUGE_PAGE, done = 0;
  pthread_mutex_lock(&a->lock);
  for (dyno_slab *slab; (slab = dyno_slab_unused(&a->classes)) != NULL;)
    drop_slab(a, slab);
  for (size_t i = a->arena_count; i-- > 0 && done < pages;)
    done += dyno_arena_trim(&a->arenas[i], pages - done);
  pthread_mutex_unlock(&a->lock);
  return done * DYNO_HUGE_PAGE;
}

void dyno_allocator_for_each_arena(dyno_allocator *a, dyno_arena_visit *visit, void *context)
{
  pthread_mutex_lock(&a->lock);
  for (size_t i = 0; i < a->arena_count; i++) {
    const dyno_arena *arena = &a->arenas[i];
    visit(context, arena->data, arena->bytes, false);
    visit(context, arena->known.data, arena->known.size, true);
  }
  pthread_mutex_unlock(&a->lock);
}
