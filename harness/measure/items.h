/* Held-out items: prompts with the answers that are right, from files of JSON lines.
 *
 *   {"family": "questions", "prompt": "What is 3 + 4?", "answer": "7"}
 *
 * and further, where it applies:
 *   "distance"  tokens between the fact that is asked for and the answer
 *   "rule"      what an answer in other words has to have; harness/measure/structure.h */
#ifndef DYNO_HARNESS_MEASURE_ITEMS_H
#define DYNO_HARNESS_MEASURE_ITEMS_H

#include <jansson.h>
#include <stddef.h>

#include "kernels/base/status.h"

typedef struct dyno_item {
  const char *family, *prompt, *answer; /* owned by the list, as is rule */
  size_t distance;                      /* 0: none is stated */
  const json_t *rule;                   /* NULL: only the answer itself is right */
} dyno_item;

typedef struct dyno_items {
  dyno_item *items;
  size_t count, capacity;
  json_t *lines; /* what the items point into */
} dyno_items;

/* Reads FAMILY.jsonl for every family of the list ("questions,essays"), or all *.jsonl of the
 * folder, in the order of their names, when it is NULL; of each at most `most` items, spread
 * evenly over the file (0: all). NOT_FOUND, FORMAT (naming file and line), IO, MEMORY. On failure
 * *items is empty. */
dyno_status dyno_items_read(dyno_items *items, const char *folder, const char *families,
                            size_t most, dyno_error *error);

void dyno_items_free(dyno_items *items);

#endif
