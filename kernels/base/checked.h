/* Arithmetic on numbers that come from files and users: each says whether the result fits. */
#ifndef DYNO_KERNELS_BASE_CHECKED_H
#define DYNO_KERNELS_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* True, and *result = a + b, when that fits; false, and *result unspecified, when not. */
static inline bool dyno_checked_add(uint64_t *result, uint64_t a, uint64_t b)
{
  return !__builtin_add_overflow(a, b, result);
}

static inline bool dyno_checked_multiply(uint64_t *result, uint64_t a, uint64_t b)
{
  return !__builtin_mul_overflow(a, b, result);
}

/* Rounds a up to a multiple of unit, a power of two. */
static inline bool dyno_checked_round_up(uint64_t *result, uint64_t a, uint64_t unit)
{
  if (__builtin_add_overflow(a, unit - 1, result))
    return false;
  *result &= ~(unit - 1);
  return true;
}

/* Whether [offset, offset + size + pad) lies in a file, or a section, of file_size bytes. The one
 * helper behind every extent that comes from a file. */
static inline bool dyno_extent_fits(uint64_t offset, uint64_t size, uint64_t pad,
                                    uint64_t file_size)
{
  uint64_t end;
  return dyno_checked_add(&end, offset, size) && dyno_checked_add(&end, end, pad) &&
         end <= file_size;
}

#endif
