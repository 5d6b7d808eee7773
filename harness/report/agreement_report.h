/* What `dyno quality --kl` prints beside the divergence: how long greedy decoding says the same,
 * whether runs repeat, and what happens in each layer and to each matrix. */
#ifndef DYNO_HARNESS_REPORT_AGREEMENT_REPORT_H
#define DYNO_HARNESS_REPORT_AGREEMENT_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "harness/measure/greedy.h"
#include "harness/measure/layer_agreement.h"
#include "harness/measure/weight_error.h"

typedef struct dyno_agreement {
  dyno_greedy greedy;          /* without continuations: left out */
  dyno_layer_agreement layers; /* without layers: left out */
  size_t runs, same_runs;      /* 0: left out */
  dyno_weight_errors weights;  /* without matrices: left out */
} dyno_agreement;

dyno_status dyno_agreement_print(FILE *stream, const dyno_agreement *agreement, dyno_error *error);

/* NULL when out of memory; the caller's to json_decref. */
json_t *dyno_agreement_json(const dyno_agreement *agreement);

void dyno_agreement_free(dyno_agreement *agreement);

#endif
