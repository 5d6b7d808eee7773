#include "kernels/base/dtype.h"

const int8_t dyno_e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static float load_f16(const uint8_t *bytes)
{
  return dyno_f16_to_float(dyno_load_u16(bytes));
}

static void f32_to_float(float *values, const void *block)
{
  memcpy(values, block, sizeof *values);
}

static void f16_to_float(float *values, const void *block)
{
  values[0] = load_f16(block);
}

static void bf16_to_float(float *values, const void *block)
{
  values[0] = dyno_bf16_to_float(dyno_load_u16(block));
}

static void q8_0_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  float d = load_f16(bytes);
  for (size_t i = 0; i < 32; i++)
    values[i] = d * (float)(int8_t)bytes[2 + i];
}

/* Nibble order of the 32-element formats: byte i holds element i low and element i + 16 high. */
static void q4_0_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  float d = load_f16(bytes);
  for (size_t i = 0; i < 16; i++) {
    values[i] = d * (float)((bytes[2 + i] & 15) - 8);
    values[i + 16] = d * (float)((bytes[2 + i] >> 4) - 8);
  }
}

static void q4_1_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  float d = load_f16(bytes), m = load_f16(bytes + 2);
  for (size_t i = 0; i < 16; i++) {
    values[i] = d * (float)(bytes[4 + i] & 15) + m;
    values[i + 16] = d * (float)(bytes[4 + i] >> 4) + m;
  }
}

static void q5_0_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  float d = load_f16(bytes);
  uint32_t high;
  memcpy(&high, bytes + 2, sizeof high);
  for (size_t i = 0; i < 16; i++) {
    uint32_t low_element = (bytes[6 + i] & 15u) | ((high >> i) & 1u) << 4;
    uint32_t high_element = (bytes[6 + i] >> 4) | ((high >> (i + 16)) & 1u) << 4;
    values[i] = d * (float)((int)low_element - 16);
    values[i + 16] = d * (float)((int)high_element - 16);
  }
}

/* Q4_K and Q5_K keep eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of
 * each in the low six bits of bytes 0-3 and 4-7; the last four have their low nibbles in bytes
 * 8-11 and their top two bits in the top of bytes 0-3 and 4-7. */
static void k_scale_and_minimum(unsigned *scale, unsigned *minimum, const uint8_t *packed, size_t j)
{
  if (j < 4) {
    *scale = packed[j] & 63u;
    *minimum = packed[j + 4] & 63u;
  } else {
    *scale = (packed[j + 4] & 15u) | (unsigned)(packed[j - 4] >> 6) << 4;
    *minimum = (unsigned)(packed[j + 4] >> 4) | (unsigned)(packed[j] >> 6) << 4;
  }
}

/* The 256 elements are eight runs of 32; runs 2c and 2c+1 are the low and high nibbles of bytes
 * 32c to 32c+31. high_bits is NULL for Q4_K; for Q5_K bit r of its byte i belongs to run r. */
static void k_runs_to_float(float *values, const uint8_t *header, const uint8_t *high_bits,
                            const uint8_t *nibbles)
{
  float d = load_f16(header), dmin = load_f16(header + 2);
  for (size_t run = 0; run < 8; run++) {
    unsigned scale, minimum;
    k_scale_and_minimum(&scale, &minimum, header + 4, run);
    float run_scale = d * (float)scale, run_minimum = dmin * (float)minimum;
    for (size_t i = 0; i < 32; i++) {
      unsigned byte = nibbles[run / 2 * 32 + i];
      unsigned q = run % 2 == 0 ? byte & 15u : byte >> 4;
      if (high_bits != NULL)
        q |= ((unsigned)(high_bits[i] >> run) & 1u) << 4;
      values[run * 32 + i] = run_scale * (float)q - run_minimum;
    }
  }
}

static void q4_k_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  k_runs_to_float(values, bytes, NULL, bytes + 16);
}

static void q5_k_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  k_runs_to_float(values, bytes, bytes + 16, bytes + 48);
}

