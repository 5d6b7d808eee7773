/* Where keys and values lie in a block of a KV cache (dyno_attention_args in kernels/kernel.h).
 *
 * A block holds the keys and values of block_tokens consecutive positions, a multiple of 16. The
 * KV heads follow each other, each with its keys and then its values, made of dwords that hold
 * `packed` elements: 2 of BF16 or F16, 1 of F32.
 *
 *   keys    [block_tokens / 16][head_size / packed][16][packed]
 *   values  [block_tokens / packed][head_size][packed]
 *
 * A panel is 16 positions, and begins at a multiple of 64 bytes if the block does. A vector of keys
 * is the same elements of 16 positions, and meets one broadcast dword of a query; a vector of
 * values is 16 elements of `packed` positions, and meets one dword of their weights. */
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

/* Bytes of the keys, and of the values, of a KV head. */
static inline size_t dyno_kv_plane_bytes(const dyno_kv_shape *shape)
{
  return shape->block_tokens * shape->head_size * shape->element_bytes;
}

static inline size_t dyno_kv_block_bytes(const dyno_kv_shape *shape)
{
  return 2 * shape->kv_heads * dyno_kv_plane_bytes(shape);
}

/* The byte at which the panel of keys begins that holds a slot; its values' lie a plane on. */
static inline size_t dyno_kv_panel_at(const dyno_kv_shape *shape, size_t kv_head, size_t slot)
{
  size_t panel_bytes = DYNO_KV_PANEL * shape->head_size * shape->element_bytes;
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

#endif
