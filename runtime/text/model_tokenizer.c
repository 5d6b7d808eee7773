#include "runtime/text/model_tokenizer.h"

#include "runtime/model/gguf_vocabulary.h"

static dyno_status fill(dyno_vocabulary *vocabulary, const dyno_gguf_vocabulary *from,
                        dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t id = 0; id < from->count && status == DYNO_OK; id++)
    status = dyno_vocabulary_add_gguf(vocabulary, (int64_t)id, from->tokens[id].bytes,
                                      from->tokens[id].size, from->types[id], error);
  return status;
}

static dyno_status open_gguf(dyno_tokenizer **tokenizer, const struct dyno_gguf *gguf,
                             dyno_error *error)
{
  dyno_gguf_vocabulary from;
  dyno_vocabulary *vocabulary = NULL;
  dyno_status status = dyno_gguf_vocabulary_read(&from, gguf, error);
  if (status != DYNO_OK)
    return status;
  status = dyno_vocabulary_create(&vocabulary, error);
  if (status == DYNO_OK)
    status = fill(vocabulary, &from, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_create(tokenizer, &vocabulary, error);
  if (status != DYNO_OK)
    dyno_error_prepend(error, "%s: vocabulary", dyno_gguf_file(gguf)->path);
  dyno_vocabulary_free(vocabulary);
  dyno_gguf_vocabulary_free(&from);
  return status;
}

dyno_status dyno_tokenizer_open_checkpoint(dyno_tokenizer **tokenizer,
                                           const dyno_checkpoint *checkpoint, dyno_error *error)
{
  const struct dyno_gguf *gguf = dyno_checkpoint_gguf(checkpoint);
  const char *json = dyno_checkpoint_tokenizer_path(checkpoint);
  *tokenizer = NULL;
  if (gguf != NULL)
    return open_gguf(tokenizer, gguf, error);
  if (json != NULL)
    return dyno_tokenizer_open_json(tokenizer, json, error);
  return dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                   "%s: the model brings no vocabulary; its folder should have a tokenizer.json",
                   dyno_checkpoint_path(checkpoint));
}
