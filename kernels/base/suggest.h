/* Near names, for "unknown NAME; did you mean ...?" */
#ifndef DYNO_KERNELS_BASE_SUGGEST_H
#define DYNO_KERNELS_BASE_SUGGEST_H

#include <stddef.h>

/* The fewest insertions, deletions and replacements of a character that turn a into b, where
 * characters before and after b's match cost a quarter: a part of a long name is near to it.
 * Strings are compared up to their 96th character. Levenshtein 1966; Sellers 1980. */
unsigned dyno_name_distance(const char *a, const char *b);

/* Writes the nearest `most` of the count names into text (size bytes, always terminated),
 * separated by ", ". Names may be NULL. */
void dyno_suggest(char *text, size_t size, const char *wanted, const char *const *names,
                  size_t count, size_t most);

#endif
