/* Rows of a tensor in another format, some at a time: the file's are decoded to floats and these
 * quantized, in a scratch that a cache can hold. */
#ifndef DYNO_RUNTIME_MODEL_REQUANTIZE_H
#define DYNO_RUNTIME_MODEL_REQUANTIZE_H

#include "kernels/registry.h"
#include "runtime/model/quantization.h"

typedef struct dyno_requantizer {
  const dyno_checkpoint *checkpoint;
  const dyno_tensor *tensor;
  const dyno_kernel *kernel; /* quantize_weight, or fit_weight */
  const float *importance;   /* of columns, [groups][k]; NULL: all the same */
  dyno_dtype dtype;
  size_t row_bytes; /* of dtype */
} dyno_requantizer;

/* Chooses the kernel for a tensor that the quantization lowers. All must outlive the requantizer,
 * which needs no freeing. Errors of dyno_select. */
dyno_status dyno_requantizer_make(dyno_requantizer *requantizer, const dyno_checkpoint *checkpoint,
                                  const dyno_registry *registry, const dyno_tensor *tensor,
                                  const dyno_quantization *quantization, dyno_error *error);

/* Bytes of scratch for so many rows at a time. */
size_t dyno_requantizer_scratch(const dyno_requantizer *requantizer, size_t rows);

/* Writes rows [row0, row1) of a group to out, row1 - row0 times row_bytes, any alignment. scratch
 * is aligned to 64. From any thread that has a scratch of its own. Errors of
 * dyno_checkpoint_read_rows, and FORMAT where a weight is not finite. */
dyno_status dyno_requantizer_rows(const dyno_requantizer *requantizer, void *out, void *scratch,
                                  size_t group, size_t row0, size_t row1, dyno_error *error);

#endif
