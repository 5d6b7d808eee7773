/* Where keys and values lie in a block of a KV cache (dyno_attention_args in kernels/kernel.h).
 *
 * A block holds the keys and values of block_tokens consecutive positions, a multiple of 16. The
 * KV heads follow each other, each with its keys and then its values, made of dwords that hold
 * `packed` elements: 4 of INT8, 2 of BF16 or F16, 1 of F32. In panels of 16 positions:
 *
 *   keys    [head_size / packed][16][packed]
 *   values  [16 / packed][head_size][packed]
 *
 * A panel begins at a multiple of 64 bytes if the block does. A vector of keys is the same elements
 * of 16 positions, and meets one broadcast dword of a query; a vector of values is 16 elements of
 * `packed` positions, and meets one dword of their weights.
 *
 * INT8 has a float scale for each vector: the 16 of a panel follow its elements. Its keys are
 * rotated (hadamard.h). */
#ifndef DYNO_KERNELS_BASE_KV_BLOCK_H
#define DYNO_KERNELS_BASE_KV_BLOCK_H

#include <stddef.h>

enum {
  DYNO_KV_PANEL = 16,
  DYNO_KV_DWORD = 4, /* bytes */
};

/* How the heads of a block are shaped: element_bytes is 4, 2 or 1, head_size a multiple of
 * 4 / element_bytes. */
typedef struct dyno_kv_shape {
  size_t element_bytes, block_tokens, kv_heads, head_size;
} dyno_kv_shape;

/* Bytes of a key, or of a value, with its scale where it has one. */
static inline size_t dyno_kv_vector_bytes(size_t element_bytes, size_t head_size)
{
  return head_size * element_bytes + (element_bytes == 1 ? sizeof(float) : 0);
}

/* Bytes of the keys, and of the values, of a KV head. */
static inline size_t dyno_kv_plane_bytes(const dyno_kv_shape *shape)
{
  return shape->block_tokens * dyno_kv_vector_bytes(shape->element_bytes, shape->head_size);
}

static inline size_t dyno_kv_block_bytes(const dyno_kv_shape *shape)
{
  return 2 * shape->kv_heads * dyno_kv_plane_bytes(shape);
}

/* The byte at which the panel of keys begins that holds a slot; its values' lie a plane on. */
static inline size_t dyno_kv_panel_at(const dyno_kv_shape *shape, size_t kv_head, size_t slot)
{
  size_t panel_bytes = DYNO_KV_PANEL * dyno_kv_vector_bytes(shape->element_bytes, shape->head_size);
  return 2 * kv_head * dyno_kv_plane_bytes(shape) + slot / DYNO_KV_PANEL * panel_bytes;
}

/* The byte at which element i of a slot's key lies. */
static inline size_t dyno_kv_key_at(const dyno_kv_shape *shape, size_t kv_head, size_t slot,
                                    size_t i)
{
  size_t packed = DYNO_KV_DWORD / shape->element_bytes;
  size_t dword = i / packed * DYNO_KV_PANEL + slot % DYNO_KV_PANEL;
  return dyno_kv_panel_at(shape, kv_head, slot) + dword * DYNO_KV_DWORD +
         i % packed * shape->element_bytes;
}

/* The byte at which element i of a slot's value lies. */
static inline size_t dyno_kv_value_at(const dyno_kv_shape *shape, size_t kv_head, size_t slot,
                                      size_t i)
{
  size_t packed = DYNO_KV_DWORD / shape->element_bytes;
  size_t dword = slot % DYNO_KV_PANEL / packed * shape->head_size + i;
  return dyno_kv_panel_at(shape, kv_head, slot) + dyno_kv_plane_bytes(shape) +
         dword * DYNO_KV_DWORD + slot % packed * shape->element_bytes;
}

/* The byte at which the scale of a slot's key lies, of INT8; its value's lies a plane on. */
static inline size_t dyno_kv_scale_at(const dyno_kv_shape *shape, size_t kv_head, size_t slot)
{
  return dyno_kv_panel_at(shape, kv_head, slot) + DYNO_KV_PANEL * shape->head_size +
         slot % DYNO_KV_PANEL * sizeof(float);
}

#endif
