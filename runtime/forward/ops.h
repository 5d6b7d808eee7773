/* The steps of a forward pass, as one thread takes its part in them: each runs a kernel and tells
 * the probe. Rows of tokens are those of the lane (lane.h). */
#ifndef DYNO_RUNTIME_FORWARD_OPS_H
#define DYNO_RUNTIME_FORWARD_OPS_H

#include "runtime/forward/lane.h"
#include "runtime/forward/shares.h"

/* stream->normalized = rmsnorm(input) * weight for our tokens; both [m][d_model]. */
void dyno_lane_normalize(const dyno_lane *lane, dyno_probe_op op, const float *weight,
                         const float *input);

/* Rounds columns [column0, column1) of rows [row0, row1), of k columns each, to A8. */
void dyno_lane_quantize(const dyno_lane *lane, void *output, const float *input, size_t k,
                        size_t row0, size_t row1, size_t column0, size_t column1);

/* A dense matrix times m tokens, whose rows are there in F32 and, unless that is not its format,
 * in A8. Its group bounds live in *bounds: 0 and m. */
dyno_matmul dyno_dense_matmul(const dyno_linear *linear, float *output, const float *values,
                              const void *quantized, size_t m, size_t bounds[2]);

/* Our share of the rows of some matmuls: outputs of rows that others compute are complete after
 * the next meeting. */
void dyno_lane_matmul(dyno_lane *lane, dyno_probe_op op, const dyno_matmul *matmuls, size_t count);

/* One span of a matmul. */
void dyno_lane_matmul_span(const dyno_lane *lane, dyno_probe_op op, const dyno_matmul *matmul,
                           const dyno_span *span);

/* All rows of a dense matmul by ourselves, whose tokens are ours alone. Each thread tells of its
 * part of the weights' bytes, because the pass needs them once. */
void dyno_lane_matmul_own(const dyno_lane *lane, dyno_probe_op op, const dyno_matmul *matmul);

/* The least common multiple of two positive numbers. */
size_t dyno_common_multiple(size_t a, size_t b);

#endif
