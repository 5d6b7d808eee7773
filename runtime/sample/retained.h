/* The largest logits of a token, without the others.
 *
 * A sampler says what it needs to choose as it would from all of them; the engine answers with the
 * tokens that stand out, and with what is known of the rest. */
#ifndef DYNO_RUNTIME_SAMPLE_RETAINED_H
#define DYNO_RUNTIME_SAMPLE_RETAINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than this many of the largest are not retained. */
#define DYNO_RETAIN_MOST 256

typedef struct dyno_retain_request {
  bool all;           /* nothing but all logits will do; the rest means nothing then */
  size_t top;         /* the so many largest, 1 to DYNO_RETAIN_MOST, */
  double within;      /* and those that are up to this much smaller than the last of these */
  double temperature; /* of the tail; 0 when it does not matter */
} dyno_retain_request;

/* Every logit that is not among these is less than floor; these are not. The values are those that
 * the full head computes, to the bit. */
typedef struct dyno_retained {
  const int32_t *id;  /* [count], ascending */
  const float *logit; /* [count] */
  size_t count;       /* at least the number asked for, if there are so many tokens */
  float floor;
  /* Not less than the sum, over all other tokens, of exp((logit - largest logit) / temperature);
   * 0 where the temperature asked for is 0. */
  double tail;
} dyno_retained;

/* What retaining came to. */
typedef struct dyno_logits_counts {
  uint64_t requests;  /* of tokens to retain */
  uint64_t screens;   /* passes over the screen */
  uint64_t retained;  /* answers, */
  uint64_t rows;      /* and the rows of the matrix that were computed for these */
  uint64_t full;      /* passes over the whole matrix */
  uint64_t crowded;   /* no answer: too many rows remained */
  uint64_t violated;  /* no answer: a row was outside of its bounds */
  uint64_t unbounded; /* no answer: nothing could be promised for the vector */
  uint64_t passed;    /* no answer: not tried, after failures */
  uint64_t undecided; /* all logits were asked for after an answer */
  double tail;        /* of the last answer */
  double largest_tail;
} dyno_logits_counts;

#endif
