/* Who goes next: the order in which the lanes of two arms take their steps.
 *
 * Each arm has two lanes, which do the same with copies of their own. A turn is one step of each of
 * the four: first one arm, then the other, then both again with their other lane; the next turn
 * begins with the other arm (AB/BA), every second pair of turns with the other lane, and each round
 * and case draws anew what it starts with. So the lanes of an arm are each other's control (A/A'),
 * at no cost: every step counts for the comparison too. */
#ifndef DYNO_HARNESS_COMPARE_SCHEDULE_H
#define DYNO_HARNESS_COMPARE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

enum { DYNO_COMPARE_ARMS = 2, DYNO_COMPARE_LANES = 2, DYNO_COMPARE_TURN = 4 };

typedef struct dyno_compare_slot {
  unsigned arm, lane; /* 0 or 1 */
} dyno_compare_slot;

/* The order within turn `turn` of a round and case. */
void dyno_compare_order(dyno_compare_slot order[DYNO_COMPARE_TURN], uint64_t seed, size_t round,
                        size_t index, size_t turn);

/* An order of `count` cases for a round: order[count] becomes a permutation of 0 to count - 1. */
void dyno_compare_shuffle(size_t *order, size_t count, uint64_t seed, size_t round);

#endif
