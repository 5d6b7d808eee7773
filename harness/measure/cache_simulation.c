#include "harness/measure/cache_simulation.h"

#include <stdlib.h>
#include <xxhash.h>

#include "runtime/cache/kv.h"

enum { NODE = DYNO_KV_BLOCK_TOKENS };

dyno_status dyno_cache_simulation_open(dyno_cache_simulation *simulation, uint64_t nodes,
                                       dyno_error *error)
{
  *simulation = (dyno_cache_simulation){.nodes = nodes};
  dyno_status status = dyno_recency_stack_open(&simulation->token_stack, error);
  if (status == DYNO_OK)
    status = dyno_recency_stack_open(&simulation->node_stack, error);
  if (status != DYNO_OK)
    dyno_cache_simulation_close(simulation);
  return status;
}

void dyno_cache_simulation_close(dyno_cache_simulation *simulation)
{
  dyno_recency_stack_close(&simulation->token_stack);
  dyno_recency_stack_close(&simulation->node_stack);
  dyno_recency_counts_free(&simulation->rows);
  dyno_recency_counts_free(&simulation->prefixes);
  free(simulation->keys);
  *simulation = (dyno_cache_simulation){0};
}

/* A node's key says what it holds and what stands before it. */
static dyno_status make_keys(dyno_cache_simulation *s, const int32_t *tokens, size_t nodes,
                             dyno_error *error)
{
  if (nodes > s->key_room) {
    uint64_t *longer = realloc(s->keys, nodes * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "simulation: out of memory");
    s->keys = longer;
    s->key_room = nodes;
  }
  for (size_t i = 0; i < nodes; i++)
    s->keys[i] =
        XXH3_64bits_withSeed(tokens + i * NODE, NODE * sizeof *tokens, i > 0 ? s->keys[i - 1] : 0);
  return DYNO_OK;
}

/* Looks up the nodes that may be found of a prompt, whose last token has to be computed in any
 * case. *found: how many L2 holds. */
static dyno_status look_up(dyno_cache_simulation *s, size_t nodes, size_t *found, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  *found = 0;
  for (size_t i = 0; i < nodes && status == DYNO_OK; i++) {
    uint64_t distance = dyno_recency_distance(s->node_stack, s->keys[i]);
    *found += distance < s->nodes;
    status = dyno_recency_add(&s->prefixes, distance, error);
  }
  return status;
}

static dyno_status use_rows(dyno_cache_simulation *s, const int32_t *tokens, size_t count,
                            dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    uint64_t token = (uint64_t)tokens[i];
    status = dyno_recency_add(&s->rows, dyno_recency_distance(s->token_stack, token), error);
    if (status == DYNO_OK)
      status = dyno_recency_touch(s->token_stack, token, error);
  }
  return status;
}

dyno_status dyno_cache_simulation_add(dyno_cache_simulation *s, const dyno_trace_request *request,
                                      dyno_error *error)
{
  size_t all = request->prompt + request->answer, nodes = all / NODE, found;
  dyno_status status = make_keys(s, request->tokens, nodes, error);
  if (status == DYNO_OK)
    status = look_up(s, (request->prompt - 1) / NODE, &found, error);
  if (status != DYNO_OK)
    return status;
  status = use_rows(s, request->tokens + found * NODE, all - found * NODE, error);
  for (size_t i = nodes; i > 0 && status == DYNO_OK; i--)
    status = dyno_recency_touch(s->node_stack, s->keys[i - 1], error);
  s->requests++;
  s->prompt_tokens += request->prompt;
  s->answer_tokens += request->answer;
  s->computed += request->prompt - found * NODE;
  return status;
}
