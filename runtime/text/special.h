/* Finds the tokens that are matched as a whole: special ones and added ones. */
#ifndef DYNO_RUNTIME_TEXT_SPECIAL_H
#define DYNO_RUNTIME_TEXT_SPECIAL_H

#include <stdbool.h>

#include "runtime/text/vocabulary.h"

/* Made once, then only read, from any thread. */
typedef struct dyno_special_index {
  const dyno_vocabulary *vocabulary; /* borrowed */
  int32_t *sorted;                   /* ids by their bytes; owned */
  size_t count;
  bool any_added;
  bool begins[256]; /* the first bytes of all of them */
} dyno_special_index;

/* FORMAT when two of the tokens are equal. */
dyno_status dyno_special_index_create(dyno_special_index *index, const dyno_vocabulary *vocabulary,
                                      dyno_error *error);
void dyno_special_index_free(dyno_special_index *index);

/* The id of the token with exactly these bytes; -1 when there is none. */
int32_t dyno_special_find(const dyno_special_index *index, const char *bytes, size_t count);

/* Looks for the first token in text[at] to text[end - 1], the longest where several begin at the
 * same place; special ones count only if asked for. Returns where it begins and, in id, what it
 * is; returns end when there is none. */
size_t dyno_special_search(const dyno_special_index *index, int32_t *id, const char *text,
                           size_t at, size_t end, bool special);

#endif
