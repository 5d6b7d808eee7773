#include "runtime/memory/buddy.h"

enum { WORD = 64 };

static size_t words_for(size_t bits)
{
  return (bits + WORD - 1) / WORD;
}

static unsigned lowest(uint64_t word)
{
  return (unsigned)__builtin_ctzll(word);
}

/* Sets of bits */

/* Lays a set of `bits` numbers out from memory on, or only counts where that is NULL; returns its
 * words. */
static size_t lay_out(dyno_buddy_set *set, size_t bits, uint64_t *memory)
{
  size_t used = 0;
  set->levels = 0;
  do {
    bits = words_for(bits);
    set->words[set->levels++] = memory == NULL ? NULL : memory + used;
    used += bits;
  } while (bits > 1);
  return used;
}

static bool contains(const dyno_buddy_set *set, size_t number)
{
  return (set->words[0][number / WORD] >> number % WORD & 1) != 0;
}

static void insert(dyno_buddy_set *set, size_t number)
{
  for (unsigned level = 0; level < set->levels; level++) {
    uint64_t *word = &set->words[level][number / WORD], before = *word;
    *word |= UINT64_C(1) << number % WORD;
    if (before != 0)
      return;
    number /= WORD;
  }
}

static void erase(dyno_buddy_set *set, size_t number)
{
  for (unsigned level = 0; level < set->levels; level++) {
    uint64_t *word = &set->words[level][number / WORD];
    *word &= ~(UINT64_C(1) << number % WORD);
    if (*word != 0)
      return;
    number /= WORD;
  }
}

static bool empty(const dyno_buddy_set *set)
{
  return *set->words[set->levels - 1] == 0;
}

/* The lowest number of a set that is not empty. */
static size_t first(const dyno_buddy_set *set)
{
  size_t at = 0;
  for (unsigned level = set->levels; level-- > 0;)
    at = at * WORD + lowest(set->words[level][at]);
  return at;
}

/* The lowest one from `from` on. */
static size_t next(const dyno_buddy_set *set, size_t from, size_t bits)
{
  size_t at = from;
  for (unsigned level = 0; level < set->levels && at < bits; level++) {
    uint64_t rest = set->words[level][at / WORD] >> at % WORD;
    if (rest != 0) {
      at += lowest(rest);
      while (level-- > 0)
        at = at * WORD + lowest(set->words[level][at]);
      return at;
    }
    at = at / WORD + 1;
    bits = words_for(bits);
  }
  return DYNO_BUDDY_NONE;
}

/* Runs */

size_t dyno_buddy_memory(unsigned order)
{
  dyno_buddy_set set;
  size_t words = 0;
  for (unsigned k = 0; k <= order; k++)
    words += lay_out(&set, (size_t)1 << (order - k), NULL);
  return words * sizeof(uint64_t);
}

static void put(dyno_buddy *buddy, unsigned order, size_t index)
{
  insert(&buddy->sets[order], index);
  buddy->orders |= UINT64_C(1) << order;
}

static void take_out(dyno_buddy *buddy, unsigned order, size_t index)
{
  erase(&buddy->sets[order], index);
  if (empty(&buddy->sets[order]))
    buddy->orders &= ~(UINT64_C(1) << order);
}

void dyno_buddy_open(dyno_buddy *buddy, unsigned order, void *memory)
{
  uint64_t *rest = memory;
  *buddy = (dyno_buddy){.order = order, .free = (size_t)1 << order};
  for (unsigned k = 0; k <= order; k++)
    rest += lay_out(&buddy->sets[k], (size_t)1 << (order - k), rest);
  put(buddy, order, 0);
}

static unsigned order_for(size_t units)
{
  return units <= 1 ? 0 : WORD - (unsigned)__builtin_clzll(units - 1);
}

/* The largest power of two that may start at `from` and ends at or before `end`. */
static unsigned piece(size_t from, size_t end)
{
  unsigned fits = WORD - 1 - (unsigned)__builtin_clzll(end - from);
  return from != 0 && lowest(from) < fits ? lowest(from) : fits;
}

size_t dyno_buddy_take(dyno_buddy *buddy, size_t units, size_t alignment)
{
  if (units > (size_t)1 << buddy->order || alignment > (size_t)1 << buddy->order)
    return DYNO_BUDDY_NONE;
  unsigned order = order_for(units > alignment ? units : alignment);
  uint64_t fit = buddy->orders >> order;
  if (fit == 0)
    return DYNO_BUDDY_NONE;
  order += lowest(fit);
  size_t index = first(&buddy->sets[order]);
  take_out(buddy, order, index);
  size_t begin = index << order, end = begin + ((size_t)1 << order);
  for (size_t at = begin + units; at < end;) {
    unsigned k = piece(at, end);
    put(buddy, k, at >> k);
    at += (size_t)1 << k;
  }
  buddy->free -= units;
  return begin;
}

/* Puts a run into its set, joined with its buddy as often as that one is free. */
static void join(dyno_buddy *buddy, unsigned order, size_t index)
{
  while (order < buddy->order && contains(&buddy->sets[order], index ^ 1)) {
    take_out(buddy, order, index ^ 1);
    index /= 2;
    order++;
  }
  put(buddy, order, index);
}

void dyno_buddy_give(dyno_buddy *buddy, size_t first_unit, size_t units)
{
  for (size_t at = first_unit, end = first_unit + units; at < end;) {
    unsigned k = piece(at, end);
    join(buddy, k, at >> k);
    at += (size_t)1 << k;
  }
  buddy->free += units;
}

size_t dyno_buddy_largest(const dyno_buddy *buddy)
{
  return buddy->orders == 0 ? 0
                            : (size_t)1 << (WORD - 1 - (unsigned)__builtin_clzll(buddy->orders));
}

size_t dyno_buddy_next(const dyno_buddy *buddy, unsigned order, size_t from)
{
  size_t found = next(&buddy->sets[order], from >> order, (size_t)1 << (buddy->order - order));
  return found == DYNO_BUDDY_NONE ? found : found << order;
}
