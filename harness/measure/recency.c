#include "harness/measure/recency.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_ROOM = 1024 };

typedef struct entry {
  uint64_t key;
  uint32_t time; /* of the last use, from 1 on; 0: the place is free */
} entry;

struct dyno_recency_stack {
  entry *entries; /* hashed, [room] of which `count` are taken: at most a half */
  size_t room, count;
  /* Times 1 to `times`; those that are somebody's last use count one. */
  uint32_t *sums;  /* [times + 1], of a Fenwick tree */
  uint64_t *users; /* [times + 1]: the key used then, if `live` */
  bool *live;      /* [times + 1] */
  size_t times, now;
};

dyno_status dyno_recency_stack_open(dyno_recency_stack **stack, dyno_error *error)
{
  *stack = calloc(1, sizeof **stack);
  return *stack != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "recency: out of memory");
}

void dyno_recency_stack_close(dyno_recency_stack **stack)
{
  if (*stack == NULL)
    return;
  free((*stack)->entries);
  free((*stack)->sums);
  free((*stack)->users);
  free((*stack)->live);
  free(*stack);
  *stack = NULL;
}

/* The place of a key in a table that has free ones, or where it belongs. */
static entry *find(entry *entries, size_t room, uint64_t key)
{
  size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (room - 1);
  while (entries[at].time != 0 && entries[at].key != key)
    at = (at + 1) & (room - 1);
  return &entries[at];
}

static void add(uint32_t *sums, size_t times, size_t time, uint32_t change)
{
  for (; time <= times; time += time & -time)
    sums[time] += change;
}

static uint32_t sum_to(const uint32_t *sums, size_t time)
{
  uint32_t sum = 0;
  for (; time > 0; time -= time & -time)
    sum += sums[time];
  return sum;
}

uint64_t dyno_recency_distance(const dyno_recency_stack *stack, uint64_t key)
{
  if (stack->room == 0)
    return DYNO_RECENCY_NEVER;
  const entry *found = find(stack->entries, stack->room, key);
  return found->time == 0 ? DYNO_RECENCY_NEVER : stack->count - sum_to(stack->sums, found->time);
}

static dyno_status grow_entries(dyno_recency_stack *stack, dyno_error *error)
{
  if (2 * (stack->count + 1) <= stack->room)
    return DYNO_OK;
  size_t room = stack->room == 0 ? LEAST_ROOM : 2 * stack->room;
  entry *larger = calloc(room, sizeof *larger);
  if (larger == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "recency: out of memory");
  for (size_t i = 0; i < stack->room; i++)
    if (stack->entries[i].time != 0)
      *find(larger, room, stack->entries[i].key) = stack->entries[i];
  free(stack->entries);
  stack->entries = larger;
  stack->room = room;
  return DYNO_OK;
}

/* When times are used up, those that are still somebody's last use are numbered anew. */
static dyno_status renumber(dyno_recency_stack *stack, dyno_error *error)
{
  if (stack->now < stack->times)
    return DYNO_OK;
  size_t times = 2 * stack->count + LEAST_ROOM, now = 0;
  uint32_t *sums = calloc(times + 1, sizeof *sums);
  uint64_t *users = malloc((times + 1) * sizeof *users);
  bool *live = calloc(times + 1, sizeof *live);
  if (sums == NULL || users == NULL || live == NULL) {
    free(sums);
    free(users);
    free(live);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "recency: out of memory");
  }
  for (size_t time = 1; time <= stack->now; time++) {
    if (!stack->live[time])
      continue;
    users[++now] = stack->users[time];
    live[now] = true;
    add(sums, times, now, 1);
    find(stack->entries, stack->room, users[now])->time = (uint32_t)now;
  }
  free(stack->sums);
  free(stack->users);
  free(stack->live);
  stack->sums = sums;
  stack->users = users;
  stack->live = live;
  stack->times = times;
  stack->now = now;
  return DYNO_OK;
}

dyno_status dyno_recency_touch(dyno_recency_stack *stack, uint64_t key, dyno_error *error)
{
  dyno_status status = grow_entries(stack, error);
  if (status == DYNO_OK)
    status = renumber(stack, error);
  if (status != DYNO_OK)
    return status;
  entry *found = find(stack->entries, stack->room, key);
  if (found->time != 0) {
    stack->live[found->time] = false;
    add(stack->sums, stack->times, found->time, -1u);
  } else {
    stack->count++;
  }
  size_t now = ++stack->now;
  *found = (entry){key, (uint32_t)now};
  stack->users[now] = key;
  stack->live[now] = true;
  add(stack->sums, stack->times, now, 1);
  return DYNO_OK;
}

dyno_status dyno_recency_add(dyno_recency_counts *counts, uint64_t distance, dyno_error *error)
{
  if (distance != DYNO_RECENCY_NEVER && distance >= counts->room) {
    size_t room = 2 * (size_t)distance + LEAST_ROOM;
    uint64_t *longer = realloc(counts->at, room * sizeof *longer);
    if (longer == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "recency: out of memory");
    memset(longer + counts->room, 0, (room - counts->room) * sizeof *longer);
    counts->at = longer;
    counts->room = room;
  }
  counts->lookups++;
  if (distance == DYNO_RECENCY_NEVER)
    counts->never++;
  else
    counts->at[distance]++;
  return DYNO_OK;
}

uint64_t dyno_recency_hits(const dyno_recency_counts *counts, uint64_t capacity)
{
  uint64_t hits = 0;
  for (size_t i = 0; i < counts->room && i < capacity; i++)
    hits += counts->at[i];
  return hits;
}

uint64_t dyno_recency_quantile(const dyno_recency_counts *counts, double share)
{
  uint64_t again = counts->lookups - counts->never, seen = 0;
  for (size_t i = 0; i < counts->room; i++) {
    seen += counts->at[i];
    if (seen > 0 && (double)seen >= share * (double)again)
      return i;
  }
  return 0;
}

void dyno_recency_counts_free(dyno_recency_counts *counts)
{
  free(counts->at);
  *counts = (dyno_recency_counts){0};
}
