/* A model's weights on disk, the same to look at whatever the dialect.
 *
 * A checkpoint is opened from a GGUF file, a packed file (packed.h), a safetensors file, or a
 * folder that holds safetensors and a config.json (a Hugging Face snapshot, sharded or not, or
 * OpenAI's original/). It gives the hyper-parameters and the logical tensors below. Fused tensors
 * are seen as their parts; nibble orders, separate scales, transposed experts and packed layouts
 * are seen as row-major rows of a dyno_dtype.
 *
 * Opening checks names, shapes, types and extents of everything, and reads no weights. A tensor
 * that is missing, has another shape than the hyper-parameters imply, a type that is unsupported,
 * or a name that nothing here knows, is an error that names it.
 *
 * After opening, a checkpoint is only read: all functions that take it const may be called from
 * several threads. Its memory is the mapped file: it stays on disk until it is touched. A file
 * that is made shorter while mapped raises SIGBUS on the next touch of what is gone; see
 * dyno_report_lost_mappings in mapped_file.h. */
#ifndef DYNO_RUNTIME_MODEL_CHECKPOINT_H
#define DYNO_RUNTIME_MODEL_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/dtype.h"
#include "kernels/base/status.h"
#include "kernels/layout.h"
#include "runtime/model/config.h"
#include "runtime/model/mapped_file.h"

typedef struct dyno_checkpoint dyno_checkpoint;

/* What a tensor is for. Sizes are [groups][n][k] in terms of the configuration; a vector is one
 * row (n = 1). q = heads * head_dim, kv = kv_heads * head_dim. */
typedef enum dyno_tensor_role {
  DYNO_TENSOR_EMBEDDING,        /* [1][vocab][d_model] */
  DYNO_TENSOR_OUTPUT_NORM,      /* [1][1][d_model] */
  DYNO_TENSOR_HEAD,             /* [1][vocab][d_model] */
  DYNO_TENSOR_ATTENTION_NORM,   /* [1][1][d_model]; from here on one per layer */
  DYNO_TENSOR_QUERY_WEIGHT,     /* [1][q][d_model] */
  DYNO_TENSOR_QUERY_BIAS,       /* [1][1][q] */
  DYNO_TENSOR_KEY_WEIGHT,       /* [1][kv][d_model] */
  DYNO_TENSOR_KEY_BIAS,         /* [1][1][kv] */
  DYNO_TENSOR_VALUE_WEIGHT,     /* [1][kv][d_model] */
  DYNO_TENSOR_VALUE_BIAS,       /* [1][1][kv] */
  DYNO_TENSOR_SINKS,            /* [1][1][heads] */
  DYNO_TENSOR_ATTENTION_WEIGHT, /* [1][d_model][q], the output projection */
  DYNO_TENSOR_ATTENTION_BIAS,   /* [1][1][d_model] */
  DYNO_TENSOR_FFN_NORM,         /* [1][1][d_model] */
  DYNO_TENSOR_ROUTER_WEIGHT,    /* [1][experts][d_model] */
  DYNO_TENSOR_ROUTER_BIAS,      /* [1][1][experts] */
  DYNO_TENSOR_GATE_WEIGHT,      /* [experts][d_ff][d_model] */
  DYNO_TENSOR_GATE_BIAS,        /* [experts][1][d_ff] */
  DYNO_TENSOR_UP_WEIGHT,        /* [experts][d_ff][d_model] */
  DYNO_TENSOR_UP_BIAS,          /* [experts][1][d_ff] */
  DYNO_TENSOR_DOWN_WEIGHT,      /* [experts][d_model][d_ff] */
  DYNO_TENSOR_DOWN_BIAS,        /* [experts][1][d_model] */
  DYNO_TENSOR_ROLE_COUNT
} dyno_tensor_role;

/* The first role that every layer has. */
#define DYNO_TENSOR_FIRST_OF_LAYER DYNO_TENSOR_ATTENTION_NORM

#define DYNO_TENSOR_NAME 64

typedef struct dyno_tensor {
  char name[DYNO_TENSOR_NAME]; /* the same in every dialect: ggml-org's, "blk.3.attn_q.weight" */
  dyno_tensor_role role;
  size_t layer; /* 0 for the tensors outside the layers */
  /* The format rows are read in. Vectors are F32, F16 or BF16; dyno_checkpoint_read_floats reads
   * them whatever they are. */
  dyno_dtype dtype;
  size_t groups, n, k;
  size_t row_bytes; /* dyno_row_bytes(dtype, k) */
  /* Row i of group g lies at data + (g * n + i) * row_bytes, aligned to the element for F32, F16
   * and BF16 and to nothing for the block formats, in read-only memory that lives as long as the
   * checkpoint. NULL where the file keeps the rows otherwise: then read_rows converts. MXFP4
   * scales in it are unchecked; see dyno_checkpoint_check_rows. */
  const void *data;
  /* Where the file keeps the matrix in a layout that kernels read: that layout, and group g at
   * packed + g * packed_bytes, aligned as the layout says, in the same memory. NULL, NULL and 0
   * else. Its MXFP4 scales were checked when it was packed. */
  const dyno_layout *layout;
  const void *packed;
  size_t packed_bytes;
} dyno_tensor;

/* Opens the model at path. On failure *checkpoint is NULL. NOT_FOUND, IO, FORMAT, UNSUPPORTED,
 * MEMORY. */
dyno_status dyno_checkpoint_open(dyno_checkpoint **checkpoint, const char *path, dyno_error *error);

