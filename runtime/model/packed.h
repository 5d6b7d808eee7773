/* Packed files: a model whose matrices lie in the layouts that kernels read, so that it is mapped
 * and used as it is. docs/packed-file.md is the format; it is a GGUF file, read by gguf.h with all
 * its checks. pack.h writes it, checkpoint.h opens it like any other model.
 *
 * After opening it is only read, from any thread. */
#ifndef DYNO_RUNTIME_MODEL_PACKED_H
#define DYNO_RUNTIME_MODEL_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "kernels/layout.h"
#include "runtime/model/checkpoint.h"
#include "runtime/model/gguf.h"
#include "runtime/threads/pool.h"

#define DYNO_PACKED_VERSION 1
#define DYNO_PACKED_ARCHITECTURE "dyno-packed" /* general.architecture */
#define DYNO_PACKED_ALIGNMENT 4096             /* of every tensor in the file */
#define DYNO_PACKED_CHECKSUMS "dyno.pack.checksums"
#define DYNO_PACKED_SCREEN "dyno.pack.screen"

typedef struct dyno_packed dyno_packed;

/* What the file says of a tensor, beside what GGUF does. */
typedef struct dyno_packed_tensor {
  const dyno_layout *layout; /* built-in; NULL of the screen */
  uint64_t groups, n, k;
  uint64_t checksum; /* XXH3, 64 bits, of its bytes in the file */
} dyno_packed_tensor;

/* Whether this GGUF file calls itself packed. */
bool dyno_packed_recognize(const dyno_gguf *gguf);

/* Reads what a packed file says of itself and proves the head (all but the tensors' data) by its
 * checksum. On failure *packed is NULL. FORMAT when it is damaged; UNSUPPORTED when it is of
 * another version, or a tensor in a layout that this build does not know; MEMORY. gguf must
 * outlive it. */
dyno_status dyno_packed_open(dyno_packed **packed, const dyno_gguf *gguf, dyno_error *error);

/* Frees; sets *packed to NULL. NULL is fine. */
void dyno_packed_close(dyno_packed **packed);

/* The tensor that has this name in the file; NULL when there is none. */
const dyno_packed_tensor *dyno_packed_find(const dyno_packed *packed, const char *name);

/* The screen of the head, [vocabulary][d_model], in the mapped file; NULL when there is none. */
const void *dyno_packed_screen(const dyno_packed *packed);

/* dyno_checkpoint_hash of the model that was packed. */
const char *dyno_packed_model_hash(const dyno_packed *packed);

/* "pack the model again: dyno pack --model hf:openai/gpt-oss-20b -o FILE", for messages. Returns
 * text. */
#define DYNO_PACKED_REMEDY 400
char *dyno_packed_remedy(char text[DYNO_PACKED_REMEDY], const dyno_packed *packed);

/* Reads every tensor and compares it with its checksum, with all threads of pool, or, where it is
 * NULL, with this one. FORMAT, naming the tensor and its offset; INTERRUPTED when progress, which
 * may be NULL and is called on the calling thread, returns false; MEMORY. */
dyno_status dyno_packed_verify(const dyno_packed *packed, dyno_pool *pool,
                               dyno_checkpoint_progress progress, void *context, dyno_error *error);

#endif
