/* What the AVX-512 variants of attention in chunks share, whatever they multiply with. */
#ifndef DYNO_KERNELS_ATTENTION_CHUNKS_AVX512_H
#define DYNO_KERNELS_ATTENTION_CHUNKS_AVX512_H

#include <math.h>

#include "kernels/attention/chunks.h"
#include "kernels/base/exp_avx512.h"
#include "kernels/base/vector_avx512.h"

enum {
  DYNO_HEADS512 = 8,         /* computed together, so that what is loaded serves them all */
  DYNO_PART_PANELS512 = 2,   /* a vector of scores each */
  DYNO_VALUE_VECTORS512 = 2, /* of the head size, added at a time */
};

/* Of each panel from the part that holds the range's begin up to that which holds its end: which
 * positions are in the range. */
DYNO_ALWAYS_INLINE void dyno_chunk_lanes512(__mmask16 lanes[DYNO_CHUNK_PANELS],
                                            dyno_chunk_range range)
{
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_CHUNK_PART) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PART_PANELS512; v++) {
      size_t at = p + v * DYNO_LANES512;
      __mmask16 before = dyno_first_lanes512(range.begin > at ? range.begin - at : 0);
      __mmask16 inside = dyno_first_lanes512(range.end > at ? range.end - at : 0);
      lanes[at / DYNO_LANES512] = (__mmask16)(inside & ~before);
    }
  }
}

/* Into the L2 cache, because a whole chunk passes before it is used. */
DYNO_ALWAYS_INLINE void dyno_prefetch(const uint8_t *line)
{
  _mm_prefetch((const char *)line, _MM_HINT_T1);
}

/* What a step of adding values reads of a row. */
DYNO_ALWAYS_INLINE void dyno_prefetch_row512(const uint8_t *row)
{
  DYNO_UNROLL
  for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
    dyno_prefetch(row + v * sizeof(__m512i));
}

/* The largest score of the range. */
DYNO_ALWAYS_INLINE float dyno_largest_score512(const float *scores, const __mmask16 *lanes,
                                               dyno_chunk_range range)
{
  __m512 largest = _mm512_set1_ps(-INFINITY);
  for (size_t p = range.begin / DYNO_LANES512 * DYNO_LANES512; p < range.end; p += DYNO_LANES512)
    largest =
        _mm512_mask_max_ps(largest, lanes[p / DYNO_LANES512], largest, _mm512_load_ps(scores + p));
  return _mm512_reduce_max_ps(largest);
}

static void dyno_merge512(dyno_softmax all, dyno_softmax more, float *keep, float *take,
                          size_t heads)
{
  for (size_t h = 0; h < heads; h += DYNO_LANES512) {
    __m512 before = _mm512_load_ps(all.largest + h), after = _mm512_load_ps(more.largest + h);
    __m512 largest = _mm512_max_ps(before, after);
    __m512 kept = dyno_exp2_512(_mm512_sub_ps(before, largest));
    __m512 taken = dyno_exp2_512(_mm512_sub_ps(after, largest));
    __m512 sum = _mm512_mul_ps(_mm512_load_ps(more.sum + h), taken);
    _mm512_store_ps(all.sum + h, _mm512_fmadd_ps(_mm512_load_ps(all.sum + h), kept, sum));
    _mm512_store_ps(all.largest + h, largest);
    _mm512_store_ps(keep + h, kept);
    _mm512_store_ps(take + h, taken);
  }
}

/* What the sums of 16 heads are multiplied by in the end. */
DYNO_ALWAYS_INLINE __m512 dyno_last_factor512(dyno_softmax softmax, const float *sinks,
                                              __mmask16 heads)
{
  __m512 sum = _mm512_load_ps(softmax.sum), one = _mm512_set1_ps(1);
  if (sinks == NULL)
    return _mm512_div_ps(one, sum);
  const __m512 log2_e = _mm512_set1_ps(0x1.715476p+0f);
  __m512 sink = _mm512_mul_ps(_mm512_maskz_loadu_ps(heads, sinks), log2_e);
  __m512 before = _mm512_load_ps(softmax.largest), largest = _mm512_max_ps(before, sink);
  __m512 kept = dyno_exp2_512(_mm512_sub_ps(before, largest));
  __m512 weight = dyno_exp2_512(_mm512_sub_ps(sink, largest));
  return _mm512_div_ps(kept, _mm512_fmadd_ps(sum, kept, weight));
}

static void dyno_finish512(float *output, const float *sums, dyno_softmax softmax,
                           const float *sinks, size_t heads, size_t head_size)
{
  for (size_t h = 0; h < heads; h += DYNO_LANES512) {
    float factor[DYNO_LANES512];
    size_t count = heads - h < DYNO_LANES512 ? heads - h : DYNO_LANES512;
    dyno_softmax here = {softmax.largest + h, softmax.sum + h};
    _mm512_storeu_ps(factor, dyno_last_factor512(here, sinks == NULL ? NULL : sinks + h,
                                                 dyno_first_lanes512(count)));
    for (size_t i = h * head_size; i < (h + count) * head_size; i += DYNO_LANES512) {
      __m512 scale = _mm512_set1_ps(factor[i / head_size - h]);
      _mm512_storeu_ps(output + i, _mm512_mul_ps(_mm512_load_ps(sums + i), scale));
    }
  }
}

#endif
