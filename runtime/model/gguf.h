/* Reads GGUF, versions 2 and 3, little-endian (the format: ggml, docs/gguf.md).
 *
 * Opening maps the file and checks everything that can be checked without reading weights: every
 * count against the bytes that are left, every string, type and extent, duplicate names, and that
 * no two tensors share bytes. What the keys mean is left to config_gguf.c and checkpoint.c.
 *
 * After opening a dyno_gguf is only read, from any thread. Spans and data point into the mapping
 * and live as long as it. */
#ifndef DYNO_RUNTIME_MODEL_GGUF_H
#define DYNO_RUNTIME_MODEL_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "runtime/model/mapped_file.h"
#include "runtime/model/span.h"

/* Limits, so that a small file cannot ask for much memory. */
#define DYNO_GGUF_MAX_METADATA_BYTES (256u << 20) /* all keys and values */
#define DYNO_GGUF_MAX_KEY_BYTES (64u << 10)
#define DYNO_GGUF_MAX_ENTRIES (64u << 10)
#define DYNO_GGUF_MAX_TENSORS (64u << 10)
#define DYNO_GGUF_MAX_TENSOR_NAME 256u
#define DYNO_GGUF_MAX_ALIGNMENT (64u << 10)
#define DYNO_GGUF_MAX_RANK 4

typedef enum dyno_gguf_value_type {
  DYNO_GGUF_UINT8 = 0,
  DYNO_GGUF_INT8 = 1,
  DYNO_GGUF_UINT16 = 2,
  DYNO_GGUF_INT16 = 3,
  DYNO_GGUF_UINT32 = 4,
  DYNO_GGUF_INT32 = 5,
  DYNO_GGUF_FLOAT32 = 6,
  DYNO_GGUF_BOOL = 7,
  DYNO_GGUF_STRING = 8,
  DYNO_GGUF_ARRAY = 9,
  DYNO_GGUF_UINT64 = 10,
  DYNO_GGUF_INT64 = 11,
  DYNO_GGUF_FLOAT64 = 12,
  DYNO_GGUF_VALUE_TYPE_COUNT
} dyno_gguf_value_type;

/* "uint32"; "?" when out of range. */
const char *dyno_gguf_value_type_name(dyno_gguf_value_type type);

/* Bytes of a value of a fixed size; 0 for strings and arrays. */
size_t dyno_gguf_value_bytes(dyno_gguf_value_type type);

typedef struct dyno_gguf_entry {
  dyno_span key;
  bool is_array;
  dyno_gguf_value_type type; /* of the value, or of the array's elements */
  uint64_t count;            /* of elements; 1 when not an array */
  uint64_t offset;           /* of the value in the file */
  /* The values as the file has them, unaligned. A string is its 8-byte length and its bytes. */
  const uint8_t *values;
} dyno_gguf_entry;

/* A tensor's number format, as the file numbers it. */
typedef struct dyno_gguf_tensor_type {
  uint32_t id;
  const char *name; /* as ggml writes it: "Q4_K" */
  uint32_t block_elements, block_bytes;
  dyno_dtype dtype; /* DYNO_NONE when nothing here computes with it */
} dyno_gguf_tensor_type;

/* What MXFP4 is numbered since ggml has it, and what Ollama numbered it in August 2025, when it
 * also kept OpenAI's nibble order (ollama, fa7776fd, fs/ggml/type.go and convert_gptoss.go;
 * 1a19df1f, ml/backend/ggml/ggml.go, converts it on loading). No file since GGUF 1 has used 4 for
 * anything else. */
#define DYNO_GGUF_MXFP4 39
#define DYNO_GGUF_MXFP4_OLLAMA 4

/* NULL when no format has this id, or this dtype. Static lifetime. */
const dyno_gguf_tensor_type *dyno_gguf_tensor_type_by_id(uint32_t id);
const dyno_gguf_tensor_type *dyno_gguf_tensor_type_by_dtype(dyno_dtype dtype);

typedef struct dyno_gguf_tensor {
  dyno_span name;
  const dyno_gguf_tensor_type *type;
  uint32_t rank;
  uint64_t dims[DYNO_GGUF_MAX_RANK]; /* the fastest first; 1 beyond rank */
  uint64_t offset, bytes;            /* in the file */
  const uint8_t *data;
} dyno_gguf_tensor;

typedef struct dyno_gguf dyno_gguf;

/* Opens and checks a file. On failure *gguf is NULL. NOT_FOUND, IO, MEMORY; FORMAT naming file,
 * offset and field; UNSUPPORTED for version 1 and for big-endian files. */
dyno_status dyno_gguf_open(dyno_gguf **gguf, const char *path, dyno_error *error);

/* Unmaps and frees; sets *gguf to NULL. NULL is fine. */
void dyno_gguf_close(dyno_gguf **gguf);

const dyno_mapped_file *dyno_gguf_file(const dyno_gguf *gguf);
uint32_t dyno_gguf_version(const dyno_gguf *gguf);
uint64_t dyno_gguf_alignment(const dyno_gguf *gguf);
uint64_t dyno_gguf_data_offset(const dyno_gguf *gguf); /* where the first tensor may begin */

size_t dyno_gguf_entry_count(const dyno_gguf *gguf);
const dyno_gguf_entry *dyno_gguf_entry_at(const dyno_gguf *gguf, size_t index); /* file order */
const dyno_gguf_entry *dyno_gguf_find(const dyno_gguf *gguf, const char *key);  /* or NULL */

/* Bytes of an entry's values. */
uint64_t dyno_gguf_entry_bytes(const dyno_gguf_entry *entry);

size_t dyno_gguf_tensor_count(const dyno_gguf *gguf);
const dyno_gguf_tensor *dyno_gguf_tensor_at(const dyno_gguf *gguf, size_t index); /* file order */
const dyno_gguf_tensor *dyno_gguf_find_tensor(const dyno_gguf *gguf,
                                              const char *name); /* or NULL */

/* Typed getters. NOT_FOUND when there is no such key; FORMAT, naming key, offset, the type wanted
 * and the type found, when it holds something else. On failure the result is untouched.
 *
 * Files differ in which integer type they write a key with, so that get_uint takes all of them
 * as long as the number is not negative; no float passes for an integer or the other way round. */
dyno_status dyno_gguf_get_uint(uint64_t *value, const dyno_gguf *gguf, const char *key,
                               dyno_error *error);
dyno_status dyno_gguf_get_float(double *value, const dyno_gguf *gguf, const char *key,
                                dyno_error *error);
dyno_status dyno_gguf_get_bool(bool *value, const dyno_gguf *gguf, const char *key,
                               dyno_error *error);
dyno_status dyno_gguf_get_string(dyno_span *value, const dyno_gguf *gguf, const char *key,
                                 dyno_error *error);

/* Arrays of exactly count elements, into the caller's memory. */
dyno_status dyno_gguf_get_ints(int64_t *values, size_t count, const dyno_gguf *gguf,
                               const char *key, dyno_error *error);
dyno_status dyno_gguf_get_bools(bool *values, size_t count, const dyno_gguf *gguf, const char *key,
                                dyno_error *error);

/* The number of elements of an array of any element type. */
dyno_status dyno_gguf_get_count(size_t *count, const dyno_gguf *gguf, const char *key,
                                dyno_error *error);

/* An array of strings: *values, [*count], to be freed by the caller; MEMORY too. */
dyno_status dyno_gguf_get_strings(dyno_span **values, size_t *count, const dyno_gguf *gguf,
                                  const char *key, dyno_error *error);

#endif
