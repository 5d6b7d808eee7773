/* What a model knows: held-out items, answered by greedy decoding in the Harmony format.
 *
 * An item's conversation is a system message (medium effort, no date), the prompt as the user's,
 * and the answer on the final channel. Its loss is that of the right answer given the prompt
 * (teacher forcing), in nats. */
#ifndef DYNO_HARNESS_MEASURE_QUALITY_H
#define DYNO_HARNESS_MEASURE_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/measure/items.h"
#include "harness/measure/statistics.h"
#include "runtime/engine.h"

enum {
  DYNO_QUALITY_POSITIONS = 8, /* ranges of positions: below 64, 128, 256, ... and the rest */
  DYNO_QUALITY_DISTANCES = 7, /* likewise, of distances */
  DYNO_QUALITY_FIRST_RANGE = 64
};

/* A sum of losses. */
typedef struct dyno_loss {
  double nats;
  size_t tokens;
} dyno_loss;

/* So many of so many. */
typedef struct dyno_tally {
  size_t hits, count;
} dyno_tally;

/* What one item gave. */
typedef struct dyno_answer {
  bool exact;             /* the answer, word for word */
  bool structured;        /* its structure holds; only with a rule */
  char *said;             /* owned; what the model said instead, NULL when exact */
  const char *why;        /* what its structure lacks, static; "" when nothing, or without a rule */
  dyno_loss answer, text; /* of the answer; of prompt and answer */
  dyno_loss positions[DYNO_QUALITY_POSITIONS]; /* of text, by the position that is predicted */
} dyno_answer;

typedef struct dyno_quality_family {
  const char *name; /* of an item */
  dyno_tally exact, structured;
  dyno_loss answer;
} dyno_quality_family;

typedef struct dyno_quality {
  dyno_answer *answers; /* [items->count], in the items' order */
  size_t answer_count;
  dyno_quality_family *families; /* in the order in which they come in the items */
  size_t family_count;
  dyno_tally distances[DYNO_QUALITY_DISTANCES]; /* exact, of items that state a distance */
  dyno_tally near, far;                         /* below 128 tokens, and from there on */
  dyno_loss answer, text;
  dyno_loss positions[DYNO_QUALITY_POSITIONS];
} dyno_quality;

/* The range that a position or a distance falls into, of `ranges` ones; and where a range
 * begins. */
size_t dyno_quality_range(size_t position, size_t ranges);
size_t dyno_quality_range_start(size_t range);

/* e to the mean loss; NaN without tokens. */
double dyno_perplexity(const dyno_loss *loss);

typedef struct dyno_quality_run {
  const dyno_engine_options *engine; /* for each worker, but for threads */
  unsigned workers;                  /* engines of one thread each, at least 1 */
  /* Called from one of the workers at a time, after each item; false stops with INTERRUPTED. May
   * be NULL. */
  bool (*progress)(void *context, size_t done, size_t total);
  void *context;
} dyno_quality_run;

/* Answers all items. The numbers do not depend on the number of workers. USAGE when an item is
 * longer than the model's context, INTERRUPTED, MEMORY, and whatever opening the model and its
 * tokenizer return. On failure *quality is empty. */
dyno_status dyno_quality_measure(dyno_quality *quality, const dyno_items *items,
                                 const dyno_quality_run *run, dyno_error *error);

void dyno_quality_free(dyno_quality *quality);

#endif
