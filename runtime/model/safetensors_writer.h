/* Writes a safetensors file. As gguf_writer.h: declare, begin, write, commit. */
#ifndef DYNO_RUNTIME_MODEL_SAFETENSORS_WRITER_H
#define DYNO_RUNTIME_MODEL_SAFETENSORS_WRITER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "runtime/model/safetensors.h"

typedef struct dyno_safetensors_writer dyno_safetensors_writer;

/* Nothing is created on disk before begin(). MEMORY. */
dyno_status dyno_safetensors_writer_new(dyno_safetensors_writer **writer, const char *path,
                                        dyno_error *error);

/* Frees; removes what was written unless it was committed; sets *writer to NULL. */
void dyno_safetensors_writer_free(dyno_safetensors_writer **writer);

/* An entry of __metadata__. */
void dyno_safetensors_writer_add_metadata(dyno_safetensors_writer *writer, const char *key,
                                          const char *value);

/* A tensor; shape [rank], the slowest first; type as in safetensors_header.c ("BF16"). Data is
 * kept in the order of declaration: wide types first keeps them aligned. */
void dyno_safetensors_writer_add_tensor(dyno_safetensors_writer *writer, const char *name,
                                        const char *type, const uint64_t *shape, uint32_t rank);

/* The size the file will have. Valid after begin(). */
uint64_t dyno_safetensors_writer_bytes(const dyno_safetensors_writer *writer);

/* USAGE for a bad declaration (a name twice, a shape too big); MEMORY; IO; UNAVAILABLE when the
 * disk has not enough room. */
dyno_status dyno_safetensors_writer_begin(dyno_safetensors_writer *writer, dyno_error *error);

/* The next bytes of the data, cut where you like. USAGE when they would pass its end; IO. */
dyno_status dyno_safetensors_writer_write(dyno_safetensors_writer *writer, const void *bytes,
                                          size_t size, dyno_error *error);

/* USAGE when the data is not complete; IO. */
dyno_status dyno_safetensors_writer_commit(dyno_safetensors_writer *writer, dyno_error *error);

/* Writes the index of a sharded checkpoint: names[i] lies in files[i] (plain file names).
 * total_bytes is the data of all. MEMORY, IO. */
dyno_status dyno_safetensors_write_index(const char *path, const char *const *names,
                                         const char *const *files, size_t count,
                                         uint64_t total_bytes, dyno_error *error);

/* Writes a JSON object as a file, whole or not at all. MEMORY, IO. */
dyno_status dyno_json_write(const char *path, const json_t *object, dyno_error *error);

#endif
