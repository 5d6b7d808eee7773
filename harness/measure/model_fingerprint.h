/* What tells one model from another without reading all of it. */
#ifndef DYNO_HARNESS_MEASURE_MODEL_FINGERPRINT_H
#define DYNO_HARNESS_MEASURE_MODEL_FINGERPRINT_H

#include <stdint.h>

#include "runtime/engine.h"

/* XXH3 of the shape, the sizes of the model's files, and bytes sampled evenly from them. IO,
 * MEMORY. */
dyno_status dyno_model_fingerprint(uint64_t *fingerprint, const dyno_engine *engine,
                                   dyno_error *error);

/* How many weights a model of this shape has, biases, norms and sinks included. */
uint64_t dyno_model_parameters(const dyno_model_config *config);

#endif
