/* Shared by the writer and the readers of packed files. */
#ifndef DYNO_RUNTIME_MODEL_PACKED_INTERNAL_H
#define DYNO_RUNTIME_MODEL_PACKED_INTERNAL_H

#include "runtime/model/gguf_writer.h"
#include "runtime/model/packed.h"

#define DYNO_PACKED_KEY_VERSION "dyno.pack.version"
#define DYNO_PACKED_KEY_MODEL_HASH "dyno.pack.model_hash"
#define DYNO_PACKED_KEY_SOURCE "dyno.pack.source"
#define DYNO_PACKED_KEY_LAYOUTS "dyno.pack.layouts"
#define DYNO_PACKED_KEY_SHAPES "dyno.pack.shapes"

struct dyno_packed {
  const dyno_gguf *gguf;       /* not owned */
  dyno_packed_tensor *tensors; /* [count], in the order of the file; the checksums follow them */
  size_t count;
  char model_hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_span source; /* what --model was when it was packed */
};

/* Whether a role's tensors may be in a layout of kernels: matrices, but for the embedding, which is
 * read row by row, and the router, which is used as F32 whatever it is kept as (linear.h). */
bool dyno_packed_role_has_layout(dyno_tensor_role role);

/* The configuration under the keys "dyno.config.*". FORMAT when one is missing or out of range. */
void dyno_config_write_packed(dyno_gguf_writer *writer, const dyno_model_config *config);
dyno_status dyno_config_read_packed(dyno_model_config *config, const dyno_gguf *gguf,
                                    dyno_error *error);

/* Writes what the model's file says beside its configuration, or the vocabulary beside it: whatever
 * is still true of the packed one. Keys that begin like one of but, which ends with NULL and may be
 * NULL, are left out. */
dyno_status dyno_packed_copy_metadata(dyno_gguf_writer *writer, const dyno_checkpoint *checkpoint,
                                      const char *const *but, dyno_error *error);

/* A key that a packed file lacks is the file's fault, not the caller's: NOT_FOUND becomes
 * FORMAT. */
static inline dyno_status dyno_packed_required(dyno_status status, dyno_error *error)
{
  if (status != DYNO_ERROR_NOT_FOUND)
    return status;
  if (error != NULL)
    error->status = DYNO_ERROR_FORMAT;
  return DYNO_ERROR_FORMAT;
}

#endif
