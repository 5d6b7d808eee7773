/* How far apart uses of the same thing are, and what a cache of any size would have made of them.
 *
 * Mattson, Gecsei, Slutz and Traiger 1970, "Evaluation techniques for storage hierarchies": of
 * things ordered by their last use, a cache of n that replaces the least recently used one holds
 * the first n. So a use is a hit in every cache that is larger than the number of other things used
 * since the last one, its distance; one pass over the uses gives all sizes.
 *
 * The distances are found in O(log n) each with a tree of sums over the times of last use (Bennett
 * and Kruskal 1975, "LRU stack processing"; Fenwick 1994, "A new data structure for cumulative
 * frequency tables"). Used by one thread at a time. */
#ifndef DYNO_HARNESS_MEASURE_RECENCY_H
#define DYNO_HARNESS_MEASURE_RECENCY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define DYNO_RECENCY_NEVER UINT64_MAX

typedef struct dyno_recency_stack dyno_recency_stack;

/* MEMORY, and *stack is NULL. */
dyno_status dyno_recency_stack_open(dyno_recency_stack **stack, dyno_error *error);

/* Sets *stack to NULL; NULL is fine. */
void dyno_recency_stack_close(dyno_recency_stack **stack);

/* How many other keys have been used since the key was; DYNO_RECENCY_NEVER if it has not been. */
uint64_t dyno_recency_distance(const dyno_recency_stack *stack, uint64_t key);

/* The key is used now. MEMORY, and nothing is changed. */
dyno_status dyno_recency_touch(dyno_recency_stack *stack, uint64_t key, dyno_error *error);

/* How often each distance was seen. Initialised with zeroes. */
typedef struct dyno_recency_counts {
  uint64_t *at; /* owned [room] */
  size_t room;
  uint64_t lookups, never;
} dyno_recency_counts;

/* Counts a distance of fewer than 2^32, or DYNO_RECENCY_NEVER. MEMORY. */
dyno_status dyno_recency_add(dyno_recency_counts *counts, uint64_t distance, dyno_error *error);

/* Of the lookups, those that a cache of so many things would have had. */
uint64_t dyno_recency_hits(const dyno_recency_counts *counts, uint64_t capacity);

/* The distance below which a share (0 to 1) of those lie that came again; 0 when none did. */
uint64_t dyno_recency_quantile(const dyno_recency_counts *counts, double share);

void dyno_recency_counts_free(dyno_recency_counts *counts);

#endif
