/* Writes a model with its weights lowered, as a GGUF file that other engines read too. */
#ifndef DYNO_RUNTIME_MODEL_QUANTIZE_FILE_H
#define DYNO_RUNTIME_MODEL_QUANTIZE_FILE_H

#include "kernels/registry.h"
#include "runtime/model/quantization.h"
#include "runtime/threads/pool.h"

typedef struct dyno_quantize_file_options {
  const dyno_quantization *quantization;
  dyno_checkpoint_progress
      show; /* with bytes written; NULL for none; false stops with INTERRUPTED */
  void *context;
} dyno_quantize_file_options;

/* Writes the model to path in the dialect of ggml-org, each tensor in the format that it is lowered
 * to, or its own; vectors and routers as F32, as llama.cpp asks for them. Takes memory for some
 * rows only. The file appears whole or not at all.
 *
 * USAGE when path is the model itself or no regular file; UNAVAILABLE when the disk has not enough
 * room; IO, MEMORY, INTERRUPTED; errors of dyno_requantizer_rows. */
dyno_status dyno_quantize_file(const char *path, const dyno_checkpoint *checkpoint,
                               const dyno_registry *registry, dyno_pool *pool,
                               const dyno_quantize_file_options *options, dyno_error *error);

#endif
