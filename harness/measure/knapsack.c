#include "harness/measure/knapsack.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { UNITS = 8192 };

/* Dynamic programming over units of room beyond the least that is needed. */
typedef struct table {
  const dyno_knapsack_option *options;
  size_t items, per_item;
  uint64_t least, unit;  /* bytes */
  double *loss, *next;   /* [UNITS + 1]: least loss of the items so far in so many units */
  unsigned char *picked; /* [items][UNITS + 1] */
} table;

static uint64_t least_bytes(const table *t, size_t item)
{
  uint64_t least = UINT64_MAX;
  for (size_t j = 0; j < t->per_item; j++)
    if (t->options[item * t->per_item + j].bytes < least)
      least = t->options[item * t->per_item + j].bytes;
  return least;
}

static uint64_t most_bytes(const table *t, size_t item)
{
  uint64_t most = 0;
  for (size_t j = 0; j < t->per_item; j++) {
    uint64_t bytes = t->options[item * t->per_item + j].bytes;
    if (bytes != UINT64_MAX && bytes > most)
      most = bytes;
  }
  return most;
}

static void add_item(table *t, size_t item)
{
  uint64_t least = least_bytes(t, item);
  unsigned char *picked = t->picked + item * (UNITS + 1);
  for (size_t u = 0; u <= UNITS; u++) {
    t->next[u] = INFINITY;
    picked[u] = 0;
    for (size_t j = 0; j < t->per_item; j++) {
      const dyno_knapsack_option *option = &t->options[item * t->per_item + j];
      if (option->bytes == UINT64_MAX)
        continue;
      uint64_t units = (option->bytes - least + t->unit - 1) / t->unit;
      if (units > u || t->loss[u - units] + option->loss >= t->next[u])
        continue;
      t->next[u] = t->loss[u - units] + option->loss;
      picked[u] = (unsigned char)j;
    }
  }
  double *swapped = t->loss;
  t->loss = t->next;
  t->next = swapped;
}

static void trace(size_t *choice, const table *t, size_t units)
{
  for (size_t item = t->items; item-- > 0;) {
    choice[item] = t->picked[item * (UNITS + 1) + units];
    uint64_t over = t->options[item * t->per_item + choice[item]].bytes - least_bytes(t, item);
    units -= (size_t)((over + t->unit - 1) / t->unit);
  }
}

static dyno_status solve(table *t, size_t *choice, double loss, dyno_error *error)
{
  for (size_t u = 0; u <= UNITS; u++)
    t->loss[u] = 0;
  for (size_t i = 0; i < t->items; i++)
    add_item(t, i);
  size_t units = UNITS;
  if (isfinite(loss)) {
    if (t->loss[UNITS] > loss)
      return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                       "an error budget of %g: the least that is possible is %g", loss,
                       t->loss[UNITS]);
    units = 0;
    while (t->loss[units] > loss)
      units++;
  }
  trace(choice, t, units);
  return DYNO_OK;
}

dyno_status dyno_knapsack(size_t *choice, const dyno_knapsack_option *options, size_t items,
                          size_t per_item, uint64_t room, double loss, dyno_error *error)
{
  table t = {.options = options, .items = items, .per_item = per_item};
  uint64_t most = 0;
  for (size_t i = 0; i < items; i++) {
    t.least += least_bytes(&t, i);
    most += most_bytes(&t, i);
  }
  if (isfinite(loss) || room > most)
    room = most;
  if (room < t.least)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "a budget of %" PRIu64 " bytes: the least that is possible is %" PRIu64, room,
                     t.least);
  t.unit = (room - t.least) / UNITS + 1;
  t.loss = calloc(UNITS + 1, sizeof *t.loss);
  t.next = calloc(UNITS + 1, sizeof *t.next);
  t.picked = calloc(items * (UNITS + 1) + 1, 1);
  dyno_status status = t.loss != NULL && t.next != NULL && t.picked != NULL
                           ? solve(&t, choice, loss, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "knapsack: out of memory");
  free(t.loss);
  free(t.next);
  free(t.picked);
  return status;
}
