/* A vocabulary in the words of GGUF and of Hugging Face's tokenizer.json. */
#include <jansson.h>
#include <stdlib.h>

#include "runtime/model/safetensors_writer.h"
#include "runtime/synth/vocabulary.h"
#include "runtime/text/pretokenize.h"

/* "left right" of every merge. */
static dyno_status join_merges(dyno_bytes *text, dyno_span *spans, const dyno_synth_vocabulary *v,
                               dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < v->merge_count && status == DYNO_OK; i++) {
    dyno_span left = v->spelled[v->merges[i].left], right = v->spelled[v->merges[i].right];
    spans[i].size = left.size + 1 + right.size;
    status = dyno_bytes_append(text, left.bytes, left.size, error);
    if (status == DYNO_OK)
      status = dyno_bytes_append(text, " ", 1, error);
    if (status == DYNO_OK)
      status = dyno_bytes_append(text, right.bytes, right.size, error);
  }
  const char *at = text->data;
  for (size_t i = 0; i < v->merge_count; i++) {
    spans[i].bytes = at;
    at += spans[i].size;
  }
  return status;
}

dyno_status dyno_synth_vocabulary_write_gguf(const dyno_synth_vocabulary *v,
                                             dyno_gguf_writer *writer, const char *pre,
                                             dyno_error *error)
{
  size_t size = dyno_vocabulary_size(v->tokens);
  uint32_t first = (uint32_t)v->first_special;
  int32_t *types = calloc(size, sizeof *types);
  dyno_span *merges = calloc(v->merge_count + 1, sizeof *merges);
  dyno_bytes text = {0};
  dyno_status status = types != NULL && merges != NULL
                           ? join_merges(&text, merges, v, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK) {
    for (size_t id = 0; id < size; id++)
      types[id] = dyno_vocabulary_type_gguf(v->tokens, (int64_t)id);
    dyno_gguf_writer_add_string(writer, "tokenizer.ggml.model", "gpt2");
    dyno_gguf_writer_add_string(writer, "tokenizer.ggml.pre", pre);
    dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.tokens", v->spelled, size);
    dyno_gguf_writer_add_array(writer, "tokenizer.ggml.token_type", DYNO_GGUF_INT32, types, size);
    dyno_gguf_writer_add_strings(writer, "tokenizer.ggml.merges", merges, v->merge_count);
    dyno_gguf_writer_add_uint32(writer, "tokenizer.ggml.bos_token_id",
                                first + DYNO_SYNTH_START_OF_TEXT);
    dyno_gguf_writer_add_uint32(writer, "tokenizer.ggml.eos_token_id", first + DYNO_SYNTH_RETURN);
    dyno_gguf_writer_add_uint32(writer, "tokenizer.ggml.padding_token_id",
                                first + DYNO_SYNTH_END_OF_TEXT);
    dyno_gguf_writer_add_bool(writer, "tokenizer.ggml.add_bos_token", false);
  }
  free(types);
  free(merges);
  dyno_bytes_free(&text);
  return status;
}

static json_t *spelled(const dyno_synth_vocabulary *v, int32_t id)
{
  return json_stringn(v->spelled[id].bytes, v->spelled[id].size);
}

/* All the functions below return NULL for want of memory. */

static json_t *vocab_json(const dyno_synth_vocabulary *v)
{
  json_t *vocab = json_object();
  for (int32_t id = 0; id < v->first_special; id++) {
    if (json_object_set_new(vocab, v->spelled[id].bytes, json_integer(id)) != 0) {
      json_decref(vocab);
      return NULL;
    }
  }
  return vocab;
}

static json_t *merges_json(const dyno_synth_vocabulary *v)
{
  json_t *merges = json_array();
  for (size_t i = 0; i < v->merge_count; i++) {
    json_t *merge =
        json_pack("[o, o]", spelled(v, v->merges[i].left), spelled(v, v->merges[i].right));
    if (json_array_append_new(merges, merge) != 0) {
      json_decref(merges);
      return NULL;
    }
  }
  return merges;
}

static json_t *added_tokens_json(const dyno_synth_vocabulary *v)
{
  json_t *tokens = json_array();
  int32_t size = (int32_t)dyno_vocabulary_size(v->tokens);
  for (int32_t id = v->first_special; id < size; id++) {
    json_t *token =
        json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", spelled(v, id),
                  "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
    if (json_array_append_new(tokens, token) != 0) {
      json_decref(tokens);
      return NULL;
    }
  }
  return tokens;
}

static json_t *byte_level_json(bool whole)
{
  return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", (int)whole,
                   "trim_offsets", 1, "use_regex", (int)whole);
}

static json_t *pre_tokenizer_json(void)
{
  json_t *split = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex",
                            DYNO_O200K_PATTERN, "behavior", "Isolated", "invert", 0);
  return json_pack("{s:s, s:[o, o]}", "type", "Sequence", "pretokenizers", split,
                   byte_level_json(false));
}

dyno_status dyno_synth_vocabulary_write_json(const dyno_synth_vocabulary *v, const char *path,
                                             dyno_error *error)
{
  json_t *model = json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE",
                            "dropout", "unk_token", "continuing_subword_prefix",
                            "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                            "ignore_merges", 1, "vocab", vocab_json(v), "merges", merges_json(v));
  json_t *root = json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:n, s:o, s:o}", "version", "1.0",
                           "truncation", "padding", "added_tokens", added_tokens_json(v),
                           "normalizer", "pre_tokenizer", pre_tokenizer_json(), "post_processor",
                           "decoder", byte_level_json(true), "model", model);
  if (root == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  dyno_status status = dyno_json_write(path, root, error);
  json_decref(root);
  return status;
}
