/* Writes GGUF, version 3.
 *
 * First everything is declared, in the order it shall have in the file: metadata, then tensors.
 * Then begin() checks the declarations and the room on the disk and writes the head, write()
 * takes the tensors' bytes one after the other, and commit() puts the file into its place.
 *
 * Declarations do not fail: what is wrong with one (no memory, a bad shape) is said by begin().
 * One thread at a time. */
#ifndef DYNO_RUNTIME_MODEL_GGUF_WRITER_H
#define DYNO_RUNTIME_MODEL_GGUF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/model/gguf.h"
#include "runtime/model/span.h"

typedef struct dyno_gguf_writer dyno_gguf_writer;

/* Nothing is created on disk before begin(). MEMORY. */
dyno_status dyno_gguf_writer_new(dyno_gguf_writer **writer, const char *path, dyno_error *error);

/* Frees; removes what was written unless it was committed; sets *writer to NULL. */
void dyno_gguf_writer_free(dyno_gguf_writer **writer);

/* Metadata. Keys and values are copied. "general.alignment" takes effect. */
void dyno_gguf_writer_add_uint32(dyno_gguf_writer *writer, const char *key, uint32_t value);
void dyno_gguf_writer_add_int32(dyno_gguf_writer *writer, const char *key, int32_t value);
void dyno_gguf_writer_add_uint64(dyno_gguf_writer *writer, const char *key, uint64_t value);
void dyno_gguf_writer_add_float32(dyno_gguf_writer *writer, const char *key, float value);
void dyno_gguf_writer_add_bool(dyno_gguf_writer *writer, const char *key, bool value);
void dyno_gguf_writer_add_string(dyno_gguf_writer *writer, const char *key, const char *value);
void dyno_gguf_writer_add_strings(dyno_gguf_writer *writer, const char *key,
                                  const dyno_span *values, size_t count);
/* count values of a fixed-size type, as they lie in memory. */
void dyno_gguf_writer_add_array(dyno_gguf_writer *writer, const char *key,
                                dyno_gguf_value_type type, const void *values, size_t count);

/* An entry of another file, as it is there. "general.alignment" is not to be copied. */
void dyno_gguf_writer_copy_entry(dyno_gguf_writer *writer, const dyno_gguf_entry *entry);

/* A tensor; dims [rank], the fastest first; type_id as in gguf_types.c. */
void dyno_gguf_writer_add_tensor(dyno_gguf_writer *writer, const char *name, uint32_t type_id,
                                 const uint64_t *dims, uint32_t rank);

/* The size the file will have. Valid after begin(). */
uint64_t dyno_gguf_writer_bytes(const dyno_gguf_writer *writer);

/* XXH3, 64 bits, of all bytes before the first tensor's data. Valid after begin(). */
uint64_t dyno_gguf_writer_head_checksum(const dyno_gguf_writer *writer);

/* USAGE for a bad declaration; MEMORY; IO; UNAVAILABLE when the disk has not enough room. */
dyno_status dyno_gguf_writer_begin(dyno_gguf_writer *writer, dyno_error *error);

/* The next bytes of the tensors, in the order of their declaration, cut where you like but not
 * across two tensors. USAGE when they would pass the current tensor's end; IO. */
dyno_status dyno_gguf_writer_write(dyno_gguf_writer *writer, const void *bytes, size_t size,
                                   dyno_error *error);

/* USAGE when a tensor is not complete; IO. */
dyno_status dyno_gguf_writer_commit(dyno_gguf_writer *writer, dyno_error *error);

#endif
