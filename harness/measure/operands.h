/* The operands of a problem in memory, several copies of them, ready for a kernel to run on.
 *
 * What a model streams from memory (weights, KV blocks, the input and output of ops without
 * either) is there `copies` times, one after the other, so that a benchmark can go through enough
 * memory for no cache to help. The rest (activations and outputs of a matmul, queries) is there
 * once and stays warm, as it would be in the middle of a token. */
#ifndef DYNO_HARNESS_MEASURE_OPERANDS_H
#define DYNO_HARNESS_MEASURE_OPERANDS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"

/* Tokens of a KV block. */
#define DYNO_OPERANDS_BLOCK_TOKENS 64

typedef struct dyno_operands dyno_operands;

typedef struct dyno_operands_size {
  size_t streamed; /* bytes of one copy */
  size_t fixed;    /* bytes that are there once */
} dyno_operands_size;

/* What the operands of the problem take, in this layout of weights (NULL for ops without) and
 * with room for `threads` times scratch_bytes. UNSUPPORTED when the formats cannot be made up,
 * MEMORY when the bytes cannot be counted. The problem passes dyno_problem_check. */
dyno_status dyno_operands_measure(dyno_operands_size *size, const dyno_problem *problem,
                                  const dyno_layout *layout, size_t scratch_bytes, unsigned threads,
                                  dyno_error *error);

/* Lays the operands out in memory [copies * streamed + fixed bytes], aligned to 4096, which stays
 * the caller's, and fills them with random numbers of the seed: all copies alike. *operands is
 * NULL on failure. */
dyno_status dyno_operands_open(dyno_operands **operands, const dyno_problem *problem,
                               const dyno_layout *layout, size_t scratch_bytes, unsigned threads,
                               void *memory, size_t copies, uint64_t seed, dyno_error *error);

/* Sets *operands to NULL; NULL is fine. */
void dyno_operands_close(dyno_operands **operands);

/* The streamed copies, all together: copies * streamed bytes. */
const void *dyno_operands_streamed(const dyno_operands *operands);

/* Runs rows [row0, row1) of the problem on a copy. Different threads may run different rows of the
 * same copy at once, each with its own thread number. */
void dyno_operands_run(const dyno_operands *operands, const dyno_kernel *kernel, size_t copy,
                       size_t row0, size_t row1, unsigned thread);

/* Ranges of rows may be cut at multiples of this. */
size_t dyno_operands_granule(const dyno_problem *problem, const dyno_layout *layout);

#endif
