/* The part that the writers of GGUF and safetensors share: a file that appears whole or not at
 * all, whose size is known before its first byte, filled tensor by tensor. */
#ifndef DYNO_RUNTIME_MODEL_TENSOR_STREAM_H
#define DYNO_RUNTIME_MODEL_TENSOR_STREAM_H

#include <stdint.h>

#include "kernels/base/atomic_file.h"
#include "kernels/base/status.h"

typedef struct dyno_tensor_stream {
  dyno_atomic_file file;
  uint64_t position;
} dyno_tensor_stream;

/* Makes the temporary file and takes all of its bytes from the file system at once, so that a
 * full disk is found now and not after minutes. IO; UNAVAILABLE when there is not enough room,
 * with both numbers. */
dyno_status dyno_tensor_stream_open(dyno_tensor_stream *stream, const char *path, uint64_t bytes,
                                    dyno_error *error);

dyno_status dyno_tensor_stream_write(dyno_tensor_stream *stream, const void *bytes, uint64_t size,
                                     dyno_error *error);

/* Zeros up to the given position, which is not behind. */
dyno_status dyno_tensor_stream_pad(dyno_tensor_stream *stream, uint64_t position,
                                   dyno_error *error);

/* Flushes to disk and renames into place, or leaves what was there before and fails (IO). */
dyno_status dyno_tensor_stream_commit(dyno_tensor_stream *stream, dyno_error *error);

/* Removes the temporary file, if there is one. A zeroed stream is fine. */
void dyno_tensor_stream_discard(dyno_tensor_stream *stream);

#endif
