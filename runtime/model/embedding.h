/* The embedding: a row of weights for each token, read row by row. */
#ifndef DYNO_RUNTIME_MODEL_EMBEDDING_H
#define DYNO_RUNTIME_MODEL_EMBEDDING_H

#include "kernels/base/buffer.h"
#include "runtime/model/linear.h"

typedef struct dyno_embedding {
  const char *name;    /* of its tensor */
  const uint8_t *rows; /* row-major blocks of dtype */
  dyno_dtype dtype;
  size_t k, row_bytes;
  dyno_buffer lowered; /* empty where the rows are the mapped file's */
} dyno_embedding;

/* Maps it, or lowers it into memory of our own as source->quantization says. Of source it takes
 * checkpoint, registry, pool, quantization and huge_pages. Errors of dyno_requantizer_rows;
 * MEMORY. On failure *embedding is zeroed. */
dyno_status dyno_embedding_load(dyno_embedding *embedding, const dyno_linear_source *source,
                                dyno_error *error);

/* Frees and zeroes; a zeroed one is fine. */
void dyno_embedding_free(dyno_embedding *embedding);

#endif
