/* Bytes of a file that are text: not terminated, not trusted. */
#ifndef DYNO_RUNTIME_MODEL_SPAN_H
#define DYNO_RUNTIME_MODEL_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct dyno_span {
  const char *bytes;
  size_t size;
} dyno_span;

static inline dyno_span dyno_span_of(const char *text)
{
  return (dyno_span){text, strlen(text)};
}

static inline bool dyno_span_equal(dyno_span a, dyno_span b)
{
  return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

/* Bytewise order, the shorter first among equals; as for qsort. */
static inline int dyno_span_compare(dyno_span a, dyno_span b)
{
  size_t shared = a.size < b.size ? a.size : b.size;
  int order = shared == 0 ? 0 : memcmp(a.bytes, b.bytes, shared);
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* For messages: the text with everything but printable ASCII as \xNN, cut with "..." when it does
 * not fit. Always terminated. Returns quoted. */
#define DYNO_QUOTED_TEXT 96
char *dyno_span_quote(char quoted[DYNO_QUOTED_TEXT], dyno_span span);

#endif
