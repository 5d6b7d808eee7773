/* The walk that the SIMD variants of store_kv share. */
#ifndef DYNO_KERNELS_QUANTIZE_STORE_KV_H
#define DYNO_KERNELS_QUANTIZE_STORE_KV_H

#include "kernels/base/compiler.h"
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

#endif
