/* How operands lie in memory: shared by operands.c, which lays them out, and operands_run.c, which
 * hands them to kernels. */
#ifndef DYNO_HARNESS_MEASURE_OPERANDS_INTERNAL_H
#define DYNO_HARNESS_MEASURE_OPERANDS_INTERNAL_H

#include <stdbool.h>

#include "harness/measure/operands.h"
#include "kernels/sampling/screen.h"

typedef enum operand_fill {
  FILL_ZERO,
  FILL_FLOATS,
  FILL_A8,     /* rows of columns */
  FILL_ROWS,   /* rows of columns of a dtype */
  FILL_PACKED, /* the weights of a matmul */
  FILL_SCREEN, /* rows of columns */
  FILL_QUERY,  /* of columns */
} operand_fill;

/* One array of the problem. */
typedef struct operand_array {
  size_t bytes;
  bool streamed;
  operand_fill fill;
  dyno_dtype dtype;
  size_t rows, columns;
  size_t offset; /* in the copy, or in the fixed part */
} operand_array;

enum { MOST_ARRAYS = 4 };

/* Positions of the arrays, by op. */
enum { MATMUL_WEIGHT, MATMUL_ACTIVATION, MATMUL_BIAS, MATMUL_OUTPUT };
enum { ATTENTION_KV, ATTENTION_QUERY, ATTENTION_SINKS, ATTENTION_OUTPUT };
enum { QUANTIZE_INPUT, QUANTIZE_OUTPUT, FIT_IMPORTANCE };
enum { STORE_KEY, STORE_VALUE, STORE_KV };
enum { RMSNORM_INPUT, RMSNORM_OUTPUT, RMSNORM_WEIGHT };
enum { ROPE_VALUES, ROPE_COSINE, ROPE_SINE };
enum { SWIGLU_GATE, SWIGLU_UP, SWIGLU_OUTPUT };
enum { SCREEN_PANELS, SCREEN_QUERY, SCREEN_LOWER, SCREEN_UPPER };
enum { CHOICE_VALUES, CHOICE_INDEX, CHOICE_VALUE };

struct dyno_operands {
  dyno_problem problem;
  const dyno_layout *layout;
  operand_array arrays[MOST_ARRAYS];
  size_t array_count;
  dyno_operands_size size;
  size_t copies;
  char *streamed, *fixed, *scratch;
  size_t scratch_bytes; /* of one thread */

  /* The matrices of a copy, one per group, or its KV blocks: [copies][part_count]. */
  void **parts;
  size_t part_count, part_bytes;
  const float **biases; /* [groups] */
  size_t *group_begin;  /* [groups + 1] */
  dyno_screen_query query;
};

#endif
