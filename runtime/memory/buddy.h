/* Which units of a range of 2^order are free, kept the buddy way: free runs are powers of two at
 * multiples of themselves, and two halves that are free become one (Knuth, The Art of Computer
 * Programming 1, 2.5). It knows numbers only; what stands for a unit belongs to whoever asks.
 *
 * A run may have any length: of the power of two that holds it, the rest goes back at once. For
 * each order a set of bits says which runs are free, with sets above that say which of its words
 * are not zero, so that the lowest is found, taken and given back in a few steps, however many
 * there are. Lowest first keeps what is in use together.
 *
 * Not thread-safe. */
#ifndef DYNO_RUNTIME_MEMORY_BUDDY_H
#define DYNO_RUNTIME_MEMORY_BUDDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DYNO_BUDDY_MOST_ORDER = 30, DYNO_BUDDY_LEVELS = 6 };

#define DYNO_BUDDY_NONE SIZE_MAX

/* A set of numbers below 2^n: level 0 has a bit for each, level i + 1 one for each word of i. */
typedef struct dyno_buddy_set {
  uint64_t *words[DYNO_BUDDY_LEVELS];
  unsigned levels;
} dyno_buddy_set;

typedef struct dyno_buddy {
  unsigned order;
  uint64_t orders; /* bit k: there is a free run of order k */
  size_t free;     /* units */
  dyno_buddy_set sets[DYNO_BUDDY_MOST_ORDER + 1];
} dyno_buddy;

/* Bytes of memory that dyno_buddy_open takes for 2^order units. */
size_t dyno_buddy_memory(unsigned order);

/* All units are free. memory: dyno_buddy_memory(order) bytes, zeroed, aligned to 8, and the
 * caller's to free; order <= DYNO_BUDDY_MOST_ORDER. */
void dyno_buddy_open(dyno_buddy *buddy, unsigned order, void *memory);

/* Takes units (at least 1) that follow each other, the first of them a multiple of alignment (a
 * power of two), and returns the first; DYNO_BUDDY_NONE where there are no such. */
size_t dyno_buddy_take(dyno_buddy *buddy, size_t units, size_t alignment);

/* Gives a run back that was taken, whole or in parts. */
void dyno_buddy_give(dyno_buddy *buddy, size_t first, size_t units);

/* Units of the largest free run; 0 when none is free. */
size_t dyno_buddy_largest(const dyno_buddy *buddy);

/* The free run of order `order` at or after unit from (a multiple of 2^order); DYNO_BUDDY_NONE when
 * there is none. Runs of higher orders are not looked at. */
size_t dyno_buddy_next(const dyno_buddy *buddy, unsigned order, size_t from);

#endif
