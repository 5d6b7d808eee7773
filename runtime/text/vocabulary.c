#include "config.h"

#include "runtime/text/vocabulary_internal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/text/byte_level.h"

/* Far beyond what a hash gives a table that is half empty: then somebody chose the tokens so that
 * they collide, and building the table would take quadratic time. */
enum { LONGEST_PROBE = 512 };

dyno_status dyno_vocabulary_create(dyno_vocabulary **vocabulary, dyno_error *error)
{
  *vocabulary = calloc(1, sizeof **vocabulary);
  return *vocabulary != NULL
             ? DYNO_OK
             : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for a vocabulary");
}

void dyno_vocabulary_free(dyno_vocabulary *vocabulary)
{
  if (vocabulary == NULL)
    return;
  dyno_bytes_free(&vocabulary->bytes);
  free(vocabulary->pieces);
  free(vocabulary->slots);
  free(vocabulary);
}

/* Makes pieces[0] to pieces[size - 1] exist, those that are new as gaps. */
static dyno_status extend(dyno_vocabulary *v, size_t size, dyno_error *error)
{
  if (size > v->capacity) {
    size_t capacity = v->capacity < 512 ? 1024 : 2 * v->capacity;
    if (capacity < size)
      capacity = size;
    dyno_piece *pieces = reallocarray(v->pieces, capacity, sizeof *pieces);
    if (pieces == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for %zu tokens", capacity);
    v->pieces = pieces;
    v->capacity = capacity;
  }
  while (v->size < size)
    v->pieces[v->size++] = (dyno_piece){0};
  return DYNO_OK;
}

dyno_status dyno_vocabulary_add(dyno_vocabulary *v, int64_t id, const char *bytes, size_t count,
                                dyno_token_kind kind, dyno_error *error)
{
  if (id < 0 || id >= DYNO_VOCABULARY_IDS)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "token id %" PRId64 " is out of bounds: ids go from 0 to %d", id,
                     DYNO_VOCABULARY_IDS - 1);
  if (count > DYNO_VOCABULARY_TOKEN_BYTES)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "token %" PRId64 " has %zu bytes; %d is the most that is read", id, count,
                     DYNO_VOCABULARY_TOKEN_BYTES);
  if (count == 0 && kind != DYNO_TOKEN_UNUSED)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "token %" PRId64 " is empty", id);
  if ((uint64_t)id < v->size && v->pieces[id].known)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "token id %" PRId64 " is there twice", id);
  if (v->bytes.count + count > DYNO_VOCABULARY_BYTES)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "the tokens up to %" PRId64 " have more than %d bytes together", id,
                     DYNO_VOCABULARY_BYTES);
  uint32_t offset = (uint32_t)v->bytes.count;
  dyno_status status = (uint64_t)id < v->size ? DYNO_OK : extend(v, (size_t)id + 1, error);
  if (status == DYNO_OK)
    status = dyno_bytes_append(&v->bytes, bytes, count, error);
  if (status != DYNO_OK)
    return status;
  v->pieces[id] =
      (dyno_piece){.offset = offset, .count = (uint16_t)count, .kind = (uint8_t)kind, .known = 1};
  return DYNO_OK;
}

dyno_token_kind dyno_added_token_kind(const char *text, size_t count, bool special)
{
  bool looks_special =
      count > 4 && memcmp(text, "<|", 2) == 0 && memcmp(text + count - 2, "|>", 2) == 0;
  return special || looks_special ? DYNO_TOKEN_SPECIAL : DYNO_TOKEN_ADDED;
}

/* "[PAD12]": Ollama fills the vocabulary up with these, as user-defined (convert/convert.go); as
 * such they would be found in any text. */
static bool is_padding(const char *text, size_t count)
{
  if (count < 6 || memcmp(text, "[PAD", 4) != 0 || text[count - 1] != ']')
    return false;
  for (size_t i = 4; i < count - 1; i++)
    if (text[i] < '0' || text[i] > '9')
      return false;
  return true;
}