/* Two halves of 128; in each, run r (of four, 32 elements) takes nibble r/2 of byte
 * 32 (r%2) + i and bits 2r of the high plane; a scale covers 16 elements. */
static void q6_k_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  const uint8_t *low = bytes, *high = bytes + 128, *scales = bytes + 192;
  float d = load_f16(bytes + 208);
  for (size_t element = 0; element < 256; element++) {
    size_t half = element / 128, run = element / 32 % 4, i = element % 32;
    unsigned byte = low[half * 64 + run % 2 * 32 + i];
    unsigned q = run < 2 ? byte & 15u : byte >> 4;
    q |= ((unsigned)(high[half * 32 + i] >> (2 * run)) & 3u) << 4;
    float scale = d * (float)(int8_t)scales[element / 16];
    values[element] = scale * (float)((int)q - 32);
  }
}

static void mxfp4_to_float(float *values, const void *block)
{
  const uint8_t *bytes = block;
  float scale = dyno_e8m0_to_float(bytes[0]);
  for (size_t i = 0; i < 16; i++) {
    values[i] = 0.5f * (float)dyno_e2m1_doubled[bytes[1 + i] & 15] * scale;
    values[i + 16] = 0.5f * (float)dyno_e2m1_doubled[bytes[1 + i] >> 4] * scale;
  }
}

static const dyno_dtype_info dtypes[DYNO_DTYPE_COUNT] = {
    [DYNO_NONE] = {"none", 1, 0, NULL},
    [DYNO_F32] = {"f32", 1, 4, f32_to_float},
    [DYNO_F16] = {"f16", 1, 2, f16_to_float},
    [DYNO_BF16] = {"bf16", 1, 2, bf16_to_float},
    [DYNO_Q8_0] = {"q8_0", 32, 34, q8_0_to_float},
    [DYNO_Q4_0] = {"q4_0", 32, 18, q4_0_to_float},
    [DYNO_Q4_1] = {"q4_1", 32, 20, q4_1_to_float},
    [DYNO_Q5_0] = {"q5_0", 32, 22, q5_0_to_float},
    [DYNO_Q4_K] = {"q4_k", 256, 144, q4_k_to_float},
    [DYNO_Q5_K] = {"q5_k", 256, 176, q5_k_to_float},
    [DYNO_Q6_K] = {"q6_k", 256, 210, q6_k_to_float},
    [DYNO_MXFP4] = {"mxfp4", 32, 17, mxfp4_to_float},
    [DYNO_I8] = {"i8", 1, 1, NULL},
    [DYNO_I32] = {"i32", 1, 4, NULL},
    [DYNO_A8] = {"a8", 32, 40, NULL},
};

const dyno_dtype_info *dyno_dtype_get(dyno_dtype dtype)
{
  return (unsigned)dtype < DYNO_DTYPE_COUNT ? &dtypes[dtype] : NULL;
}

const char *dyno_dtype_name(dyno_dtype dtype)
{
  return (unsigned)dtype < DYNO_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

dyno_dtype dyno_dtype_parse(const char *name)
{
  dyno_dtype dtype = DYNO_NONE;
  while (dtype < DYNO_DTYPE_COUNT && strcmp(dtypes[dtype].name, name) != 0)
    dtype++;
  return dtype;
}

size_t dyno_row_bytes(dyno_dtype dtype, size_t k)
{
  const dyno_dtype_info *info = dyno_dtype_get(dtype);
  if (info == NULL || k % info->block_elements != 0)
    return 0;
  return k / info->block_elements * info->block_bytes;
}

void dyno_row_to_float(float *values, const void *row, dyno_dtype dtype, size_t k)
{
  const dyno_dtype_info *info = &dtypes[dtype];
  const uint8_t *bytes = row;
  for (size_t i = 0; i < k; i += info->block_elements, bytes += info->block_bytes)
    info->block_to_float(values + i, bytes);
}
