/* Hugging Face's tokenizer.json, for byte-level BPE with the o200k pattern. Whatever in the file
 * would change the tokens of a text is either honoured or refused. */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runtime/model/json_file.h"
#include "runtime/model/span.h"
#include "runtime/text/byte_level.h"
#include "runtime/text/pretokenize.h"
#include "runtime/text/vocabulary_internal.h"

/* The member `key`, null when it is missing; "" as well as false counts as null, as writers differ
 * in how they say "none". */
static bool is_none(const json_t *object, const char *key)
{
  const json_t *value = json_object_get(object, key);
  return value == NULL || json_is_null(value) || json_is_false(value) ||
         (json_is_string(value) && json_string_length(value) == 0);
}

static bool is_string(const json_t *object, const char *key, const char *wanted)
{
  const char *value = json_string_value(json_object_get(object, key));
  return value != NULL && strcmp(value, wanted) == 0;
}

static dyno_status refuse(dyno_error *error, const char *what)
{
  return dyno_fail(error, DYNO_ERROR_UNSUPPORTED, "%s", what);
}

/* A Split by the pattern, which leaves nothing between the matches; so to keep the matches is to
 * isolate them. */
static bool is_o200k_split(const json_t *split)
{
  const json_t *invert = json_object_get(split, "invert");
  bool keeps = (is_string(split, "behavior", "Isolated") && !json_is_true(invert)) ||
               (is_string(split, "behavior", "Removed") && json_is_true(invert));
  return is_string(split, "type", "Split") && keeps &&
         is_string(json_object_get(split, "pattern"), "Regex", DYNO_O200K_PATTERN);
}

static bool is_plain_byte_level(const json_t *step)
{
  return is_string(step, "type", "ByteLevel") && is_none(step, "add_prefix_space") &&
         json_is_false(json_object_get(step, "use_regex"));
}

static dyno_status check_pipeline(const json_t *root, dyno_error *error)
{
  const json_t *model = json_object_get(root, "model");
  if (!is_string(model, "type", "BPE"))
    return refuse(error, "model.type: only \"BPE\" is supported");
  if (!is_none(model, "dropout"))
    return refuse(error, "model.dropout: would make tokens random");
  if (!is_none(model, "continuing_subword_prefix") || !is_none(model, "end_of_word_suffix"))
    return refuse(error, "model: subword prefixes and suffixes are not supported");
  if (!is_none(root, "normalizer"))
    return refuse(error, "normalizer: none is supported");
  const json_t *split = json_object_get(root, "pre_tokenizer");
  const json_t *steps = json_object_get(split, "pretokenizers");
  if (!is_string(split, "type", "Sequence") || json_array_size(steps) != 2 ||
      !is_o200k_split(json_array_get(steps, 0)) || !is_plain_byte_level(json_array_get(steps, 1)))
    return refuse(error, "pre_tokenizer: only a split by the o200k pattern, followed by ByteLevel "
                         "without a pattern of its own, is supported");
  return DYNO_OK;
}

static dyno_status add_added_token(dyno_vocabulary *v, const json_t *token, dyno_error *error)
{
  const json_t *id = json_object_get(token, "id"), *content = json_object_get(token, "content");
  if (!json_is_integer(id) || !json_is_string(content))
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "a whole number \"id\" and a string \"content\" are "
                     "wanted");
  if (!is_none(token, "lstrip") || !is_none(token, "rstrip") || !is_none(token, "single_word"))
    return refuse(error, "lstrip, rstrip and single_word are not supported");
  const char *text = json_string_value(content);
  size_t count = json_string_length(content);
  bool special = json_is_true(json_object_get(token, "special"));
  return dyno_vocabulary_add(v, json_integer_value(id), text, count,
                             dyno_added_token_kind(text, count, special), error);
}

static dyno_status add_added_tokens(dyno_vocabulary *v, const json_t *tokens, dyno_error *error)
{
  if (tokens != NULL && !json_is_array(tokens))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "added_tokens: an array is wanted");
  for (size_t i = 0; i < json_array_size(tokens); i++) {
    dyno_status status = add_added_token(v, json_array_get(tokens, i), error);
    if (status != DYNO_OK) {
      dyno_error_prepend(error, "added_tokens[%zu]", i);
      return status;
    }
  }
  return DYNO_OK;
}

/* Some files list the added tokens in the vocabulary, too. */
static bool is_added_already(const dyno_vocabulary *v, int64_t id, const char *text)
{
  size_t count;
  const char *bytes = dyno_vocabulary_bytes(v, id, &count);
  return bytes != NULL && dyno_vocabulary_kind(v, id) != DYNO_TOKEN_NORMAL &&
         count == strlen(text) && memcmp(bytes, text, count) == 0;
}

static dyno_status add_vocab(dyno_vocabulary *v, json_t *vocab, dyno_error *error)
{
  if (!json_is_object(vocab))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "model.vocab: an object is wanted");
  const char *text;
  json_t *id;
  json_object_foreach (vocab, text, id) {
    char bytes[DYNO_VOCABULARY_TOKEN_BYTES];
    size_t count;
    if (json_is_integer(id) && is_added_already(v, json_integer_value(id), text))
      continue;
    dyno_status status =
        json_is_integer(id)
            ? dyno_byte_level_decode(bytes, sizeof bytes, &count, text, strlen(text), error)
            : dyno_fail(error, DYNO_ERROR_FORMAT, "its id is no whole number");
    if (status == DYNO_OK)
      status =
          dyno_vocabulary_add(v, json_integer_value(id), bytes, count, DYNO_TOKEN_NORMAL, error);
    if (status != DYNO_OK) {
      char quoted[DYNO_QUOTED_TEXT];
      dyno_error_prepend(error, "model.vocab: '%s'", dyno_span_quote(quoted, dyno_span_of(text)));
      return status;
    }
  }
  return DYNO_OK;
}

