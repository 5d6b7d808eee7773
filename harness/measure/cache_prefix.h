/* How long the first token takes behind a prefix that was computed before: from L2, from L3, and
 * without a cache, in turns, so that whatever the machine does meets all three. */
#ifndef DYNO_HARNESS_MEASURE_CACHE_PREFIX_H
#define DYNO_HARNESS_MEASURE_CACHE_PREFIX_H

#include "harness/measure/cache_run.h"

typedef enum dyno_prefix_lane {
  DYNO_PREFIX_UNCACHED,
  DYNO_PREFIX_L2,
  DYNO_PREFIX_L3, /* all that could leave L2 has, before each round */
  DYNO_PREFIX_LANES
} dyno_prefix_lane;

const char *dyno_prefix_lane_name(dyno_prefix_lane lane);

typedef struct dyno_prefix_rounds {
  size_t tokens; /* of the prefix; one other follows it, another in each round */
  size_t rounds;
  bool has_l3;                        /* else there is nothing of that lane */
  double *seconds[DYNO_PREFIX_LANES]; /* owned [rounds] */
  size_t taken[DYNO_PREFIX_LANES];    /* tokens, in the last round */
  uint64_t restored;                  /* nodes from L3, in all rounds */
  bool equal;                         /* the logits of all lanes, to the bit, in all rounds */
} dyno_prefix_rounds;

/* `plain` has no cache; `cached` and `deep` have L2 and L3, `deep` with the lowest threshold; deep
 * may be NULL. Tokens are random ones of the seed. USAGE when the prefix does not fit the model's
 * context; MEMORY; errors of dyno_sequence_append. *rounds is to be freed in any case. */
dyno_status dyno_prefix_measure(dyno_prefix_rounds *rounds, dyno_engine *plain, dyno_engine *cached,
                                dyno_engine *deep, size_t tokens, size_t count, uint64_t seed,
                                dyno_error *error);

void dyno_prefix_rounds_free(dyno_prefix_rounds *rounds);

#endif
