/* Where a value stands in a JSON text: for messages about a value that is sound JSON and still
 * wrong, as jansson does not keep positions. */
#ifndef DYNO_HARNESS_MEASURE_JSON_LINE_H
#define DYNO_HARNESS_MEASURE_JSON_LINE_H

#include <stddef.h>

/* The line, from 1, on which the value at a path ("prompts[2].trace", "" for the whole) begins in a
 * text [count] that jansson has accepted. What the path does not lead to counts as where its
 * nearest parent begins. Only keys without escapes are found. */
size_t dyno_json_line(const char *text, size_t count, const char *path);

#endif
