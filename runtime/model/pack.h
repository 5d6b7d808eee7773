/* Writes packed files: see packed.h for what they are. */
#ifndef DYNO_RUNTIME_MODEL_PACK_H
#define DYNO_RUNTIME_MODEL_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "kernels/registry.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/quantization.h"
#include "runtime/threads/pool.h"

typedef struct dyno_pack_options {
  const char *source;    /* what the user called the model: goes into the file */
  size_t prefill_tokens; /* the batch that layouts are chosen for */
  bool screen;           /* write the screen of the head too, for two-stage logits */
  const dyno_quantization *quantization; /* what tensors are lowered to; NULL: none is */
  dyno_checkpoint_progress show; /* with bytes written; done == total while they are flushed. NULL
                                  * for none; false stops with INTERRUPTED */
  void *context;
} dyno_pack_options;

/* What was written. */
typedef struct dyno_pack_summary {
  uint64_t bytes;                       /* of the file */
  size_t matrices, rows;                /* matrices in all, and those left in plain rows */
  char hash[DYNO_CHECKPOINT_HASH_TEXT]; /* of the model */
} dyno_pack_summary;

/* Writes the model to path, every matrix in the layout that the registry chooses for fast
 * precision. Takes memory for the largest tensor, in its layout. The file appears whole or not at
 * all. summary may be NULL.
 *
 * USAGE when path is the model itself or no regular file; UNAVAILABLE when the disk has not enough
 * room; UNSUPPORTED when a layout is a plug-in's or the head can have no screen; IO, MEMORY,
 * INTERRUPTED; errors of dyno_linear_load. */
dyno_status dyno_pack(const char *path, dyno_pack_summary *summary,
                      const dyno_checkpoint *checkpoint, const dyno_registry *registry,
                      dyno_pool *pool, const dyno_pack_options *options, dyno_error *error);

#endif
