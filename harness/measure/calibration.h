/* Text to calibrate on, and what a model's activations are on it. */
#ifndef DYNO_HARNESS_MEASURE_CALIBRATION_H
#define DYNO_HARNESS_MEASURE_CALIBRATION_H

#include "runtime/engine.h"
#include "runtime/model/importance.h"
#include "runtime/text/buffer.h"

/* Sequences of tokens, one behind the other. */
typedef struct dyno_calibration {
  dyno_tokens tokens;
  size_t *ends; /* [count]: where each one ends; owned */
  size_t count;
} dyno_calibration;

/* Reads a text, in pieces of 512 tokens, special tokens as they are spelled; or, of a folder, its
 * items (items.h) as conversations. At most most tokens, evenly from the items. NOT_FOUND, IO,
 * FORMAT, MEMORY; USAGE when there is nothing in it. On failure *calibration is empty. */
dyno_status dyno_calibration_read(dyno_calibration *calibration, const char *path,
                                  const dyno_engine *engine, size_t most, dyno_error *error);

/* Frees and zeroes. */
void dyno_calibration_free(dyno_calibration *calibration);

/* Runs the text and fills *importance: for each column of each matrix the mean of the squares that
 * it is multiplied with, and a thousandth of the mean of all columns. An expert that few tokens go
 * to leans on all experts of its layer. The embedding has none. Sets the engine's probe.
 * progress may be NULL; false stops with INTERRUPTED. On failure *importance is empty. */
dyno_status dyno_calibrate(dyno_importance *importance, dyno_engine *engine,
                           const dyno_calibration *calibration,
                           bool (*progress)(void *context, uint64_t done, uint64_t total),
                           void *context, dyno_error *error);

#endif
