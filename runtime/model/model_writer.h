/* Writes a whole model, in any dialect, from anything that can give the rows of its logical
 * tensors: a generator of random weights, a quantizer, another checkpoint. The inverse of
 * checkpoint.h, from the same tables. */
#ifndef DYNO_RUNTIME_MODEL_MODEL_WRITER_H
#define DYNO_RUNTIME_MODEL_MODEL_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/model/dialect.h"
#include "runtime/model/gguf_writer.h"

/* Where the weights come from. Called from one thread. */
typedef struct dyno_model_source {
  void *context;
  /* The format of a tensor. Vectors take F32, F16 or BF16. The parts of a tensor that the dialect
   * fuses must agree. safetensors holds F32, F16, BF16, and MXFP4 for the experts. */
  dyno_dtype (*dtype)(void *context, dyno_tensor_role role, size_t layer);
  /* Writes rows [row0, row1) of a group as row-major blocks of tensor->dtype. tensor is complete
   * but for data. Every row is asked for once, those of a tensor in ascending order. */
  dyno_status (*rows)(void *context, void *rows, const dyno_tensor *tensor, size_t group,
                      size_t row0, size_t row1, dyno_error *error);
  /* Adds metadata of its own to a GGUF file: the tokenizer, a name. NULL for none. The keys of
   * the configuration, general.architecture and general.alignment are written already. */
  void (*metadata)(void *context, dyno_gguf_writer *writer);
  /* Called now and then; false stops with INTERRUPTED. NULL for none. */
  dyno_checkpoint_progress progress;
} dyno_model_source;

typedef struct dyno_model_writer_options {
  const dyno_dialect *dialect;
  /* safetensors: begin another shard when one would pass this; 0: a single file. */
  uint64_t shard_bytes;
} dyno_model_writer_options;

/* Writes a GGUF file to path, or safetensors, with config.json and, when sharded, the index, into
 * the folder at path, which is made if need be. Nothing but whole
 * files ever appears. USAGE when the dialect cannot hold what the source gives; UNAVAILABLE when
 * the disk has not enough room for a file, found before it is begun; IO, MEMORY, INTERRUPTED; and
 * whatever the source's rows return. */
dyno_status dyno_model_write(const char *path, const dyno_model_config *config,
                             const dyno_model_source *source,
                             const dyno_model_writer_options *options, dyno_error *error);

/* The parts: the keys of a configuration, and a config.json in the dialect's spelling. */
void dyno_config_write_gguf(dyno_gguf_writer *writer, const dyno_model_config *config,
                            const char *architecture);
dyno_status dyno_config_write_json(const char *path, const dyno_model_config *config,
                                   const dyno_dialect *dialect, bool mxfp4_experts,
                                   dyno_error *error);

/* USAGE, naming the field, when the dialect has no word for something in the configuration that
 * is not as its readers suppose. */
dyno_status dyno_config_check_dialect(const dyno_model_config *config, const dyno_dialect *dialect,
                                      const char *path, dyno_error *error);

#endif
