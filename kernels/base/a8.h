/* A8: activations as int8 with one float scale per 32 elements.
 *
 * One token's row of k elements (k a multiple of 32) is three planes, each padded to 64 bytes:
 *
 *   int8  quants[k]        value = scales[i / 32] * quants[i], |quant| <= 127
 *   float scales[k / 32]
 *   int32 sums[k / 32]     sum of the block's quants: kernels that store weights with an offset
 *                          take offset * sum off again, exactly
 *
 * A row starts at a multiple of 64 bytes and rows follow each other without gaps. */
#ifndef DYNO_KERNELS_BASE_A8_H
#define DYNO_KERNELS_BASE_A8_H

#include <stddef.h>
#include <stdint.h>

#define DYNO_A8_BLOCK 32

static inline size_t dyno_a8_plane_bytes(size_t bytes)
{
  return (bytes + 63) & ~(size_t)63;
}

/* Bytes from one row to the next. */
static inline size_t dyno_a8_row_bytes(size_t k)
{
  return dyno_a8_plane_bytes(k) + 2 * dyno_a8_plane_bytes(k / DYNO_A8_BLOCK * 4);
}

static inline size_t dyno_a8_scales_offset(size_t k)
{
  return dyno_a8_plane_bytes(k);
}

static inline size_t dyno_a8_sums_offset(size_t k)
{
  return dyno_a8_plane_bytes(k) + dyno_a8_plane_bytes(k / DYNO_A8_BLOCK * 4);
}

static inline const int8_t *dyno_a8_quants(const void *row)
{
  return row;
}

static inline const float *dyno_a8_scales(const void *row, size_t k)
{
  return (const float *)(const void *)((const char *)row + dyno_a8_scales_offset(k));
}

static inline const int32_t *dyno_a8_sums(const void *row, size_t k)
{
  return (const int32_t *)(const void *)((const char *)row + dyno_a8_sums_offset(k));
}

#endif
