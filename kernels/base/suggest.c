#include "kernels/base/suggest.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 96, EDIT_COST = 4, OVERHANG_COST = 1 };

static unsigned minimum(unsigned a, unsigned b)
{
  return a < b ? a : b;
}

unsigned dyno_name_distance(const char *a, const char *b)
{
  size_t columns = strnlen(b, LONGEST), rows = strnlen(a, LONGEST);
  unsigned cost[LONGEST + 1];
  for (size_t j = 0; j <= columns; j++)
    cost[j] = (unsigned)j * OVERHANG_COST;
  for (size_t i = 1; i <= rows; i++) {
    unsigned diagonal = cost[0];
    cost[0] = (unsigned)i * EDIT_COST;
    for (size_t j = 1; j <= columns; j++) {
      unsigned insertion = i == rows ? OVERHANG_COST : EDIT_COST;
      unsigned replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : EDIT_COST);
      diagonal = cost[j];
      cost[j] = minimum(replaced, minimum(cost[j] + EDIT_COST, cost[j - 1] + insertion));
    }
  }
  return cost[columns];
}

void dyno_suggest(char *text, size_t size, const char *wanted, const char *const *names,
                  size_t count, size_t most)
{
  size_t used = 0;
  unsigned last_distance = 0;
  size_t last_index = SIZE_MAX;
  text[0] = '\0';
  /* Selection in order of (distance, index): names are few and this runs once, on an error. */
  for (size_t taken = 0; taken < most; taken++) {
    unsigned best_distance = UINT_MAX;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
      if (names[i] == NULL)
        continue;
      unsigned distance = dyno_name_distance(wanted, names[i]);
      bool later = last_index == SIZE_MAX || distance > last_distance ||
                   (distance == last_distance && i > last_index);
      if (later && distance < best_distance) {
        best_distance = distance;
        best = i;
      }
    }
    if (best == SIZE_MAX)
      break;
    int written = snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", names[best]);
    if (written < 0 || (size_t)written >= size - used) {
      text[used] = '\0';
      break;
    }
    used += (size_t)written;
    last_distance = best_distance;
    last_index = best;
  }
}
