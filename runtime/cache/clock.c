#include "runtime/cache/clock.h"

#include <stdlib.h>
#include <string.h>

uint64_t dyno_clock_bytes(uint32_t keys, uint32_t slots)
{
  const dyno_clock *clock = NULL;
  return (uint64_t)keys * sizeof *clock->slot_of +
         (uint64_t)slots * (sizeof *clock->key_of + sizeof *clock->pinned_in + sizeof *clock->used);
}

dyno_status dyno_clock_open(dyno_clock *clock, uint32_t keys, uint32_t slots, dyno_error *error)
{
  *clock = (dyno_clock){
      .slot_of = malloc(keys * sizeof *clock->slot_of),
      .key_of = malloc(slots * sizeof *clock->key_of),
      .pinned_in = malloc(slots * sizeof *clock->pinned_in),
      .used = malloc(slots),
      .keys = keys,
      .slots = slots,
  };
  if (clock->slot_of == NULL || clock->key_of == NULL || clock->pinned_in == NULL ||
      clock->used == NULL) {
    dyno_clock_close(clock);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "cache: out of memory");
  }
  dyno_clock_clear(clock);
  return DYNO_OK;
}

void dyno_clock_close(dyno_clock *clock)
{
  free(clock->slot_of);
  free(clock->key_of);
  free(clock->pinned_in);
  free(clock->used);
  *clock = (dyno_clock){0};
}

void dyno_clock_clear(dyno_clock *clock)
{
  memset(clock->slot_of, 0xff, clock->keys * sizeof *clock->slot_of);
  memset(clock->pinned_in, 0, clock->slots * sizeof *clock->pinned_in);
  clock->filled = clock->hand = 0;
  clock->round = 1;
  clock->pinned = 0;
}

void dyno_clock_begin(dyno_clock *clock)
{
  clock->pinned = 0;
  if (++clock->round != 0)
    return;
  memset(clock->pinned_in, 0, clock->slots * sizeof *clock->pinned_in);
  clock->round = 1;
}

static void pin(dyno_clock *clock, uint32_t slot)
{
  clock->pinned += clock->pinned_in[slot] != clock->round;
  clock->pinned_in[slot] = clock->round;
}

uint32_t dyno_clock_find(dyno_clock *clock, uint32_t key)
{
  uint32_t slot = clock->slot_of[key];
  if (slot == DYNO_CLOCK_NONE)
    return slot;
  clock->used[slot] = 1;
  pin(clock, slot);
  return slot;
}

/* A slot that neither stays for this round nor was used since the hand passed; there is one that
 * need not stay. */
static uint32_t sweep(dyno_clock *clock)
{
  for (;;) {
    uint32_t slot = clock->hand;
    clock->hand = slot + 1 < clock->slots ? slot + 1 : 0;
    if (clock->pinned_in[slot] == clock->round)
      continue;
    if (!clock->used[slot])
      return slot;
    clock->used[slot] = 0;
  }
}

uint32_t dyno_clock_take(dyno_clock *clock, uint32_t key)
{
  uint32_t slot;
  if (clock->filled < clock->slots) {
    slot = clock->filled++;
  } else if (clock->pinned == clock->slots) {
    return DYNO_CLOCK_NONE;
  } else {
    slot = sweep(clock);
    clock->slot_of[clock->key_of[slot]] = DYNO_CLOCK_NONE;
    clock->evictions++;
  }
  clock->slot_of[key] = slot;
  clock->key_of[slot] = key;
  clock->used[slot] = 0; /* what is used once goes before what is used twice */
  pin(clock, slot);
  return slot;
}
