/* What all tiers of quantize_weight and fit_weight compute for a block in the same way. */
#ifndef DYNO_KERNELS_QUANTIZE_QUANTIZE_WEIGHT_H
#define DYNO_KERNELS_QUANTIZE_QUANTIZE_WEIGHT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/base/dtype.h"

enum { DYNO_QUANT_BLOCK = 32 };

/* The largest finite f16. Scales beyond it are cut off there, where ggml writes infinity and
 * makes the block NaN. */
#define DYNO_F16_MAX 65504.0f

/* NaN becomes low. By comparison, because fminf and fmaxf are calls. */
static inline float dyno_clamp(float value, float low, float high)
{
  float raised = value > low ? value : low;
  return raised < high ? raised : high;
}

/* 0 where it overflows: the scale is 0 then, or becomes 0 as an f16. */
static inline float dyno_reciprocal(float value)
{
  float result = 1 / value;
  return isfinite(result) ? result : 0;
}

static inline void dyno_store_u16(uint8_t *bytes, uint16_t value)
{
  memcpy(bytes, &value, sizeof value);
}

/* The scale that is stored, and the float that its bits mean. */
static inline float dyno_store_scale(uint8_t *bytes, float scale)
{
  uint16_t bits = dyno_float_to_f16(dyno_clamp(scale, -DYNO_F16_MAX, DYNO_F16_MAX));
  dyno_store_u16(bytes, bits);
  return dyno_f16_to_float(bits);
}

#endif
