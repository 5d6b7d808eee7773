#include "config.h"

#include "runtime/text/model_tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/model/gguf_vocabulary.h"
#include "runtime/model/path.h"
#include "runtime/model/reference.h"

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
    dyno_error_prepend(error, "%s: tokenizer.ggml.tokens", dyno_gguf_file(gguf)->path);
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

static bool is_folder(const char *path)
{
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_file(const char *path)
{
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool ends_in(const char *text, const char *suffix)
{
  size_t length = strlen(text), size = strlen(suffix);
  return length >= size && strcmp(text + length - size, suffix) == 0;
}

/* The tokenizer.json in a folder, or beside a file; NULL in *json when there is none. */
static dyno_status find_json(char **json, const char *path, dyno_error *error)
{
  const char *slash = strrchr(path, '/');
  char *folder = is_folder(path) ? strdup(path)
                 : slash != NULL ? strndup(path, (size_t)(slash - path))
                                 : strdup(".");
  *json = folder != NULL ? dyno_join_path(folder, "tokenizer.json") : NULL;
  free(folder);
  if (*json == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  if (!is_file(*json)) {
    free(*json);
    *json = NULL;
  }
  return DYNO_OK;
}

static dyno_status open_path(dyno_tokenizer **tokenizer, const char *path, dyno_error *error)
{
  if (ends_in(path, ".json"))
    return dyno_tokenizer_open_json(tokenizer, path, error);
  if (!is_folder(path) && !ends_in(path, ".safetensors")) {
    dyno_gguf *gguf = NULL;
    dyno_status status = dyno_gguf_open(&gguf, path, error);
    if (status == DYNO_OK)
      status = open_gguf(tokenizer, gguf, error);
    dyno_gguf_close(&gguf);
    return status;
  }
  char *json;
  dyno_status status = find_json(&json, path, error);
  if (status == DYNO_OK)
    status = json != NULL ? dyno_tokenizer_open_json(tokenizer, json, error)
                          : dyno_fail(error, DYNO_ERROR_NOT_FOUND,
                                      "%s: the model brings no vocabulary: there is no "
                                      "tokenizer.json; --vocab FILE.tiktoken takes one from a file",
                                      path);
  free(json);
  return status;
}

dyno_status dyno_tokenizer_open_model(dyno_tokenizer **tokenizer, const char *reference,
                                      dyno_error *error)
{
  *tokenizer = NULL;
  char *json = NULL, *path = NULL;
  dyno_status status = is_folder(reference) ? find_json(&json, reference, error) : DYNO_OK;
  if (status == DYNO_OK && json != NULL) {
    status = open_path(tokenizer, json, error);
  } else if (status == DYNO_OK) {
    status = dyno_model_resolve(&path, reference, error);
    if (status == DYNO_OK)
      status = open_path(tokenizer, path, error);
  }
  free(json);
  free(path);
  return status;
}
