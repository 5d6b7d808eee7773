/* What rounding activations to 8 bits does, seen while a model runs: single rows of what meets each
 * layer's matrices, in floats and as the matrices take them. Looking keeps to a share of the time.
 */
#ifndef DYNO_HARNESS_MEASURE_ROUNDING_H
#define DYNO_HARNESS_MEASURE_ROUNDING_H

#include "runtime/engine.h"

/* The share of the time that --track-quant allows. */
#define DYNO_ROUNDING_SHARE 0.01

typedef enum dyno_rounding_site {
  DYNO_ROUNDING_ATTENTION,        /* to query, key and value */
  DYNO_ROUNDING_ATTENTION_OUTPUT, /* what attention gave */
  DYNO_ROUNDING_EXPERTS,          /* to gate and up */
  DYNO_ROUNDING_DOWN,             /* to the experts' second matrix */
  DYNO_ROUNDING_HEAD,             /* of layer 0 */
  DYNO_ROUNDING_SITE_COUNT
} dyno_rounding_site;

/* Of one site in one layer. */
typedef struct dyno_rounding_error {
  uint64_t rows;   /* looked at */
  double squares;  /* their sum of |rounded - row|^2 / |row|^2 */
  double greatest; /* of those */
  bool rounded;    /* its matrices take rounded rows */
} dyno_rounding_error;

typedef struct dyno_rounding {
  size_t layers;
  dyno_rounding_error *errors; /* owned [layers][DYNO_ROUNDING_SITE_COUNT] */
  size_t sites;                /* that round */
  uint64_t seen, looked;       /* rows */
  double share;                /* of the time that may be spent */
  uint64_t last_ns;            /* when rows came last; 0: none have */
  double elapsed_ns, spent_ns; /* altogether, and by this */
  double clock_ns, weight_ns;  /* what reading the clock takes, and looking at one element */
} dyno_rounding;

/* For a model of so many layers. Looks at rows as long as that takes no more than `share` of the
 * time, at each site as often as at any other. On failure it is empty: MEMORY. */
dyno_status dyno_rounding_open(dyno_rounding *rounding, size_t layers, double share,
                               dyno_error *error);

/* For dyno_engine_set_probe. The figures may be read between passes. */
dyno_probe dyno_rounding_probe(dyno_rounding *rounding);

/* Frees and zeroes. */
void dyno_rounding_free(dyno_rounding *rounding);

#endif
