/* A list of the best values seen so far, for the SIMD variants of top-k: they look for candidates
 * with vectors and offer them here, by ascending index. */
#ifndef DYNO_KERNELS_SAMPLING_RANKING_H
#define DYNO_KERNELS_SAMPLING_RANKING_H

#include "kernels/base/rank.h"
#include "kernels/kernel.h"

typedef struct dyno_ranking {
  int32_t *index; /* [size], best first */
  float *value;   /* [size] */
  size_t count, size;
} dyno_ranking;

/* Takes value at index into the list, if it ranks before the last one or there is room. */
static inline void dyno_ranking_offer(dyno_ranking *ranking, float value, size_t index)
{
  size_t place = ranking->count;
  if (ranking->count < ranking->size)
    ranking->count++;
  else if (dyno_ranks_before(value, index, ranking->value[place - 1],
                             (size_t)ranking->index[place - 1]))
    place--;
  else
    return;
  for (; place > 0 && dyno_ranks_before(value, index, ranking->value[place - 1],
                                        (size_t)ranking->index[place - 1]);
       place--) {
    ranking->value[place] = ranking->value[place - 1];
    ranking->index[place] = ranking->index[place - 1];
  }
  ranking->value[place] = value;
  ranking->index[place] = (int32_t)index;
}

#endif