/* Unmaps and frees; sets *checkpoint to NULL. NULL is fine. */
void dyno_checkpoint_close(dyno_checkpoint **checkpoint);

const dyno_model_config *dyno_checkpoint_config(const dyno_checkpoint *checkpoint);

/* "gguf, ggml-org", "gguf, ollama", "gguf, ollama of August 2025", "safetensors, hugging face",
 * "safetensors, openai", "dyno, packed". */
const char *dyno_checkpoint_dialect(const dyno_checkpoint *checkpoint);

/* The path it was opened from. */
const char *dyno_checkpoint_path(const dyno_checkpoint *checkpoint);

/* Bytes of the files that hold the weights. */
uint64_t dyno_checkpoint_file_bytes(const dyno_checkpoint *checkpoint);

/* The tensor of a role in a layer. Always there: opening fails otherwise. layer < config.layers,
 * and is ignored for the roles outside the layers. When the head is tied, HEAD has the data of
 * EMBEDDING. */
const dyno_tensor *dyno_checkpoint_tensor(const dyno_checkpoint *checkpoint, dyno_tensor_role role,
                                          size_t layer);

/* All tensors: those outside the layers, then layer by layer, in the order of the roles. */
size_t dyno_checkpoint_tensor_count(const dyno_checkpoint *checkpoint);
const dyno_tensor *dyno_checkpoint_tensor_at(const dyno_checkpoint *checkpoint, size_t index);

/* Writes rows [row0, row1) of a group (row0 <= row1 <= tensor->n) to out, (row1 - row0) *
 * row_bytes bytes, any alignment. Works for every tensor, converting where it must, and checks
 * MXFP4 scales as dyno_checkpoint_check_rows. Rows of the same group in big ranges are quickest
 * (transposed experts are read column by column). FORMAT on a bad scale. */
dyno_status dyno_checkpoint_read_rows(const dyno_checkpoint *checkpoint, void *out,
                                      const dyno_tensor *tensor, size_t group, size_t row0,
                                      size_t row1, dyno_error *error);

/* Writes the whole tensor, groups * n * k floats: for biases, norms and sinks. Errors as
 * read_rows. */
dyno_status dyno_checkpoint_read_floats(const dyno_checkpoint *checkpoint, float *out,
                                        const dyno_tensor *tensor, dyno_error *error);

/* For rows taken from tensor->data without read_rows: an error (FORMAT) when a block of MXFP4 in
 * them has the scale 0xff, which is NaN. A no-op for the other formats. Reads one byte in 17. */
dyno_status dyno_checkpoint_check_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                                       size_t group, size_t row0, size_t row1, dyno_error *error);

/* Called now and then with the bytes done and the total; false stops with INTERRUPTED. */
typedef bool (*dyno_checkpoint_progress)(void *context, uint64_t done, uint64_t total);

/* Reads every weight and fails (FORMAT) on the first NaN, infinity or 0xff scale, naming tensor,
 * group, row and column. Of a packed file the checksums are compared first. progress may be
 * NULL. */
dyno_status dyno_checkpoint_check_weights(const dyno_checkpoint *checkpoint,
                                          dyno_checkpoint_progress progress, void *context,
                                          dyno_error *error);

/* Tells the operating system that the source of these rows will be read soon, or that its pages
 * can leave this process's memory again: DYNO_FILE_DONE leaves them to the page cache, whence they
 * come back when they are touched, DYNO_FILE_RECLAIM frees them. A loader that repacks calls
 * release_rows behind itself, so that it never holds two copies. Best effort; cannot fail. */
void dyno_checkpoint_prefetch_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                                   size_t group, size_t row0, size_t row1);
void dyno_checkpoint_release_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                                  size_t group, size_t row0, size_t row1, dyno_file_advice advice);

/* Advises about all of every file that tensors are in. */
void dyno_checkpoint_advise_files(const dyno_checkpoint *checkpoint, dyno_file_advice advice);

/* The name that the tensor, or what it is a part of, has in its file: "blk.0.attn_qkv.weight". */
const char *dyno_checkpoint_source_name(const dyno_checkpoint *checkpoint,
                                        const dyno_tensor *tensor);

/* 32 hexadecimal digits and a NUL: XXH3, 128 bits, of the metadata, the tensor tables, the sizes
 * of the files and the first 4096 bytes of every tensor. It tells models apart, fine-tunes
 * included; it does not prove that no weight was altered. A packed file has the hash of the model
 * that was packed. */
#define DYNO_CHECKPOINT_HASH_TEXT 33
void dyno_checkpoint_hash(const dyno_checkpoint *checkpoint, char text[DYNO_CHECKPOINT_HASH_TEXT]);

/* The same names in the same order as the enum: "embedding", "query_weight". */
const char *dyno_tensor_role_name(dyno_tensor_role role);

/* Where the vocabulary is: the GGUF file itself (for gguf.h and gguf_vocabulary.h) or NULL, and
 * the path of the tokenizer.json in the folder or NULL. Owned by the checkpoint. */
struct dyno_gguf;
const struct dyno_gguf *dyno_checkpoint_gguf(const dyno_checkpoint *checkpoint);
const char *dyno_checkpoint_tokenizer_path(const dyno_checkpoint *checkpoint);

/* What a packed file says of itself (packed.h); NULL for other files. Owned by the checkpoint. */
struct dyno_packed;
const struct dyno_packed *dyno_checkpoint_packed(const dyno_checkpoint *checkpoint);

#endif
