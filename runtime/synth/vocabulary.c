#include "runtime/synth/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text/file.h"
#include "runtime/text/vocabulary_internal.h"

enum { MOST_FILE_BYTES = 256 << 20 };

/* The first `lines` lines of text. */
static size_t cut_lines(const char *text, size_t lines)
{
  const char *end = text;
  while (lines-- > 0 && *end != '\0')
    end = strchr(end, '\n') + 1;
  return (size_t)(end - text);
}

static dyno_status add_pieces(dyno_vocabulary *tokens, size_t room, const char *path,
                              dyno_error *error)
{
  if (path == NULL)
    return dyno_vocabulary_add_tiktoken(tokens, dyno_synth_vocabulary_text,
                                        cut_lines(dyno_synth_vocabulary_text, room),
                                        "the built-in vocabulary", error);
  char *text;
  size_t count;
  dyno_status status = dyno_file_read(&text, &count, path, MOST_FILE_BYTES, error);
  if (status == DYNO_OK)
    status = dyno_vocabulary_add_tiktoken(tokens, text, count, path, error);
  free(text);
  if (status == DYNO_OK && dyno_vocabulary_size(tokens) > room)
    status =
        dyno_fail(error, DYNO_ERROR_USAGE,
                  "%s: its %zu tokens and the %d special ones do not fit a vocabulary of %zu", path,
                  dyno_vocabulary_size(tokens), DYNO_SYNTH_SPECIALS, room + DYNO_SYNTH_SPECIALS);
  return status;
}

/* Ids that text is never encoded to. */
static dyno_status pad(dyno_vocabulary *tokens, size_t size, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t id = dyno_vocabulary_size(tokens); id < size && status == DYNO_OK; id++) {
    char text[32];
    int count = snprintf(text, sizeof text, "[PAD%zu]", id);
    status =
        dyno_vocabulary_add(tokens, (int64_t)id, text, (size_t)count, DYNO_TOKEN_UNUSED, error);
  }
  return status;
}

static dyno_status spell_all(dyno_synth_vocabulary *v, size_t size, dyno_error *error)
{
  size_t *ends = calloc(size, sizeof *ends);
  v->spelled = calloc(size, sizeof *v->spelled);
  dyno_status status = ends != NULL && v->spelled != NULL
                           ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  for (size_t id = 0; id < size && status == DYNO_OK; id++) {
    status = dyno_vocabulary_spell_gguf(&v->spelling, v->tokens, (int64_t)id, error);
    ends[id] = v->spelling.count;
    if (status == DYNO_OK)
      status = dyno_bytes_append(&v->spelling, "", 1, error);
  }
  for (size_t id = 0; id < size && status == DYNO_OK; id++) {
    size_t begin = id == 0 ? 0 : ends[id - 1] + 1;
    v->spelled[id] = (dyno_span){v->spelling.data + begin, ends[id] - begin};
  }
  free(ends);
  return status;
}

/* By the ids of both parts: as transformers' converter of .tiktoken files lists them. */
static int compare_merges(const void *a, const void *b)
{
  const dyno_synth_merge *x = a, *y = b;
  if (x->left != y->left)
    return x->left < y->left ? -1 : 1;
  return (x->right > y->right) - (x->right < y->right);
}

/* Appends all ways to make a token of two others; without room, only counts them. */
static size_t list_merges(dyno_synth_merge *merges, const dyno_vocabulary *tokens, int32_t id)
{
  size_t count, found = 0;
  const char *bytes = dyno_vocabulary_bytes(tokens, id, &count);
  for (size_t first = 1; first < count; first++) {
    int32_t left = dyno_vocabulary_find(tokens, bytes, first);
    int32_t right = dyno_vocabulary_find(tokens, bytes + first, count - first);
    if (left == DYNO_NO_RANK || right == DYNO_NO_RANK)
      continue;
    if (merges != NULL)
      merges[found] = (dyno_synth_merge){left, right};
    found++;
  }
  if (merges != NULL)
    qsort(merges, found, sizeof *merges, compare_merges);
  return found;
}

static dyno_status list_all_merges(dyno_synth_vocabulary *v, dyno_error *error)
{
  for (int32_t id = 0; id < v->first_special; id++)
    if (dyno_vocabulary_kind(v->tokens, id) == DYNO_TOKEN_NORMAL)
      v->merge_count += list_merges(NULL, v->tokens, id);
  v->merges = calloc(v->merge_count + 1, sizeof *v->merges);
  if (v->merges == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for %zu merges", v->merge_count);
  size_t count = 0;
  for (int32_t id = 0; id < v->first_special; id++)
    if (dyno_vocabulary_kind(v->tokens, id) == DYNO_TOKEN_NORMAL)
      count += list_merges(v->merges + count, v->tokens, id);
  return DYNO_OK;
}

dyno_status dyno_synth_vocabulary_make(dyno_synth_vocabulary *v, size_t size, const char *path,
                                       dyno_error *error)
{
  *v = (dyno_synth_vocabulary){.first_special = (int32_t)(size - DYNO_SYNTH_SPECIALS)};
  size_t room = size - DYNO_SYNTH_SPECIALS;
  dyno_status status = dyno_vocabulary_create(&v->tokens, error);
  if (status == DYNO_OK)
    status = add_pieces(v->tokens, room, path, error);
  if (status == DYNO_OK)
    status = pad(v->tokens, room, error);
  if (status == DYNO_OK)
    status = dyno_vocabulary_add_harmony(v->tokens, error);
  if (status == DYNO_OK)
    status = dyno_vocabulary_index(v->tokens, error);
  if (status == DYNO_OK)
    status = spell_all(v, size, error);
  if (status == DYNO_OK)
    status = list_all_merges(v, error);
  if (status != DYNO_OK)
    dyno_synth_vocabulary_free(v);
  return status;
}

void dyno_synth_vocabulary_free(dyno_synth_vocabulary *v)
{
  dyno_vocabulary_free(v->tokens);
  dyno_bytes_free(&v->spelling);
  free(v->merges);
  free(v->spelled);
  *v = (dyno_synth_vocabulary){0};
}
