/* What a packed file takes over from the model's files, so that it can do without them. */
#include <stdlib.h>
#include <string.h>

#include "runtime/model/packed_internal.h"
#include "runtime/text/tokenizer.h"

static bool has_prefix(dyno_span text, const char *prefix)
{
  size_t size = strlen(prefix);
  return text.size >= size && memcmp(text.bytes, prefix, size) == 0;
}

/* Whether a key is still true: the configuration has words of its own in a packed file, and the
 * file another form. */
static bool is_kept(dyno_span key, dyno_span architecture, const char *const *but)
{
  static const char *const dropped[] = {"general.architecture", "general.alignment", "split.",
                                        "dyno.config.", "dyno.pack."};
  for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
    if (has_prefix(key, dropped[i]))
      return false;
  for (; but != NULL && *but != NULL; but++)
    if (has_prefix(key, *but))
      return false;
  return !(key.size > architecture.size && key.bytes[architecture.size] == '.' &&
           memcmp(key.bytes, architecture.bytes, architecture.size) == 0);
}

static void copy_entries(dyno_gguf_writer *writer, const dyno_gguf *gguf, const char *const *but)
{
  dyno_span architecture = {"", 0};
  dyno_gguf_get_string(&architecture, gguf, "general.architecture", NULL);
  for (size_t i = 0; i < dyno_gguf_entry_count(gguf); i++) {
    const dyno_gguf_entry *entry = dyno_gguf_entry_at(gguf, i);
    if (is_kept(entry->key, architecture, but))
      dyno_gguf_writer_copy_entry(writer, entry);
  }
}

/* The arrays of a vocabulary. */
typedef struct spelled {
  dyno_bytes text;
  dyno_span *tokens; /* into text */
  int32_t *types;
  size_t count;
} spelled;

static dyno_status spell(spelled *to, const dyno_vocabulary *vocabulary, dyno_error *error)
{
  to->count = dyno_vocabulary_size(vocabulary);
  to->tokens = calloc(to->count + 1, sizeof *to->tokens);
  to->types = calloc(to->count + 1, sizeof *to->types);
  if (to->tokens == NULL || to->types == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for %zu tokens", to->count);
  dyno_status status = DYNO_OK;
  for (size_t id = 0; id < to->count && status == DYNO_OK; id++) {
    size_t before = to->text.count;
    status = dyno_vocabulary_spell_gguf(&to->text, vocabulary, (int64_t)id, error);
    to->tokens[id].size = to->text.count - before;
    to->types[id] = dyno_vocabulary_type_gguf(vocabulary, (int64_t)id);
  }
  const char *at = to->text.data; /* it moved while it grew */
  for (size_t id = 0; id < to->count; id++) {
    to->tokens[id].bytes = at;
    at += to->tokens[id].size;
  }
  return status;
}

static dyno_status write_vocabulary(dyno_gguf_writer *writer, const char *path, dyno_error *error)
{
  dyno_tokenizer *tokenizer = NULL;
  spelled words = {0};
  dyno_status status = dyno_tokenizer_open_json(&tokenizer, path, error);
  if (status == DYNO_OK)
    status = spell(&words, dyno_tokenizer_vocabulary(tokenizer), error);
  if (status == DYNO_OK) {
    dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "gpt2");
    dyno_gguf_writer_add_string(writer, "tokenizer.ggml.pre", "gpt-4o");
    dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.tokens", words.tokens, words.count);
    dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, words.types,
                               words.count);
  }
  dyno_bytes_free(&words.text);
  free(words.tokens);
  free(words.types);
  dyno_tokenizer_free(tokenizer);
  return status;
}

dyno_status dyno_packed_copy_metadata(dyno_gguf_writer *writer, const dyno_checkpoint *checkpoint,
                                      const char *const *but, dyno_error *error)
{
  const dyno_gguf *gguf = dyno_checkpoint_gguf(checkpoint);
  const char *tokenizer = dyno_checkpoint_tokenizer_path(checkpoint);
  if (gguf != NULL)
    copy_entries(writer, gguf, but);
  return gguf == NULL && tokenizer != NULL ? write_vocabulary(writer, tokenizer, error) : DYNO_OK;
}
