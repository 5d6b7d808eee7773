/* Reads safetensors (the format: huggingface/safetensors, README.md and tensor.rs), one file or a
 * folder of shards.
 *
 * Opening maps the files and checks everything but the weights: the header's size (at most
 * 100 MB), that it is UTF-8 JSON without duplicates, at most 16 deep, with plain integers; that
 * each tensor's size is its shape times its type; that the ranges tile the data exactly, without
 * overlap or gap; that the index names each tensor's shard rightly.
 *
 * After opening it is only read, from any thread. */
#ifndef DYNO_RUNTIME_MODEL_SAFETENSORS_H
#define DYNO_RUNTIME_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "runtime/model/mapped_file.h"
#include "runtime/model/span.h"

#define DYNO_SAFETENSORS_MAX_HEADER 100000000u
#define DYNO_SAFETENSORS_MAX_RANK 8
#define DYNO_SAFETENSORS_MAX_SHARDS 1000
#define DYNO_SAFETENSORS_INDEX "model.safetensors.index.json"

typedef struct dyno_safetensors_type {
  const char *name; /* "BF16" */
  uint32_t bytes;   /* of an element */
  dyno_dtype dtype; /* DYNO_NONE when nothing here computes with it */
} dyno_safetensors_type;

/* NULL when there is no such type. Static lifetime. */
const dyno_safetensors_type *dyno_safetensors_type_by_name(const char *name);

typedef struct dyno_safetensors_tensor {
  dyno_span name; /* terminated */
  const dyno_safetensors_type *type;
  uint32_t rank;
  uint64_t shape[DYNO_SAFETENSORS_MAX_RANK]; /* the slowest first */
  size_t file;                               /* index of its file */
  uint64_t offset, bytes;                    /* in that file */
  const uint8_t *data;
} dyno_safetensors_tensor;

typedef struct dyno_safetensors dyno_safetensors;

/* Opens a file, or a folder: the shards of its model.safetensors.index.json, else its
 * model.safetensors, else all its *.safetensors. On failure *tensors is NULL. NOT_FOUND, IO,
 * MEMORY; FORMAT naming file, offset and tensor. */
dyno_status dyno_safetensors_open(dyno_safetensors **tensors, const char *path, dyno_error *error);

/* Unmaps and frees; sets *tensors to NULL. NULL is fine. */
void dyno_safetensors_close(dyno_safetensors **tensors);

size_t dyno_safetensors_file_count(const dyno_safetensors *tensors);
const dyno_mapped_file *dyno_safetensors_file(const dyno_safetensors *tensors, size_t index);

/* Where the data begins in a file. */
uint64_t dyno_safetensors_data_offset(const dyno_safetensors *tensors, size_t index);

/* In the order of the names. */
size_t dyno_safetensors_count(const dyno_safetensors *tensors);
const dyno_safetensors_tensor *dyno_safetensors_at(const dyno_safetensors *tensors, size_t index);
const dyno_safetensors_tensor *dyno_safetensors_find(const dyno_safetensors *tensors,
                                                     const char *name); /* or NULL */

#endif
