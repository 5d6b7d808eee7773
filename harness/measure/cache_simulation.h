/* What caches of any size would have made of a trace, without a model.
 *
 * Prefixes are looked up in nodes of 64 tokens, as L2 keeps them (runtime/cache/kv.h), all before
 * any of the request is computed; L1 is asked for the rows of the tokens that then are. Replacement
 * is by recency, a prefix's last node first, so that a node never stays without those before it: L2
 * itself weighs frequency and cost as well, and L1 is a clock, so that what they do may differ a
 * little. */
#ifndef DYNO_HARNESS_MEASURE_CACHE_SIMULATION_H
#define DYNO_HARNESS_MEASURE_CACHE_SIMULATION_H

#include "harness/measure/recency.h"
#include "harness/measure/trace_player.h"

typedef struct dyno_cache_simulation {
  uint64_t nodes; /* that L2 holds: decides what is computed */
  uint64_t requests, prompt_tokens, answer_tokens;
  uint64_t computed;               /* of the prompts */
  dyno_recency_stack *token_stack; /* owned */
  dyno_recency_stack *node_stack;  /* owned */
  dyno_recency_counts rows;        /* of L1 */
  dyno_recency_counts prefixes;    /* nodes that could have been found */
  uint64_t *keys;                  /* owned [key_room]: of the nodes of the request at hand */
  size_t key_room;
} dyno_cache_simulation;

/* Starts with nothing cached. MEMORY, and *simulation is zeroed. */
dyno_status dyno_cache_simulation_open(dyno_cache_simulation *simulation, uint64_t nodes,
                                       dyno_error *error);

/* Frees and zeroes; a zeroed one is fine. */
void dyno_cache_simulation_close(dyno_cache_simulation *simulation);

/* A request comes, and its answer. MEMORY. */
dyno_status dyno_cache_simulation_add(dyno_cache_simulation *simulation,
                                      const dyno_trace_request *request, dyno_error *error);

#endif
