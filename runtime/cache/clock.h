/* Which of many keys are in a few slots: replacement by CLOCK (Corbató 1968, "A paging experiment
 * with the Multics system"). A hand goes round the slots; what was used since it last passed is
 * spared once. So a hit sets a byte, where exact recency would have to mend a list.
 *
 * Knows nothing of what the slots hold. Used by one thread at a time. */
#ifndef DYNO_RUNTIME_CACHE_CLOCK_H
#define DYNO_RUNTIME_CACHE_CLOCK_H

#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_CLOCK_NONE UINT32_MAX

typedef struct dyno_clock {
  uint32_t *slot_of;   /* [keys], or DYNO_CLOCK_NONE */
  uint32_t *key_of;    /* [slots] */
  uint32_t *pinned_in; /* [slots]: the round in which a slot was last found or taken */
  uint8_t *used;       /* [slots]: since the hand passed */
  uint32_t keys, slots, filled, hand;
  uint32_t round, pinned; /* slots of this round stay */
  uint64_t evictions;
} dyno_clock;

/* Bytes that a clock of so many keys and slots takes. */
uint64_t dyno_clock_bytes(uint32_t keys, uint32_t slots);

/* An empty clock; keys and slots are less than DYNO_CLOCK_NONE, slots at least 1. MEMORY, and
 * *clock is zeroed. */
dyno_status dyno_clock_open(dyno_clock *clock, uint32_t keys, uint32_t slots, dyno_error *error);

/* Frees and zeroes; a zeroed clock is fine. */
void dyno_clock_close(dyno_clock *clock);

/* Begins a round: slots that are found or taken from now on stay until the next one. */
void dyno_clock_begin(dyno_clock *clock);

/* The slot of a key, which stays for this round; DYNO_CLOCK_NONE when it is in none. */
uint32_t dyno_clock_find(dyno_clock *clock, uint32_t key);

/* A slot for a key that is in none, which stays for this round, at another's expense if all are
 * taken; DYNO_CLOCK_NONE when all of them must stay. */
uint32_t dyno_clock_take(dyno_clock *clock, uint32_t key);

/* Forgets all keys. */
void dyno_clock_clear(dyno_clock *clock);

#endif
