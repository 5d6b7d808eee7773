/* The tensors of a GGUF file or of safetensors, as one kind of list. */
#ifndef DYNO_RUNTIME_MODEL_TENSOR_TABLE_H
#define DYNO_RUNTIME_MODEL_TENSOR_TABLE_H

#include "runtime/model/dialect.h"
#include "runtime/model/gguf.h"
#include "runtime/model/safetensors.h"

#define DYNO_FILE_TENSOR_RANK 8

typedef struct dyno_file_tensor {
  dyno_span name;
  uint32_t rank;
  uint64_t shape[DYNO_FILE_TENSOR_RANK]; /* the slowest first; GGUF's without leading ones */
  dyno_dtype dtype;                      /* DYNO_NONE when nothing computes with it */
  const char *type_name;                 /* as the file calls it */
  bool openai_nibbles;                   /* MXFP4 in OpenAI's order in each block */
  const dyno_mapped_file *file;
  uint64_t offset, bytes; /* in file */
  const uint8_t *data;
  bool used; /* by a logical tensor */
} dyno_file_tensor;

typedef struct dyno_tensor_table {
  dyno_container container;
  dyno_gguf *gguf;               /* one of the two is not NULL; owned */
  dyno_safetensors *safetensors; /* likewise */
  dyno_file_tensor *tensors;     /* sorted by name; owned */
  size_t count;
} dyno_tensor_table;

/* Opens what lies at path: a folder is safetensors, a file is told by its first bytes. On failure
 * the table is zeroed. */
dyno_status dyno_tensor_table_open(dyno_tensor_table *table, const char *path, dyno_error *error);
void dyno_tensor_table_close(dyno_tensor_table *table);

dyno_file_tensor *dyno_tensor_table_find(const dyno_tensor_table *table, const char *name);

/* The files, in order. */
size_t dyno_tensor_table_file_count(const dyno_tensor_table *table);
const dyno_mapped_file *dyno_tensor_table_file(const dyno_tensor_table *table, size_t index);

/* Bytes of a file before its tensors' data. */
uint64_t dyno_tensor_table_head_bytes(const dyno_tensor_table *table, size_t index);

/* "[32, 5760, 90, 16]", cut when it does not fit. Returns text. */
#define DYNO_SHAPE_TEXT 128
char *dyno_shape_format(char text[DYNO_SHAPE_TEXT], const uint64_t *shape, size_t rank);

#endif
