/* How each kind of file names and lays out the logical tensors (checkpoint.h). The same tables
 * serve the reader, which looks every name up, and the writer, which makes files of a dialect. */
#ifndef DYNO_RUNTIME_MODEL_DIALECT_H
#define DYNO_RUNTIME_MODEL_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/model/checkpoint.h"

typedef enum dyno_container {
  DYNO_CONTAINER_GGUF,
  DYNO_CONTAINER_SAFETENSORS,
} dyno_container;

/* Which rows of the file's tensor are the logical tensor's. */
typedef enum dyno_row_selection {
  DYNO_ROWS_ALL,
  DYNO_ROWS_QUERY, /* of q, k and v in this order */
  DYNO_ROWS_KEY,
  DYNO_ROWS_VALUE,
  DYNO_ROWS_EVEN, /* gate, of gate and up row by row */
  DYNO_ROWS_ODD,  /* up */
} dyno_row_selection;

typedef struct dyno_dialect_row {
  dyno_tensor_role role;
  const char *name; /* ".N." stands for the layer */
  /* The name of the scales when MXFP4 is kept as two U8 tensors: blocks [..][rows][k/32][16] in
   * OpenAI's nibble order under `name`, and scales [..][rows][k/32]. Else NULL. */
  const char *scales;
  dyno_row_selection selection;
  bool transposed; /* [k][rows] instead of [rows][k], in each group */
} dyno_dialect_row;

typedef struct dyno_dialect {
  const char *name;
  dyno_container container;
  const char *architecture; /* of GGUF: general.architecture and the keys' prefix */
  uint32_t mxfp4_type;      /* of GGUF: the number of the type */
  const dyno_dialect_row *rows;
  size_t row_count;
} dyno_dialect;

/* "gguf, ggml-org", ... */
extern const dyno_dialect dyno_dialect_ggml_org;
extern const dyno_dialect dyno_dialect_ollama;
extern const dyno_dialect dyno_dialect_ollama_2025_08;
extern const dyno_dialect dyno_dialect_hugging_face;
extern const dyno_dialect dyno_dialect_openai;

/* All of them, the commonest of each container first. */
#define DYNO_DIALECT_COUNT 5
extern const dyno_dialect *const dyno_dialects[DYNO_DIALECT_COUNT];

/* Writes pattern with the layer in the place of N; false when it does not fit. */
bool dyno_dialect_name(char name[DYNO_TENSOR_NAME], const char *pattern, size_t layer);

/* The shape of a role's tensor, and whether it is a vector (one row). */
void dyno_tensor_role_shape(size_t *groups, size_t *n, size_t *k, dyno_tensor_role role,
                            const dyno_model_config *config);
bool dyno_tensor_role_is_vector(dyno_tensor_role role);
bool dyno_tensor_role_has_experts(dyno_tensor_role role);

/* Where a selection's rows are: row i of n is row offset + i * step of the total rows. */
void dyno_select_rows(size_t *total, size_t *offset, size_t *step, dyno_row_selection selection,
                      size_t n, const dyno_model_config *config);

#endif
