/* The random weights of a model that behaves: activations stay of order one through any number of
 * layers, and small differences stay small. With every projection at 1 / sqrt(columns) the choice
 * of experts would turn the rounding of one layer into other experts in the next; so what is added
 * to the residual stream is a sixteenth of that, and the router is decided three times as much.
 * The embedding is at a quarter: then what 24 layers have added is about half of the stream, and
 * the logits depend on all of them. */
#ifndef DYNO_RUNTIME_SYNTH_WEIGHTS_H
#define DYNO_RUNTIME_SYNTH_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/model/checkpoint.h"
#include "runtime/synth/blocks.h"

/* The weights of one tensor. Its rows depend on the seed, the tensor's name and dtype, and nothing
 * else: not on the file they go to, nor on who makes them. */
typedef struct dyno_synth_weights {
  dyno_block_tables tables;
  uint64_t key;
} dyno_synth_weights;

/* For a tensor that is complete but for data and whose dtype is drawable. Vectors must be F32, F16
 * or BF16. */
void dyno_synth_weights_init(dyno_synth_weights *weights, const dyno_tensor *tensor, uint64_t seed);

/* Writes rows [row0, row1) of a group. Thread-safe. */
void dyno_synth_weights_rows(void *rows, const dyno_synth_weights *weights,
                             const dyno_tensor *tensor, size_t group, size_t row0, size_t row1);

/* The standard deviation and the mean that a tensor's elements are drawn with. */
void dyno_synth_weights_law(double *mean, double *deviation, dyno_tensor_role role, size_t k);

#endif
