#include "harness/compare/schedule.h"

#include "runtime/sample/rng.h"

/* What a random number is for; so that no two uses share one. */
enum { FOR_START = 1, FOR_SHUFFLE = 2 };

static double draw(uint64_t seed, unsigned purpose, size_t round, size_t index)
{
  return dyno_random_unit(seed, (uint64_t)purpose << 56 | (uint64_t)round << 24 | (uint64_t)index);
}

void dyno_compare_order(dyno_compare_slot order[DYNO_COMPARE_TURN], uint64_t seed, size_t round,
                        size_t index, size_t turn)
{
  unsigned start = (unsigned)(4 * draw(seed, FOR_START, round, index));
  unsigned arm = (start ^ (unsigned)turn) & 1;
  unsigned lane = (start >> 1 ^ (unsigned)(turn >> 1)) & 1;
  for (unsigned i = 0; i < DYNO_COMPARE_TURN; i++)
    order[i] = (dyno_compare_slot){arm ^ (i & 1), lane ^ (i >> 1)};
}

/* Fisher and Yates. */
void dyno_compare_shuffle(size_t *order, size_t count, uint64_t seed, size_t round)
{
  for (size_t i = 0; i < count; i++)
    order[i] = i;
  for (size_t i = count; i > 1; i--) {
    size_t other = (size_t)(draw(seed, FOR_SHUFFLE, round, i) * (double)i);
    size_t kept = order[i - 1];
    order[i - 1] = order[other];
    order[other] = kept;
  }
}
