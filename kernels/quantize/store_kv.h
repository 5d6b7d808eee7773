/* The walk that the SIMD variants of store_kv share. */
#ifndef DYNO_KERNELS_QUANTIZE_STORE_KV_H
#define DYNO_KERNELS_QUANTIZE_STORE_KV_H

#include <string.h>

#include "kernels/base/compiler.h"
#include "kernels/base/hadamard.h"
#include "kernels/base/kv_block.h"
#include "kernels/kernel.h"

/* Vectors of 16 or 32 elements leave no tails. */
bool dyno_store_kv_supports(const dyno_problem *problem);

/* Writes a vector of head_size elements to its slot: a key to the lane of a panel, its dwords
 * DYNO_KV_PANEL dwords apart; a value to the elements of its row that are the slot's. */
typedef void dyno_store_vector(void *slot, const float *vector, size_t head_size);

DYNO_ALWAYS_INLINE void dyno_store_kv(const dyno_store_kv_args *args, size_t row0, size_t row1,
                                      size_t element_bytes, dyno_store_vector *store_key,
                                      dyno_store_vector *store_value)
{
  const dyno_kv_shape shape = {element_bytes, args->block_tokens, args->kv_heads, args->head_size};
  for (size_t t = row0; t < row1; t++) {
    size_t position = args->first_position + t, slot = position % args->block_tokens;
    char *block = args->blocks[position / args->block_tokens % args->block_count];
    for (size_t head = 0; head < args->kv_heads; head++) {
      size_t from = (t * args->kv_heads + head) * args->head_size;
      store_key(block + dyno_kv_key_at(&shape, head, slot, 0), args->key + from, args->head_size);
      store_value(block + dyno_kv_value_at(&shape, head, slot, 0), args->value + from,
                  args->head_size);
    }
  }
}

/* Rounds a vector to INT8, as many bytes, and returns the scale. */
typedef float dyno_round_vector(int8_t *quants, const float *vector, size_t head_size);

DYNO_ALWAYS_INLINE void dyno_store_key_i8(char *block, const dyno_kv_shape *shape, size_t head,
                                          size_t slot, const float *key, dyno_round_vector *round)
{
  float rotated[DYNO_HADAMARD_MOST];
  int8_t quants[DYNO_HADAMARD_MOST];
  char *to = block + dyno_kv_key_at(shape, head, slot, 0);
  memcpy(rotated, key, shape->head_size * sizeof *rotated);
  dyno_hadamard(rotated, shape->head_size);
  float scale = round(quants, rotated, shape->head_size);
  for (size_t i = 0; i < shape->head_size; i += DYNO_KV_DWORD)
    memcpy(to + i * DYNO_KV_PANEL, quants + i, DYNO_KV_DWORD);
  memcpy(block + dyno_kv_scale_at(shape, head, slot), &scale, sizeof scale);
}

/* The other bytes of every dword are other tokens', and may be being written. */
DYNO_ALWAYS_INLINE void dyno_store_value_i8(char *block, const dyno_kv_shape *shape, size_t head,
                                            size_t slot, const float *value,
                                            dyno_round_vector *round)
{
  int8_t quants[DYNO_HADAMARD_MOST];
  char *to = block + dyno_kv_value_at(shape, head, slot, 0);
  float scale = round(quants, value, shape->head_size);
  for (size_t i = 0; i < shape->head_size; i++)
    to[i * DYNO_KV_DWORD] = quants[i];
  memcpy(block + dyno_kv_scale_at(shape, head, slot) + dyno_kv_plane_bytes(shape), &scale,
         sizeof scale);
}

DYNO_ALWAYS_INLINE void dyno_store_kv_i8(const dyno_store_kv_args *args, size_t row0, size_t row1,
                                         dyno_round_vector *round)
{
  const dyno_kv_shape shape = {1, args->block_tokens, args->kv_heads, args->head_size};
  for (size_t t = row0; t < row1; t++) {
    size_t position = args->first_position + t, slot = position % args->block_tokens;
    char *block = args->blocks[position / args->block_tokens % args->block_count];
    for (size_t head = 0; head < args->kv_heads; head++) {
      size_t from = (t * args->kv_heads + head) * args->head_size;
      dyno_store_key_i8(block, &shape, head, slot, args->key + from, round);
      dyno_store_value_i8(block, &shape, head, slot, args->value + from, round);
    }
  }
}

#endif
