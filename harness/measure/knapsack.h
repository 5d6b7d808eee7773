/* One of several options for each item, so that the losses are least within a room: the multiple-
 * choice knapsack. Kellerer, Pferschy and Pisinger 2004, "Knapsack Problems", chapter 11. */
#ifndef DYNO_HARNESS_MEASURE_KNAPSACK_H
#define DYNO_HARNESS_MEASURE_KNAPSACK_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_knapsack_option {
  uint64_t bytes;
  double loss; /* finite, of any sign */
} dyno_knapsack_option;

/* choice[i] becomes the option of item i, of options [items][per_item]; bytes UINT64_MAX: there is
 * no such option. Bytes beyond each item's least are rounded up to room / 8192 or finer, so the
 * solution always fits and is best but for that. Exactly one of room and loss bounds: with loss
 * infinite, least loss in so many bytes; else fewest bytes with at most that loss. UNAVAILABLE when
 * not even the smallest (least losing) options fit; MEMORY. */
dyno_status dyno_knapsack(size_t *choice, const dyno_knapsack_option *options, size_t items,
                          size_t per_item, uint64_t room, double loss, dyno_error *error);

#endif
