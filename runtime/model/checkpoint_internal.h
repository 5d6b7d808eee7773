/* Shared by checkpoint.c and checkpoint_*.c. */
#ifndef DYNO_RUNTIME_MODEL_CHECKPOINT_INTERNAL_H
#define DYNO_RUNTIME_MODEL_CHECKPOINT_INTERNAL_H

#include "runtime/model/checkpoint.h"
#include "runtime/model/packed.h"
#include "runtime/model/tensor_table.h"

/* How the rows are kept; the reader of each is in checkpoint_read.c. */
typedef enum dyno_source_form {
  DYNO_SOURCE_PLAIN,      /* rows of the tensor's dtype */
  DYNO_SOURCE_NIBBLES,    /* blocks of MXFP4 with OpenAI's nibble order inside */
  DYNO_SOURCE_SPLIT,      /* MXFP4 as blocks and scales */
  DYNO_SOURCE_TRANSPOSED, /* columns of a dense dtype */
  DYNO_SOURCE_PACKED,     /* in the tensor's layout */
} dyno_source_form;

/* A logical tensor and where it comes from. The file's tensor is, in each group, a matrix of
 * source_rows rows; row i of the logical one is row offset + i * step of it. In here a vector
 * of k elements is a matrix of k rows of one element: so a part of a fused bias is a selection of
 * rows like any other. */
typedef struct dyno_source {
  dyno_tensor tensor; /* first, so that a tensor leads to its source */
  dyno_source_form form;
  const dyno_file_tensor *file_tensor;
  const dyno_file_tensor *scales; /* of DYNO_SOURCE_SPLIT */
  size_t rows, columns;           /* n and k, or k and 1 of a vector */
  size_t source_rows, offset, step;
  char source_name[DYNO_TENSOR_NAME]; /* of file_tensor */
} dyno_source;

struct dyno_checkpoint {
  char *path;
  char *tokenizer_path; /* or NULL */
  const char *dialect;
  dyno_tensor_table table;
  dyno_packed *packed; /* or NULL */
  dyno_model_config config;
  uint64_t config_hash[2]; /* of config.json; 0 for GGUF */
  dyno_source *sources;    /* in the order of dyno_checkpoint_tensor_at */
  size_t source_count;
};

/* Whether a packed file's tensor is what the source's tensor (complete but for its format) and the
 * file's own words say it is. */
dyno_status dyno_packed_check_source(const dyno_checkpoint *checkpoint, const dyno_source *source,
                                     const dyno_file_tensor *file_tensor,
                                     const dyno_packed_tensor *described, dyno_error *error);

/* The same for the screen of the head, which need not be there; it is used then. */
dyno_status dyno_packed_check_screen(dyno_checkpoint *checkpoint, dyno_error *error);

/* Fills the source of a tensor that has passed the check and is not in plain rows. */
void dyno_packed_adopt(dyno_source *source, dyno_file_tensor *file_tensor,
                       const dyno_packed_tensor *described);

static inline const dyno_source *dyno_source_of(const dyno_tensor *tensor)
{
  return (const dyno_source *)(const void *)tensor;
}

#endif
