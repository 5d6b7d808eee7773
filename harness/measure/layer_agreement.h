/* What two ways of computing do inside, on the same tokens: which experts each layer's router
 * chooses, and how far apart the rows are that the layer's matrices are multiplied with. Both tell
 * it by their probe (runtime/probe.h), the reference first. */
#ifndef DYNO_HARNESS_MEASURE_LAYER_AGREEMENT_H
#define DYNO_HARNESS_MEASURE_LAYER_AGREEMENT_H

#include "runtime/engine.h"

/* The rows that are compared. Those of an expert's second matrix are not: they lie in the order of
 * the experts, which may be others. */
typedef enum dyno_layer_site {
  DYNO_SITE_ATTENTION,        /* normalized, to query, key and value */
  DYNO_SITE_ATTENTION_OUTPUT, /* what attention gave */
  DYNO_SITE_EXPERTS,          /* normalized, to router, gate and up */
  DYNO_SITE_HEAD,             /* normalized, to the head: as of layer 0 */
  DYNO_SITE_COUNT
} dyno_layer_site;

/* "attention", "attention output", "experts", "head"; static. */
const char *dyno_layer_site_name(dyno_layer_site site);

/* Of one site in one layer. */
typedef struct dyno_site_errors {
  double *squares; /* owned [count]: |other - reference|^2 / |reference|^2, token after token */
  size_t count, capacity;
} dyno_site_errors;

typedef struct dyno_layer_choices {
  size_t tokens, same;    /* tokens, and those for which all chosen experts are the same ones */
  size_t choices, shared; /* experts the reference chose, and of them those the other chose too */
} dyno_layer_choices;

typedef struct dyno_layer_agreement {
  size_t layers;
  dyno_site_errors *errors;    /* owned [layers][DYNO_SITE_COUNT] */
  dyno_layer_choices *choices; /* owned [layers] */
  struct dyno_held_rows *held; /* owned; of the pass at hand */
  size_t room;                 /* rows of each site that fit */
  bool other;                  /* whose rows are coming */
  bool out_of_memory;          /* some could not be kept */
} dyno_layer_agreement;

/* For engines of this model, which are told `rows` tokens at a time at most. On failure it is
 * empty: MEMORY. */
dyno_status dyno_layer_agreement_open(dyno_layer_agreement *agreement,
                                      const dyno_model_config *config, size_t rows,
                                      dyno_error *error);

/* Expects the reference's rows for the next tokens; and then the other's for the same ones. */
void dyno_layer_agreement_expect(dyno_layer_agreement *agreement, bool other);

/* For dyno_engine_set_probe of both engines. */
dyno_probe dyno_layer_agreement_probe(dyno_layer_agreement *agreement);

/* Frees and zeroes. */
void dyno_layer_agreement_free(dyno_layer_agreement *agreement);

#endif
