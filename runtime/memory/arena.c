#include "runtime/memory/arena.h"

#include <string.h>
#include <sys/mman.h>

enum { WORD = 64 };

static size_t huge_pages(const dyno_arena *arena)
{
  return arena->bytes / DYNO_HUGE_PAGE;
}

/* Where the parts of what is known lie, one after the other from known.data on. With data NULL,
 * only their size is found. */
static size_t lay_out(dyno_arena *arena, unsigned order)
{
  size_t units = (size_t)1 << order, slabs = arena->bytes / DYNO_SLAB_BYTES;
  const size_t sizes[] = {
      dyno_buddy_memory(order),
      units * sizeof *arena->blocks,
      slabs * sizeof *arena->slabs,
      (huge_pages(arena) + WORD - 1) / WORD * sizeof *arena->touched,
      slabs * DYNO_SLAB_MOST_BLOCKS * sizeof *arena->smalls,
  };
  enum { PARTS = sizeof sizes / sizeof *sizes };
  char *parts[PARTS] = {NULL};
  size_t used = 0;
  for (size_t i = 0; i < PARTS; i++) {
    parts[i] = (char *)arena->known.data + used;
    used += (sizes[i] + DYNO_ARENA_UNIT - 1) / DYNO_ARENA_UNIT * DYNO_ARENA_UNIT;
  }
  if (arena->known.data == NULL)
    return used;
  dyno_buddy_open(&arena->buddy, order, parts[0]);
  arena->blocks = (void *)parts[1];
  arena->slabs = (void *)parts[2];
  arena->touched = (void *)parts[3];
  arena->smalls = (void *)parts[4];
  return used;
}

dyno_status dyno_arena_open(dyno_arena *arena, unsigned order, dyno_pages pages, dyno_error *error)
{
  *arena = (dyno_arena){.bytes = (size_t)DYNO_ARENA_UNIT << order};
  dyno_status status = dyno_buffer_open_on(&arena->memory, arena->bytes, pages, error);
  if (status == DYNO_OK)
    status = dyno_buffer_open_on(&arena->known, lay_out(arena, order), DYNO_PAGES_SMALL, error);
  if (status != DYNO_OK) {
    dyno_arena_close(arena);
    return status;
  }
  arena->data = arena->memory.data;
  lay_out(arena, order);
  return DYNO_OK;
}

static bool is_touched(const dyno_arena *arena, size_t page)
{
  return (arena->touched[page / WORD] >> page % WORD & 1) != 0;
}

static size_t units_for(size_t bytes)
{
  return (bytes + DYNO_ARENA_UNIT - 1) / DYNO_ARENA_UNIT;
}

/* Notes that the pages of [begin, end) are handed out, and clears what they may hold. */
static void touch(dyno_arena *arena, size_t begin, size_t end, bool zeroed)
{
  for (size_t page = begin / DYNO_HUGE_PAGE; page * DYNO_HUGE_PAGE < end; page++) {
    size_t from = page * DYNO_HUGE_PAGE, to = from + DYNO_HUGE_PAGE;
    if (!is_touched(arena, page)) {
      arena->touched[page / WORD] |= UINT64_C(1) << page % WORD;
      arena->touched_pages++;
    } else if (zeroed) {
      from = from < begin ? begin : from;
      to = to > end ? end : to;
      memset(arena->data + from, 0, to - from);
    }
  }
}

void *dyno_arena_take(dyno_arena *arena, size_t bytes, size_t alignment, bool zeroed)
{
  size_t aligned = alignment <= DYNO_ARENA_UNIT ? 1 : alignment / DYNO_ARENA_UNIT;
  /* Beyond what the arena itself is aligned to, its units say nothing of addresses. */
  if (bytes > arena->bytes || (alignment > DYNO_HUGE_PAGE && (uintptr_t)arena->data % alignment))
    return NULL;
  size_t unit = dyno_buddy_take(&arena->buddy, units_for(bytes), aligned);
  if (unit == DYNO_BUDDY_NONE)
    return NULL;
  size_t begin = unit * DYNO_ARENA_UNIT;
  touch(arena, begin, begin + bytes, zeroed);
  return arena->data + begin;
}

void dyno_arena_give(dyno_arena *arena, void *data, size_t bytes)
{
  dyno_buddy_give(&arena->buddy, dyno_arena_unit(arena, data), units_for(bytes));
}

bool dyno_arena_contains(const dyno_arena *arena, const void *address)
{
  return (uintptr_t)address - (uintptr_t)arena->data < arena->bytes;
}

size_t dyno_arena_unit(const dyno_arena *arena, const void *address)
{
  return (size_t)((const char *)address - arena->data) / DYNO_ARENA_UNIT;
}

/* Gives back the pages of [begin, end) that were touched, at most `most`. */
static size_t trim_run(dyno_arena *arena, size_t begin, size_t end, size_t most)
{
  size_t done = 0;
  for (size_t page = begin; page < end && done < most;) {
    uint64_t rest = arena->touched[page / WORD] >> page % WORD;
    if (rest == 0) {
      page = (page / WORD + 1) * WORD;
      continue;
    }
    page += (size_t)__builtin_ctzll(rest);
    if (page >= end)
      break;
    madvise(arena->data + page * DYNO_HUGE_PAGE, DYNO_HUGE_PAGE, MADV_DONTNEED);
    arena->touched[page / WORD] &= ~(UINT64_C(1) << page % WORD);
    arena->touched_pages--;
    done++;
  }
  return done;
}

size_t dyno_arena_trim(dyno_arena *arena, size_t most)
{
  const size_t units = DYNO_HUGE_PAGE / DYNO_ARENA_UNIT;
  size_t done = 0;
  for (unsigned k = DYNO_ARENA_LEAST_ORDER; k <= arena->buddy.order; k++)
    for (size_t at = 0; at < (size_t)1 << arena->buddy.order && done < most; at += (size_t)1 << k) {
      at = dyno_buddy_next(&arena->buddy, k, at);
      if (at == DYNO_BUDDY_NONE)
        break;
      done += trim_run(arena, at / units, (at + ((size_t)1 << k)) / units, most - done);
    }
  return done;
}

void dyno_arena_forget(void *data, size_t bytes)
{
  uintptr_t begin = ((uintptr_t)data + DYNO_ARENA_UNIT - 1) / DYNO_ARENA_UNIT * DYNO_ARENA_UNIT;
  uintptr_t end = ((uintptr_t)data + bytes) / DYNO_ARENA_UNIT * DYNO_ARENA_UNIT;
  if (end > begin)
    madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void dyno_arena_close(dyno_arena *arena)
{
  dyno_buffer_close(&arena->memory);
  dyno_buffer_close(&arena->known);
  *arena = (dyno_arena){0};
}
