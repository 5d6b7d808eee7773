/* The number formats dyno stores: one table, and exact conversion of each to float.
 *
 * A format packs `block_elements` consecutive elements of a row into `block_bytes` bytes. Rows
 * are whole blocks, so a row of k elements takes k / block_elements * block_bytes bytes and k
 * must be a multiple of block_elements. The block formats are those of GGUF (Q*_0, Q*_K: ggml,
 * ggml-common.h; MXFP4: OCP Microscaling Formats 1.0, in ggml's nibble order). All integers and
 * floats inside a block are little-endian and unaligned. */
#ifndef DYNO_KERNELS_BASE_DTYPE_H
#define DYNO_KERNELS_BASE_DTYPE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum dyno_dtype {
  DYNO_NONE = 0, /* not applicable */
  DYNO_F32,
  DYNO_F16,
  DYNO_BF16,
  DYNO_Q8_0,  /* 32: f16 scale d, 32 int8 q;               value = d q */
  DYNO_Q4_0,  /* 32: f16 d, 16 bytes of nibbles;           value = d (q - 8) */
  DYNO_Q4_1,  /* 32: f16 d, f16 m, 16 bytes of nibbles;    value = d q + m */
  DYNO_Q5_0,  /* 32: f16 d, 4 bytes of high bits, nibbles; value = d (q - 16) */
  DYNO_Q4_K,  /* 256: f16 d, f16 dmin, 12 bytes of 6-bit scales and minima, nibbles */
  DYNO_Q5_K,  /* 256: as Q4_K with a plane of high bits */
  DYNO_Q6_K,  /* 256: low nibbles, 2-bit high plane, 16 int8 scales, f16 d */
  DYNO_MXFP4, /* 32: E8M0 scale e, 16 bytes of E2M1 nibbles; value = 2^(e-127) E2M1 */
  DYNO_I8,
  DYNO_I32,
  DYNO_A8, /* activations: int8 per element; per 32 a float scale and an int32 sum; see a8.h */
  DYNO_DTYPE_COUNT
} dyno_dtype;

/* How many elements the largest block of any format holds. */
#define DYNO_MAX_BLOCK_ELEMENTS 256

typedef struct dyno_dtype_info {
  const char *name; /* as in kernel names and on the command line: "mxfp4" */
  size_t block_elements;
  size_t block_bytes;
  /* Writes the block_elements values of one block. NULL where a format has no such blocks. */
  void (*block_to_float)(float *values, const void *block);
} dyno_dtype_info;

/* The table's row for a format; NULL when dtype is out of range. Thread-safe, static lifetime. */
const dyno_dtype_info *dyno_dtype_get(dyno_dtype dtype);

/* The format's name, "?" when out of range. */
const char *dyno_dtype_name(dyno_dtype dtype);

/* The format called name; DYNO_DTYPE_COUNT when there is none. */
dyno_dtype dyno_dtype_parse(const char *name);

/* Bytes of one row of k elements; 0 when k is not a whole number of blocks. */
size_t dyno_row_bytes(dyno_dtype dtype, size_t k);

/* Decodes k elements of one row (k a multiple of the block). Exact, except that the sum of
 * Q4_1 and the difference of Q4_K and Q5_K (d·sc·q - dmin·m) are rounded to float, as in ggml,
 * and that an MXFP4 value of 2^128 or more becomes infinity. */
void dyno_row_to_float(float *values, const void *row, dyno_dtype dtype, size_t k);

/* E2M1, doubled so that it is an integer; index is the nibble (sign in bit 3).
 * OCP Microscaling Formats 1.0, table 5. */
extern const int8_t dyno_e2m1_doubled[16];

static inline float dyno_bits_to_float(uint32_t bits)
{
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t dyno_float_to_bits(float value)
{
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline uint16_t dyno_load_u16(const void *bytes)
{
  uint16_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static inline float dyno_bf16_to_float(uint16_t bits)
{
  return dyno_bits_to_float((uint32_t)bits << 16);
}

/* Round to nearest, ties to even; NaN stays NaN (quiet). */
static inline uint16_t dyno_float_to_bf16(float value)
{
  uint32_t bits = dyno_float_to_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t)((bits >> 16) | 0x0040u);
  return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static inline float dyno_f16_to_float(uint16_t half)
{
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1fu) /* infinity, NaN */
    return dyno_bits_to_float(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) /* normal */
    return dyno_bits_to_float(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  float subnormal = (float)mantissa * 0x1p-24f;
  return dyno_bits_to_float(sign | dyno_float_to_bits(subnormal));
}

/* Round to nearest, ties to even; overflow becomes infinity; NaN stays NaN (quiet). */
static inline uint16_t dyno_float_to_f16(float value)
{
  uint32_t bits = dyno_float_to_bits(value);
  uint32_t sign = (bits >> 16) & 0x8000u;
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return (uint16_t)(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) /* rounds to 65536 or more */
    return (uint16_t)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) { /* below 2^-14: subnormal; the addition does the rounding */
    float aligned = dyno_bits_to_float(magnitude) + 0.5f;
    return (uint16_t)(sign | (dyno_float_to_bits(aligned) - 0x3f000000u));
  }
  uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return (uint16_t)(sign | ((rounded - 0x38000000u) >> 13));
}

/* 2^(exponent-127); 0xff is NaN, as the MX specification says. */
static inline float dyno_e8m0_to_float(uint8_t exponent)
{
  if (exponent == 0)
    return 0x1p-127f;
  if (exponent == 0xff)
    return dyno_bits_to_float(0x7fc00000u);
  return dyno_bits_to_float((uint32_t)exponent << 23);
}

#endif
