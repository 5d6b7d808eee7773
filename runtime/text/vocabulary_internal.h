/* The insides of a vocabulary, for the files that look tokens up. */
#ifndef DYNO_RUNTIME_TEXT_VOCABULARY_INTERNAL_H
#define DYNO_RUNTIME_TEXT_VOCABULARY_INTERNAL_H

#define XXH_INLINE_ALL
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/text/buffer.h"
#include "runtime/text/vocabulary.h"

enum { DYNO_NO_RANK = -1 };

typedef struct dyno_piece {
  uint32_t offset; /* in bytes */
  uint16_t count;
  uint8_t kind; /* dyno_token_kind */
  uint8_t known;
} dyno_piece;

/* Up to eight bytes are their own key: most tokens are found without a look at their bytes. */
typedef struct dyno_slot {
  uint64_t key;
  uint32_t count; /* of bytes; 0 in an empty slot */
  int32_t id;
} dyno_slot;

struct dyno_vocabulary {
  dyno_bytes bytes;   /* of all tokens, one after the other */
  dyno_piece *pieces; /* by id */
  size_t size, capacity;
  dyno_slot *slots; /* normal tokens; open addressing with linear probing */
  size_t slot_mask;
  size_t longest; /* bytes of the longest normal token */
};

/* What an added token is that the source calls special or not: SPECIAL, too, where it looks like
 * <|this|>, whatever the source says, because a user's text must not be able to forge the border
 * of a message. */
dyno_token_kind dyno_added_token_kind(const char *text, size_t count, bool special);

/* Builds the look-up table and checks that every byte is a token, so that any text can be encoded,
 * and that no two normal tokens are equal. May be repeated. */
dyno_status dyno_vocabulary_index(dyno_vocabulary *vocabulary, dyno_error *error);

static inline uint64_t dyno_load_u32(const char *bytes)
{
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/* A number that, together with the count, determines up to eight bytes; a hash of more. */
static inline uint64_t dyno_slot_key(const char *bytes, size_t count)
{
  if (count > 8)
    return XXH3_64bits(bytes, count);
  if (count >= 4)
    return dyno_load_u32(bytes) | dyno_load_u32(bytes + count - 4) << 32;
  return (uint64_t)(unsigned char)bytes[0] | (uint64_t)(unsigned char)bytes[count / 2] << 8 |
         (uint64_t)(unsigned char)bytes[count - 1] << 16;
}

/* Where to begin looking. Both halves of the product are needed: the low one has not seen the high
 * bits of the key, the high one little of the low bits. */
static inline size_t dyno_slot_of(uint64_t key, size_t count)
{
  unsigned __int128 product = (unsigned __int128)(key ^ count) * 0x9e3779b97f4a7c15u;
  return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

/* The id of the normal token with these bytes (count >= 1), or DYNO_NO_RANK. */
static inline int32_t dyno_vocabulary_find(const dyno_vocabulary *v, const char *bytes,
                                           size_t count)
{
  if (count > v->longest)
    return DYNO_NO_RANK;
  uint64_t key = dyno_slot_key(bytes, count);
  for (size_t i = dyno_slot_of(key, count);; i++) {
    const dyno_slot *slot = &v->slots[i & v->slot_mask];
    if (slot->count == 0)
      return DYNO_NO_RANK;
    if (slot->key == key && slot->count == count &&
        (count <= 8 || memcmp(v->bytes.data + v->pieces[slot->id].offset, bytes, count) == 0))
      return slot->id;
  }
}

#endif
