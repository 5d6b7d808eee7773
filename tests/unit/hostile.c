#include "tests/unit/hostile.h"

#include <string.h>

#include "runtime/model/checkpoint.h"
#include "runtime/model/gguf_vocabulary.h"

static dyno_status read_vocabulary(const dyno_gguf *gguf, dyno_error *error)
{
  dyno_gguf_vocabulary vocabulary;
  dyno_status status = dyno_gguf_vocabulary_read(&vocabulary, gguf, error);
  dyno_gguf_vocabulary_free(&vocabulary);
  return status;
}

dyno_status hostile_read_model(const char *path, dyno_error *error)
{
  dyno_checkpoint *checkpoint;
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  *error = (dyno_error){0};
  dyno_status status = dyno_checkpoint_open(&checkpoint, path, error);
  if (status != DYNO_OK)
    return status;
  dyno_checkpoint_hash(checkpoint, hash);
  if (dyno_checkpoint_gguf(checkpoint) != NULL)
    status = read_vocabulary(dyno_checkpoint_gguf(checkpoint), error);
  if (status == DYNO_OK)
    status = dyno_checkpoint_check_weights(checkpoint, NULL, NULL, error);
  dyno_checkpoint_close(&checkpoint);
  return status;
}

dyno_status hostile_read_vocabulary(const char *path, dyno_error *error)
{
  dyno_gguf *gguf;
  *error = (dyno_error){0};
  dyno_status status = dyno_gguf_open(&gguf, path, error);
  if (status == DYNO_OK)
    status = read_vocabulary(gguf, error);
  dyno_gguf_close(&gguf);
  return status;
}

bool hostile_is_clear(const dyno_error *error, const char *path)
{
  bool about_file = error->status == DYNO_ERROR_FORMAT || error->status == DYNO_ERROR_UNSUPPORTED ||
                    error->status == DYNO_ERROR_NOT_FOUND;
  return about_file && strstr(error->message, path) != NULL;
}
