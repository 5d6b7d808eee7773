#include "config.h"

#include "runtime/text/special.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b, void *vocabulary)
{
  size_t a_count, b_count;
  const char *a_bytes = dyno_vocabulary_bytes(vocabulary, *(const int32_t *)a, &a_count);
  const char *b_bytes = dyno_vocabulary_bytes(vocabulary, *(const int32_t *)b, &b_count);
  int order = memcmp(a_bytes, b_bytes, a_count < b_count ? a_count : b_count);
  return order != 0 ? order : (a_count > b_count) - (a_count < b_count);
}

static bool is_matched_whole(dyno_token_kind kind)
{
  return kind == DYNO_TOKEN_SPECIAL || kind == DYNO_TOKEN_ADDED;
}

dyno_status dyno_special_index_create(dyno_special_index *index, const dyno_vocabulary *vocabulary,
                                      dyno_error *error)
{
  *index = (dyno_special_index){.vocabulary = vocabulary};
  size_t size = dyno_vocabulary_size(vocabulary);
  for (size_t id = 0; id < size; id++)
    index->count += is_matched_whole(dyno_vocabulary_kind(vocabulary, (int64_t)id));
  index->sorted = calloc(index->count + 1, sizeof *index->sorted);
  if (index->sorted == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for %zu special tokens",
                     index->count);
  size_t at = 0;
  for (size_t id = 0; id < size; id++) {
    dyno_token_kind kind = dyno_vocabulary_kind(vocabulary, (int64_t)id);
    if (!is_matched_whole(kind))
      continue;
    size_t count;
    index->begins[(unsigned char)*dyno_vocabulary_bytes(vocabulary, (int64_t)id, &count)] = true;
    index->any_added |= kind == DYNO_TOKEN_ADDED;
    index->sorted[at++] = (int32_t)id;
  }
  qsort_r(index->sorted, index->count, sizeof *index->sorted, compare,
          (void *)(uintptr_t)vocabulary);
  for (size_t i = 1; i < index->count; i++)
    if (compare(&index->sorted[i - 1], &index->sorted[i], (void *)(uintptr_t)vocabulary) == 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "special tokens %d and %d have the same text",
                       index->sorted[i - 1], index->sorted[i]);
  return DYNO_OK;
}

void dyno_special_index_free(dyno_special_index *index)
{
  free(index->sorted);
  *index = (dyno_special_index){0};
}

/* Those of sorted[range] whose byte at depth is wanted; all of them are equal before depth. */
typedef struct range {
  size_t first, end;
} range;

static int byte_at(const dyno_special_index *index, size_t i, size_t depth)
{
  size_t count;
  const char *bytes = dyno_vocabulary_bytes(index->vocabulary, index->sorted[i], &count);
  return depth < count ? (unsigned char)bytes[depth] : -1;
}

/* The first of the range whose byte at depth is not less than `byte`. */
static size_t lower_bound(const dyno_special_index *index, range r, size_t depth, int byte)
{
  while (r.first < r.end) {
    size_t middle = r.first + (r.end - r.first) / 2;
    if (byte_at(index, middle, depth) < byte)
      r.first = middle + 1;
    else
      r.end = middle;
  }
  return r.first;
}

static range narrow(const dyno_special_index *index, range r, size_t depth, int byte)
{
  range narrowed;
  narrowed.first = lower_bound(index, r, depth, byte);
  narrowed.end = lower_bound(index, (range){narrowed.first, r.end}, depth, byte + 1);
  return narrowed;
}

int32_t dyno_special_find(const dyno_special_index *index, const char *bytes, size_t count)
{
  range r = {0, index->count};
  for (size_t depth = 0; depth < count; depth++)
    r = narrow(index, r, depth, (unsigned char)bytes[depth]);
  r = narrow(index, r, count, -1);
  return r.first < r.end ? index->sorted[r.first] : -1;
}

/* The longest token at this very place, -1 for none. */
static int32_t match(const dyno_special_index *index, const char *text, size_t at, size_t end,
                     bool special)
{
  int32_t longest = -1;
  range r = {0, index->count};
  for (size_t depth = 0; r.first < r.end; depth++) {
    /* The token that ends here sorts before those that go on. */
    int32_t id = index->sorted[r.first];
    if (depth > 0 && byte_at(index, r.first, depth) < 0 &&
        (special || dyno_vocabulary_kind(index->vocabulary, id) == DYNO_TOKEN_ADDED))
      longest = id;
    if (at + depth == end)
      break;
    r = narrow(index, r, depth, (unsigned char)text[at + depth]);
  }
  return longest;
}

size_t dyno_special_search(const dyno_special_index *index, int32_t *id, const char *text,
                           size_t at, size_t end, bool special)
{
  if (index->count == 0 || (!special && !index->any_added))
    return end;
  for (; at < end; at++) {
    if (!index->begins[(unsigned char)text[at]])
      continue;
    *id = match(index, text, at, end, special);
    if (*id >= 0)
      return at;
  }
  return end;
}
