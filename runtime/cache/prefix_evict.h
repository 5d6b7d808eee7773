/* What leaves L2 when there is no room.
 *
 * The worth of a node is what it costs to compute times how often it was used, counted from the
 * worth of what left last when it was used last: so a node that is not used falls behind, the
 * sooner the cheaper it is (GreedyDual-Size-Frequency: Cherkasova, "Improving WWW Proxies
 * Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs 1998; all nodes have one
 * size). Later tokens of a prefix cost more, for their attention. A node that others follow never
 * leaves before them, nor one that a sequence stands at. */
#ifndef DYNO_RUNTIME_CACHE_PREFIX_EVICT_H
#define DYNO_RUNTIME_CACHE_PREFIX_EVICT_H

#include "runtime/cache/prefix.h"

/* Counts a use of the node. */
void dyno_prefix_use(dyno_prefix *prefix, dyno_prefix_number node);

/* Evicts the leaf of least worth; false when all are pinned. urgent: see dyno_prefix_below. */
bool dyno_prefix_evict(dyno_prefix *prefix, bool urgent);

/* Removes a leaf that is not pinned, and gives back what it was charged but for `kept` bytes. */
void dyno_prefix_remove(dyno_prefix *prefix, dyno_prefix_number node, uint64_t kept);

/* Tells who watches, if anybody does. */
void dyno_prefix_tell(const dyno_prefix *prefix, dyno_cache_event_kind kind, dyno_prefix_key key,
                      size_t depth, size_t count);

#endif
