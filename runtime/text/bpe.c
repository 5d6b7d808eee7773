#include "config.h"

#include "runtime/text/bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text/vocabulary_internal.h"

/* Ranks are ids, as unsigned numbers so that "none" is the greatest. */
#define NONE UINT32_MAX

static inline uint32_t rank_of(const dyno_vocabulary *v, const char *bytes, size_t count)
{
  return (uint32_t)dyno_vocabulary_find(v, bytes, count);
}

/* Up to here, looking for the lowest rank by going through all of them is faster than a heap. */
enum { SHORT = 96 };

/* Parts are start[0] to start[parts - 1], and start[parts] is the end; rank[i] is that of parts i
 * and i + 1 together. */
static dyno_status encode_short(const dyno_vocabulary *v, dyno_tokens *tokens, const char *piece,
                                size_t count, dyno_error *error)
{
  uint32_t rank[SHORT];
  uint8_t start[SHORT + 1];
  size_t parts = count;
  for (size_t i = 0; i <= count; i++)
    start[i] = (uint8_t)i;
  for (size_t i = 0; i + 1 < count; i++)
    rank[i] = rank_of(v, piece + i, 2);

  while (parts > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < parts; i++)
      if (rank[i] < rank[best])
        best = i;
    if (rank[best] == NONE)
      break;
    memmove(start + best + 1, start + best + 2, parts - best - 1);
    memmove(rank + best, rank + best + 1, (parts - best - 2) * sizeof *rank);
    parts--;
    if (best + 1 < parts)
      rank[best] = rank_of(v, piece + start[best], (size_t)(start[best + 2] - start[best]));
    if (best > 0)
      rank[best - 1] =
          rank_of(v, piece + start[best - 1], (size_t)(start[best + 1] - start[best - 1]));
  }

  dyno_status status = dyno_tokens_reserve(tokens, parts, error);
  for (size_t i = 0; i < parts && status == DYNO_OK; i++)
    tokens->ids[tokens->count++] =
        dyno_vocabulary_find(v, piece + start[i], (size_t)(start[i + 1] - start[i]));
  return status;
}

/* A long piece: parts are known by where they start and linked to their neighbours; a heap holds
 * every pair that may be merged. Entries that a merge made obsolete stay in the heap, and are
 * recognised by their rank not being that of their pair any more. */
typedef struct merger {
  const dyno_vocabulary *vocabulary;
  const char *piece;
  size_t count;
  uint64_t *heap; /* rank << 32 | start: the lowest rank first, the leftmost among equals */
  size_t heap_count;
  uint32_t *next;     /* by start: where the part ends and the next one starts */
  uint32_t *previous; /* by start: where the part before starts */
  uint32_t *rank;     /* by start: of the part and the next one; NONE where no part starts */
} merger;

/* Every merge makes at most two new pairs. */
static size_t heap_room(size_t count)
{
  return 3 * count;
}

/* Four children, not two: half the levels, and the children share a cache line. */
enum { CHILDREN = 4 };

static void sift_down(uint64_t *heap, size_t count, size_t at)
{
  uint64_t item = heap[at];
  for (size_t child; (child = CHILDREN * at + 1) < count;) {
    size_t end = count - child < CHILDREN ? count : child + CHILDREN;
    for (size_t other = child + 1; other < end; other++)
      if (heap[other] < heap[child])
        child = other;
    if (item <= heap[child])
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = item;
}

static uint64_t heap_pop(merger *m)
{
  uint64_t top = m->heap[0];
  m->heap[0] = m->heap[--m->heap_count];
  if (m->heap_count > 0)
    sift_down(m->heap, m->heap_count, 0);
  return top;
}

static void heap_push(merger *m, uint64_t item)
{
  size_t at = m->heap_count++;
  while (at > 0 && item < m->heap[(at - 1) / CHILDREN]) {
    m->heap[at] = m->heap[(at - 1) / CHILDREN];
    at = (at - 1) / CHILDREN;
  }
  m->heap[at] = item;
}

/* Ranks the part that starts here with the next one. */
static uint32_t rank_pair(merger *m, uint32_t start)
{
  uint32_t second = m->next[start];
  m->rank[start] = second == m->count ? NONE
                                      : rank_of(m->vocabulary, m->piece + start,
                                                (size_t)(m->next[second] - start));
  return m->rank[start];
}

static void merge_all(merger *m)
{
  for (uint32_t i = 0; i < m->count; i++) {
    m->next[i] = i + 1;
    m->previous[i] = i - 1; /* of the first: nonsense that is never used */
  }
  for (uint32_t i = 0; i < m->count; i++)
    if (rank_pair(m, i) != NONE)
      m->heap[m->heap_count++] = (uint64_t)m->rank[i] << 32 | i;
  for (size_t i = (m->heap_count + CHILDREN - 2) / CHILDREN; i-- > 0;)
    sift_down(m->heap, m->heap_count, i);

  while (m->heap_count > 0) {
    uint64_t top = heap_pop(m);
    uint32_t start = (uint32_t)top;
    if (m->rank[start] != (uint32_t)(top >> 32))
      continue;
    uint32_t second = m->next[start];
    m->rank[second] = NONE;
    m->next[start] = m->next[second];
    if (m->next[start] != m->count)
      m->previous[m->next[start]] = start;
    if (rank_pair(m, start) != NONE)
      heap_push(m, (uint64_t)m->rank[start] << 32 | start);
    if (start > 0) {
      uint32_t before = m->previous[start];
      if (rank_pair(m, before) != NONE)
        heap_push(m, (uint64_t)m->rank[before] << 32 | before);
    }
  }
}

static dyno_status make_room(dyno_bpe_scratch *scratch, size_t bytes, dyno_error *error)
{
  if (bytes <= scratch->bytes)
    return DYNO_OK;
  dyno_bpe_scratch_free(scratch);
  scratch->room = malloc(bytes);
  if (scratch->room == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY,
                     "out of memory: %zu MiB are needed to encode a text this long without a break "
                     "between words; put line breaks into it",
                     bytes >> 20);
  scratch->bytes = bytes;
  return DYNO_OK;
}

static dyno_status encode_long(const dyno_vocabulary *v, dyno_bpe_scratch *scratch,
                               dyno_tokens *tokens, const char *piece, size_t count,
                               dyno_error *error)
{
  merger m = {.vocabulary = v, .piece = piece, .count = count};
  size_t heap_bytes = heap_room(count) * sizeof *m.heap;
  dyno_status status = make_room(scratch, heap_bytes + 3 * count * sizeof(uint32_t), error);
  if (status != DYNO_OK)
    return status;
  m.heap = scratch->room;
  m.next = (uint32_t *)(void *)((char *)scratch->room + heap_bytes);
  m.previous = m.next + count;
  m.rank = m.previous + count;
  merge_all(&m);

  for (size_t start = 0; start < count && status == DYNO_OK; start = m.next[start])
    status = dyno_tokens_push(tokens, dyno_vocabulary_find(v, piece + start, m.next[start] - start),
                              error);
  return status;
}

dyno_status dyno_bpe_encode(const dyno_vocabulary *vocabulary, dyno_bpe_scratch *scratch,
                            dyno_tokens *tokens, const char *piece, size_t count, dyno_error *error)
{
  if (count <= SHORT)
    return encode_short(vocabulary, tokens, piece, count, error);
  return encode_long(vocabulary, scratch, tokens, piece, count, error);
}

void dyno_bpe_scratch_free(dyno_bpe_scratch *scratch)
{
  free(scratch->room);
  *scratch = (dyno_bpe_scratch){0};
}