/* In how many ways a token can be made of two others. */
static size_t count_splits(const dyno_vocabulary *v)
{
  size_t splits = 0;
  for (size_t id = 0; id < v->size; id++) {
    const dyno_piece *piece = &v->pieces[id];
    if (piece->kind != DYNO_TOKEN_NORMAL)
      continue;
    const char *bytes = v->bytes.data + piece->offset;
    for (size_t first = 1; first < piece->count; first++)
      splits += dyno_vocabulary_find(v, bytes, first) != DYNO_NO_RANK &&
                dyno_vocabulary_find(v, bytes + first, piece->count - first) != DYNO_NO_RANK;
  }
  return splits;
}

/* What a merge joins: ["a", "b"], or "a b" in older files. */
typedef struct merge {
  char bytes[2 * DYNO_VOCABULARY_TOKEN_BYTES];
  size_t first, count; /* bytes of the first part, and of both */
} merge;

static dyno_status read_merge(merge *m, const json_t *item, dyno_error *error)
{
  const char *first = json_string_value(json_array_get(item, 0));
  const char *second = json_string_value(json_array_get(item, 1));
  size_t first_count = first != NULL ? strlen(first) : 0;
  if (json_is_string(item)) {
    first = json_string_value(item);
    first_count = strcspn(first, " ");
    second = first[first_count] == ' ' ? first + first_count + 1 : NULL;
  } else if (json_array_size(item) != 2) {
    second = NULL;
  }
  if (first == NULL || second == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "two tokens are wanted");
  dyno_status status = dyno_byte_level_decode(m->bytes, DYNO_VOCABULARY_TOKEN_BYTES, &m->first,
                                              first, first_count, error);
  if (status == DYNO_OK)
    status = dyno_byte_level_decode(m->bytes + m->first, DYNO_VOCABULARY_TOKEN_BYTES, &m->count,
                                    second, strlen(second), error);
  m->count += m->first;
  return status;
}

/* The product of a merge of two tokens, -1 when one of the three is none. */
static int32_t product_of(const dyno_vocabulary *v, const merge *m)
{
  if (m->first == 0 || m->first == m->count ||
      dyno_vocabulary_find(v, m->bytes, m->first) == DYNO_NO_RANK ||
      dyno_vocabulary_find(v, m->bytes + m->first, m->count - m->first) == DYNO_NO_RANK)
    return DYNO_NO_RANK;
  return dyno_vocabulary_find(v, m->bytes, m->count);
}

/* We merge by id and look at no list. That gives the same tokens when the list has every way to
 * make each token, those of lower ids first; so are the lists that were made from o200k. */
static dyno_status check_merges(const dyno_vocabulary *v, const json_t *merges, dyno_error *error)
{
  int32_t last = -1;
  bool seen[DYNO_VOCABULARY_TOKEN_BYTES] = {false}; /* the splits of the last product */
  size_t listed = json_array_size(merges);
  for (size_t i = 0; i < listed; i++) {
    merge m;
    dyno_status status = read_merge(&m, json_array_get(merges, i), error);
    int32_t product = status == DYNO_OK ? product_of(v, &m) : -1;
    if (status == DYNO_OK && product < 0)
      status = dyno_fail(error, DYNO_ERROR_FORMAT, "joins what is no token, or to no token");
    if (status == DYNO_OK && product > last)
      memset(seen, 0, sizeof seen);
    else if (status == DYNO_OK && (product < last || seen[m.first]))
      status = dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                         "is listed twice or out of the order of ids (token %d after %d)", product,
                         last);
    if (status != DYNO_OK) {
      dyno_error_prepend(error, "model.merges[%zu]", i);
      return status;
    }
    seen[m.first] = true;
    last = product;
  }
  size_t splits = count_splits(v);
  if (listed != splits)
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "model.merges: lists %zu of the %zu ways to join two tokens to a third; only "
                     "complete lists, like o200k's, are supported",
                     listed, splits);
  return DYNO_OK;
}

static dyno_status add_root(dyno_vocabulary *v, json_t *root, dyno_error *error)
{
  json_t *model = json_object_get(root, "model");
  dyno_status status = check_pipeline(root, error);
  if (status == DYNO_OK)
    status = add_added_tokens(v, json_object_get(root, "added_tokens"), error);
  if (status == DYNO_OK)
    status = add_vocab(v, json_object_get(model, "vocab"), error);
  if (status == DYNO_OK)
    status = dyno_vocabulary_index(v, error);
  if (status == DYNO_OK)
    status = check_merges(v, json_object_get(model, "merges"), error);
  return status;
}

/* o200k's merges are 1.4 million values. */
enum { MOST_VALUES = 4 << 20 };

dyno_status dyno_vocabulary_add_json(dyno_vocabulary *vocabulary, const char *text, size_t count,
                                     const char *name, dyno_error *error)
{
  json_t *root;
  dyno_status status = dyno_json_parse_large(&root, text, count, MOST_VALUES, name, error);
  if (status != DYNO_OK)
    return status;
  status = add_root(vocabulary, root, error);
  json_decref(root);
  if (status != DYNO_OK)
    dyno_error_prepend(error, "%s", name);
  return status;
}
