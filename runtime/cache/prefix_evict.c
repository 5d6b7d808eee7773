#include "runtime/cache/prefix_evict.h"

/* What the node's tokens cost to compute. */
static double cost_of(const dyno_prefix *prefix, const dyno_prefix_node *node)
{
  double middle = (double)node->depth * DYNO_PREFIX_TOKENS + node->count / 2.0;
  return node->count * (prefix->cost.base + prefix->cost.by_position * middle);
}

void dyno_prefix_use(dyno_prefix *prefix, dyno_prefix_number n)
{
  dyno_prefix_node *node = &prefix->nodes[n];
  node->uses++;
  node->worth = prefix->inflation + node->uses * cost_of(prefix, node);
}

void dyno_prefix_tell(const dyno_prefix *prefix, dyno_cache_event_kind kind, dyno_prefix_key key,
                      size_t depth, size_t count)
{
  if (prefix->observe == NULL)
    return;
  const dyno_cache_event event = {
      .kind = kind,
      .level = DYNO_CACHE_L2,
      .key = key.low,
      .position = (uint64_t)depth * DYNO_PREFIX_TOKENS,
      .tokens = count,
      .bytes = prefix->statistics.node_bytes,
  };
  prefix->observe(prefix->observe_context, &event);
}

/* A look at every node: there are a few hundred of a large model in a GiB, and one leaves for 64
 * tokens. */
static dyno_prefix_number least_worth(const dyno_prefix *prefix)
{
  dyno_prefix_number least = DYNO_PREFIX_NONE;
  for (dyno_prefix_number n = 1; n < prefix->made; n++) {
    const dyno_prefix_node *node = &prefix->nodes[n];
    if (node->count > 0 && node->pins == 0 && node->first_child == DYNO_PREFIX_NONE &&
        (least == DYNO_PREFIX_NONE || node->worth < prefix->nodes[least].worth))
      least = n;
  }
  return least;
}

bool dyno_prefix_evict(dyno_prefix *prefix, bool urgent)
{
  dyno_prefix_number n = least_worth(prefix);
  if (n == DYNO_PREFIX_NONE)
    return false;
  const dyno_prefix_node *node = &prefix->nodes[n];
  const dyno_prefix_below *below = &prefix->below;
  uint64_t kept = 0;
  if (node->worth > prefix->inflation)
    prefix->inflation = node->worth;
  if (below->leave != NULL)
    kept = below->leave(below->context, node, prefix->nodes[node->parent].key,
                        &prefix->blocks[n * prefix->layers], urgent);
  dyno_prefix_tell(prefix, DYNO_CACHE_EVICT, node->key, node->depth, node->count);
  dyno_prefix_remove(prefix, n, kept);
  prefix->statistics.evicted++;
  return true;
}