dyno_status dyno_vocabulary_add_gguf(dyno_vocabulary *v, int64_t id, const char *text, size_t count,
                                     int64_t type, dyno_error *error)
{
  switch (type) {
  case 1: {
    char bytes[DYNO_VOCABULARY_TOKEN_BYTES];
    size_t length;
    dyno_status status = dyno_byte_level_decode(bytes, sizeof bytes, &length, text, count, error);
    if (status != DYNO_OK) {
      dyno_error_prepend(error, "token %" PRId64, id);
      return status;
    }
    return dyno_vocabulary_add(v, id, bytes, length, DYNO_TOKEN_NORMAL, error);
  }
  case 3:
    return dyno_vocabulary_add(v, id, text, count, DYNO_TOKEN_SPECIAL, error);
  case 4:
    return dyno_vocabulary_add(v, id, text, count,
                               is_padding(text, count) ? DYNO_TOKEN_UNUSED
                                                       : dyno_added_token_kind(text, count, false),
                               error);
  case 5:
    return dyno_vocabulary_add(v, id, text, count, DYNO_TOKEN_UNUSED, error);
  default:
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                     "token %" PRId64 " is of type %" PRId64
                     "; a byte-level BPE has the types 1 (normal), 3 (control), 4 (user-defined) "
                     "and 5 (unused)",
                     id, type);
  }
}

size_t dyno_vocabulary_size(const dyno_vocabulary *v)
{
  return v->size;
}

const char *dyno_vocabulary_bytes(const dyno_vocabulary *v, int64_t id, size_t *count)
{
  if (id < 0 || (uint64_t)id >= v->size || !v->pieces[id].known) {
    *count = 0;
    return NULL;
  }
  *count = v->pieces[id].count;
  return v->bytes.data + v->pieces[id].offset;
}

dyno_token_kind dyno_vocabulary_kind(const dyno_vocabulary *v, int64_t id)
{
  bool there = id >= 0 && (uint64_t)id < v->size;
  return there ? (dyno_token_kind)v->pieces[id].kind : DYNO_TOKEN_UNUSED;
}

static dyno_status insert(dyno_vocabulary *v, int32_t id, dyno_error *error)
{
  const dyno_piece *piece = &v->pieces[id];
  const char *bytes = v->bytes.data + piece->offset;
  uint64_t key = dyno_slot_key(bytes, piece->count);
  size_t at = dyno_slot_of(key, piece->count);
  for (size_t probe = 0; probe < LONGEST_PROBE; probe++) {
    dyno_slot *slot = &v->slots[(at + probe) & v->slot_mask];
    if (slot->count == 0) {
      *slot = (dyno_slot){.key = key, .count = piece->count, .id = id};
      return DYNO_OK;
    }
    if (slot->key == key && slot->count == piece->count &&
        memcmp(v->bytes.data + v->pieces[slot->id].offset, bytes, piece->count) == 0)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "tokens %d and %d have the same bytes", slot->id,
                       id);
  }
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "token %d: more than %d tokens collide in the look-up table; no vocabulary that "
                   "was trained on text does that",
                   id, LONGEST_PROBE);
}

dyno_status dyno_vocabulary_index(dyno_vocabulary *v, dyno_error *error)
{
  size_t normal = 0;
  for (size_t i = 0; i < v->size; i++) {
    if (v->pieces[i].kind != DYNO_TOKEN_NORMAL)
      continue;
    normal++;
    if (v->pieces[i].count > v->longest)
      v->longest = v->pieces[i].count;
  }
  size_t slots = 1024;
  while (slots < 2 * normal)
    slots *= 2;
  free(v->slots);
  v->slots = calloc(slots, sizeof *v->slots);
  if (v->slots == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for a table of %zu tokens", slots);
  v->slot_mask = slots - 1;

  for (size_t i = 0; i < v->size; i++) {
    dyno_status status =
        v->pieces[i].kind == DYNO_TOKEN_NORMAL ? insert(v, (int32_t)i, error) : DYNO_OK;
    if (status != DYNO_OK)
      return status;
  }
  for (unsigned byte = 0; byte < 256; byte++) {
    char text = (char)byte;
    if (dyno_vocabulary_find(v, &text, 1) == DYNO_NO_RANK)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "byte 0x%02x has no token: not a byte-level vocabulary, or not all of it",
                       byte);
  }
  return DYNO_OK;
}
