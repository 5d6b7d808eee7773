#include "runtime/synth/weights.h"

#define XXH_INLINE_ALL
#include <math.h>
#include <string.h>
#include <xxhash.h>

static const struct {
  double mean, deviation;
  bool of_columns; /* the deviation is divided by the square root of the columns */
} laws[DYNO_TENSOR_ROLE_COUNT] = {
    [DYNO_TENSOR_EMBEDDING] = {0, 0.25, false},
    [DYNO_TENSOR_OUTPUT_NORM] = {1, 0.05, false},
    [DYNO_TENSOR_HEAD] = {0, 1, true},
    [DYNO_TENSOR_ATTENTION_NORM] = {1, 0.05, false},
    [DYNO_TENSOR_QUERY_WEIGHT] = {0, 1, true},
    [DYNO_TENSOR_QUERY_BIAS] = {0, 0.02, false},
    [DYNO_TENSOR_KEY_WEIGHT] = {0, 1, true},
    [DYNO_TENSOR_KEY_BIAS] = {0, 0.02, false},
    [DYNO_TENSOR_VALUE_WEIGHT] = {0, 1, true},
    [DYNO_TENSOR_VALUE_BIAS] = {0, 0.02, false},
    [DYNO_TENSOR_SINKS] = {0, 1, false},
    [DYNO_TENSOR_ATTENTION_WEIGHT] = {0, 1.0 / 16, true},
    [DYNO_TENSOR_ATTENTION_BIAS] = {0, 0.02 / 16, false},
    [DYNO_TENSOR_FFN_NORM] = {1, 0.05, false},
    [DYNO_TENSOR_ROUTER_WEIGHT] = {0, 3, true},
    [DYNO_TENSOR_ROUTER_BIAS] = {0, 0.02, false},
    [DYNO_TENSOR_GATE_WEIGHT] = {0, 1, true},
    [DYNO_TENSOR_GATE_BIAS] = {0, 0.02, false},
    [DYNO_TENSOR_UP_WEIGHT] = {0, 1, true},
    [DYNO_TENSOR_UP_BIAS] = {0, 0.02, false},
    [DYNO_TENSOR_DOWN_WEIGHT] = {0, 1.0 / 16, true},
    [DYNO_TENSOR_DOWN_BIAS] = {0, 0.02 / 16, false},
};

void dyno_synth_weights_law(double *mean, double *deviation, dyno_tensor_role role, size_t k)
{
  *mean = laws[role].mean;
  *deviation = laws[role].deviation / (laws[role].of_columns ? sqrt((double)k) : 1);
}

void dyno_synth_weights_init(dyno_synth_weights *weights, const dyno_tensor *tensor, uint64_t seed)
{
  double mean, deviation;
  dyno_synth_weights_law(&mean, &deviation, tensor->role, tensor->k);
  dyno_block_tables_init(&weights->tables, tensor->dtype, mean, deviation);
  weights->key = XXH3_64bits_withSeed(tensor->name, strlen(tensor->name), seed);
}

void dyno_synth_weights_rows(void *rows, const dyno_synth_weights *weights,
                             const dyno_tensor *tensor, size_t group, size_t row0, size_t row1)
{
  uint8_t *row = rows;
  for (size_t i = row0; i < row1; i++, row += tensor->row_bytes)
    dyno_block_draw(row, &weights->tables, tensor->k,
                    dyno_random_stream(weights->key, (uint64_t)group * tensor->n + i));
}
