#include "runtime/model/gguf_vocabulary.h"

#include <inttypes.h>
#include <stdlib.h>

static const char tokens_key[] = "tokenizer.ggml.tokens";
static const char types_key[] = "tokenizer.ggml.token_type";
static const char model_key[] = "tokenizer.ggml.model";

static dyno_status check_model(const dyno_gguf *gguf, dyno_error *error)
{
  dyno_span model;
  char quoted[DYNO_QUOTED_TEXT];
  dyno_status status = dyno_gguf_get_string(&model, gguf, model_key, error);
  if (status == DYNO_OK && !dyno_span_equal(model, dyno_span_of("gpt2")))
    status = dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                       "%s: %s is '%s'; 'gpt2', which is byte-level BPE, is supported",
                       dyno_gguf_file(gguf)->path, model_key, dyno_span_quote(quoted, model));
  return status;
}

static dyno_status add_stop(dyno_gguf_vocabulary *vocabulary, int64_t id, const dyno_gguf *gguf,
                            const char *key, dyno_error *error)
{
  if (id < 0 || (uint64_t)id >= vocabulary->count || id > INT32_MAX)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: %s is %" PRId64 ", but the vocabulary has %zu tokens",
                     dyno_gguf_file(gguf)->path, key, id, vocabulary->count);
  for (size_t i = 0; i < vocabulary->stop_count; i++)
    if (vocabulary->stops[i] == id)
      return DYNO_OK;
  if (vocabulary->stop_count == DYNO_GGUF_MAX_STOPS)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %s: more than %d stop tokens",
                     dyno_gguf_file(gguf)->path, key, DYNO_GGUF_MAX_STOPS);
  vocabulary->stops[vocabulary->stop_count++] = (int32_t)id;
  return DYNO_OK;
}

static dyno_status read_stops(dyno_gguf_vocabulary *vocabulary, const dyno_gguf *gguf,
                              dyno_error *error)
{
  static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"};
  static const char list_key[] = "tokenizer.ggml.eos_token_ids";
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < 2 && status == DYNO_OK; i++) {
    uint64_t id;
    if (dyno_gguf_find(gguf, keys[i]) == NULL)
      continue;
    status = dyno_gguf_get_uint(&id, gguf, keys[i], error);
    if (status == DYNO_OK)
      status = add_stop(vocabulary, id > INT64_MAX ? -1 : (int64_t)id, gguf, keys[i], error);
  }
  if (status != DYNO_OK || dyno_gguf_find(gguf, list_key) == NULL)
    return status;
  size_t count;
  int64_t ids[DYNO_GGUF_MAX_STOPS];
  status = dyno_gguf_get_count(&count, gguf, list_key, error);
  if (status == DYNO_OK && count > DYNO_GGUF_MAX_STOPS)
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %s: more than %d stop tokens",
                       dyno_gguf_file(gguf)->path, list_key, DYNO_GGUF_MAX_STOPS);
  if (status == DYNO_OK)
    status = dyno_gguf_get_ints(ids, count, gguf, list_key, error);
  for (size_t i = 0; status == DYNO_OK && i < count; i++)
    status = add_stop(vocabulary, ids[i], gguf, list_key, error);
  return status;
}

static dyno_status read_tokens(dyno_gguf_vocabulary *vocabulary, const dyno_gguf *gguf,
                               dyno_error *error)
{
  dyno_status status =
      dyno_gguf_get_strings(&vocabulary->tokens, &vocabulary->count, gguf, tokens_key, error);
  if (status != DYNO_OK)
    return status;
  vocabulary->types = malloc((vocabulary->count + 1) * sizeof *vocabulary->types);
  if (vocabulary->types == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", dyno_gguf_file(gguf)->path);
  return dyno_gguf_get_ints(vocabulary->types, vocabulary->count, gguf, types_key, error);
}

dyno_status dyno_gguf_vocabulary_read(dyno_gguf_vocabulary *vocabulary, const dyno_gguf *gguf,
                                      dyno_error *error)
{
  *vocabulary = (dyno_gguf_vocabulary){0};
  dyno_status status = check_model(gguf, error);
  if (status == DYNO_OK)
    status = read_tokens(vocabulary, gguf, error);
  if (status == DYNO_OK)
    status = read_stops(vocabulary, gguf, error);
  if (status != DYNO_OK)
    dyno_gguf_vocabulary_free(vocabulary);
  return status;
}

void dyno_gguf_vocabulary_free(dyno_gguf_vocabulary *vocabulary)
{
  free(vocabulary->tokens);
  free(vocabulary->types);
  *vocabulary = (dyno_gguf_vocabulary){0};
}
