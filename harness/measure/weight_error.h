/* What lowering does to each matrix by itself. */
#ifndef DYNO_HARNESS_MEASURE_WEIGHT_ERROR_H
#define DYNO_HARNESS_MEASURE_WEIGHT_ERROR_H

#include "kernels/registry.h"
#include "runtime/model/quantization.h"

/* Of all weights of a matrix, not of a sample: these figures have no interval. */
typedef struct dyno_weight_error {
  const dyno_tensor *tensor; /* of the model that is compared */
  dyno_dtype from, to;
  double rmse, most;  /* root of the mean square of the difference, and the largest */
  double snr_decibel; /* mean square of the weight over that of the difference; INFINITY: none */
} dyno_weight_error;

typedef struct dyno_weight_errors {
  dyno_weight_error *errors; /* owned; of matrices whose format changes */
  size_t count;
} dyno_weight_errors;

/* Compares each matrix of `reference` with that of `other`, lowered as the quantization says (NULL:
 * as it is). Both must live as long as the result. USAGE where the shapes differ; MEMORY, and
 * errors of dyno_requantizer_rows. On failure *errors is empty. */
dyno_status dyno_weight_errors_measure(dyno_weight_errors *errors, const dyno_checkpoint *reference,
                                       const dyno_checkpoint *other, const dyno_registry *registry,
                                       const dyno_quantization *quantization, dyno_error *error);

/* Frees and zeroes. */
void dyno_weight_errors_free(dyno_weight_errors *errors);

#endif
