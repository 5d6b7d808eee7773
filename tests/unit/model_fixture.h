/* Tiny models for tests, with weights that follow from their place, so that whatever wrote and
 * read them can be compared with what they should be. */
#ifndef DYNO_TESTS_UNIT_MODEL_FIXTURE_H
#define DYNO_TESTS_UNIT_MODEL_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/model/model_writer.h"

/* A fresh folder under $TMPDIR or /tmp. remove takes all that is in it. */
typedef struct fixture_folder {
  char path[256];
} fixture_folder;

void fixture_folder_make(fixture_folder *folder);
void fixture_folder_remove(fixture_folder *folder);

/* "folder/name" in a buffer of the folder's own size and more; lives till the next call. */
const char *fixture_path(const fixture_folder *folder, const char *name);

/* The bytes of a file, with room for `spare` more behind; to be freed. */
uint8_t *fixture_read(const char *path, size_t *size, size_t spare);
void fixture_write(const char *path, const void *bytes, size_t size);

/* Two layers, three experts, every size different. Rows are whole blocks of 32. */
dyno_model_config fixture_config(void);

/* The same with rows of 256 and 512, for the K formats. */
dyno_model_config fixture_config_256(void);

/* What the weights are. */
typedef struct fixture_model {
  dyno_dtype dense, experts, vectors, router;
  uint64_t seed;
} fixture_model;

/* The rows [row0, row1) of a group, as dyno_model_source.rows gives them: finite. */
void fixture_rows(const fixture_model *model, uint8_t *rows, const dyno_tensor *tensor,
                  size_t group, size_t row0, size_t row1);

/* Writes the model; a failure fails the test. shard_bytes as in dyno_model_writer_options. A
 * GGUF file gets a vocabulary of four tokens. */
void fixture_write_model(const char *path, const fixture_model *model,
                         const dyno_model_config *config, const dyno_dialect *dialect,
                         uint64_t shard_bytes);

#endif
