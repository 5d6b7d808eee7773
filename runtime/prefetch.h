/* What is asked for from memory before it is needed. None of it changes a result. */
#ifndef DYNO_RUNTIME_PREFETCH_H
#define DYNO_RUNTIME_PREFETCH_H

#include <stdint.h>

/* Of a single token's pass; values are bits, so that ON is both. */
typedef enum dyno_prefetch {
  DYNO_PREFETCH_OFF = 0,
  DYNO_PREFETCH_EMBEDDING = 1, /* the rows of the tokens that dyno_sequence_expect names */
  DYNO_PREFETCH_EXPERTS = 2,   /* the beginnings of the chosen experts' matrices */
  DYNO_PREFETCH_ON = 3,
} dyno_prefetch;

typedef struct dyno_prefetch_counts {
  uint64_t rows, row_bytes;     /* of the embedding */
  uint64_t panels, panel_bytes; /* beginnings of experts' matrices */
} dyno_prefetch_counts;

#endif
