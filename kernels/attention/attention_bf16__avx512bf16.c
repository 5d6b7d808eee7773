/* Scores and values by vdpbf16ps: queries and weights are rounded to BF16. */
#include "kernels/attention/attention.h"
#include "kernels/attention/chunks_avx512.h"

enum { PACKED = 2 };

static void take_query(void *taken, const float *query, size_t heads, size_t head_size, float scale)
{
  const __m512 scales = _mm512_set1_ps(scale);
  for (size_t i = 0; i < heads * head_size; i += 2 * DYNO_LANES512) {
    __m512 low = _mm512_mul_ps(_mm512_loadu_ps(query + i), scales);
    __m512 high = _mm512_mul_ps(_mm512_loadu_ps(query + i + DYNO_LANES512), scales);
    _mm512_store_si512((uint16_t *)taken + i, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
}

/* Two elements of a query, or two weights, in every lane. */
DYNO_ALWAYS_INLINE __m512bh broadcast_pair(const void *pair)
{
  int32_t bits;
  memcpy(&bits, pair, sizeof bits);
  return (__m512bh)_mm512_set1_epi32(bits);
}

/* The scores of a few heads for one part of a chunk; heads is a constant of the caller. */
DYNO_ALWAYS_INLINE void score_part(float *scores, const uint16_t *query, const uint8_t *const *keys,
                                   const uint8_t *const *ahead, size_t head_size, size_t heads)
{
  __m512 sums[DYNO_HEADS512][DYNO_PART_PANELS512];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PART_PANELS512; v++)
      sums[h][v] = _mm512_setzero_ps();
  }
  const uint8_t *first = keys[0], *second = keys[1];
  for (size_t i = 0; i < head_size; i += PACKED) {
    size_t at = i / PACKED * DYNO_KV_PANEL * DYNO_KV_DWORD;
    __m512bh key[DYNO_PART_PANELS512] = {
        (__m512bh)_mm512_load_si512(first + at),
        (__m512bh)_mm512_load_si512(second + at),
    };
    if (ahead != NULL) {
      dyno_prefetch(ahead[0] + at);
      dyno_prefetch(ahead[1] + at);
    }
    DYNO_UNROLL
    for (size_t h = 0; h < heads; h++) {
      __m512bh pair = broadcast_pair(query + h * head_size + i);
      DYNO_UNROLL
      for (size_t v = 0; v < DYNO_PART_PANELS512; v++)
        sums[h][v] = _mm512_dpbf16_ps(sums[h][v], key[v], pair);
    }
  }
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_PART_PANELS512; v++)
      _mm512_store_ps(scores + h * DYNO_CHUNK + v * DYNO_LANES512, sums[h][v]);
  }
}

static void score(float *scores, const void *query, size_t heads, const uint8_t *const *keys,
                  const uint8_t *const *ahead, dyno_chunk_range range, size_t head_size)
{
  const uint16_t *queries = query;
  for (size_t p = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART; p < range.end;
       p += DYNO_CHUNK_PART) {
    const uint8_t *const *panels = keys + p / DYNO_KV_PANEL;
    const uint8_t *const *wanted = ahead == NULL ? NULL : ahead + p / DYNO_KV_PANEL;
    size_t h = 0;
    for (; h + DYNO_HEADS512 <= heads; h += DYNO_HEADS512, wanted = NULL)
      score_part(scores + h * DYNO_CHUNK + p, queries + h * head_size, panels, wanted, head_size,
                 DYNO_HEADS512);
    for (; h < heads; h++, wanted = NULL)
      score_part(scores + h * DYNO_CHUNK + p, queries + h * head_size, panels, wanted, head_size,
                 1);
  }
}

/* 2^x for x <= 0; 0 in lanes that are not asked for. With f = x - floor(x) from 0 to 1, 2^f is
 * approximated by a cubic that is 1 at 0 and off by less than 2^-13 of itself: the weights are
 * about to be rounded to 2^-9. */
DYNO_ALWAYS_INLINE __m512 weigh(__mmask16 lanes, __m512 x)
{
  __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 power = _mm512_set1_ps(0x1.3baacap-4f);
  power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(0x1.d23776p-3f));
  power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(0x1.63e65ap-1f));
  power = _mm512_fmadd_ps(power, f, _mm512_set1_ps(1));
  return _mm512_maskz_scalef_ps(lanes, power, x);
}

/* Weights become pairs of positions, in the first half of their scores. Their sum is that of the
 * rounded ones. */
static void soften(float *scores, dyno_softmax softmax, size_t heads, dyno_chunk_range range)
{
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
  size_t first = range.begin / DYNO_CHUNK_PART * DYNO_CHUNK_PART;
  __mmask16 lanes[DYNO_CHUNK_PANELS];
  dyno_chunk_lanes512(lanes, range);
  for (size_t h = 0; h < heads; h++, scores += DYNO_CHUNK) {
    softmax.largest[h] = dyno_largest_score512(scores, lanes, range);
    const __m512 largest = _mm512_set1_ps(softmax.largest[h]);
    __m512 sum = _mm512_setzero_ps();
    for (size_t p = first; p < range.end; p += DYNO_CHUNK_PART) {
      const float *high_scores = scores + p + DYNO_LANES512;
      __m512 low = _mm512_sub_ps(_mm512_load_ps(scores + p), largest);
      __m512 high = _mm512_sub_ps(_mm512_load_ps(high_scores), largest);
      low = weigh(lanes[p / DYNO_LANES512], low);
      high = weigh(lanes[p / DYNO_LANES512 + 1], high);
      __m512bh weights = _mm512_cvtne2ps_pbh(high, low);
      _mm512_store_si512((uint16_t *)scores + p, (__m512i)weights);
      sum = _mm512_dpbf16_ps(sum, weights, ones);
    }
    softmax.sum[h] = dyno_add_lanes512(sum);
  }
}

/* Adds two positions; `seen` has ones where they are in the range, so that the value of another
 * does not matter. */
DYNO_ALWAYS_INLINE void add_pair(__m512 sums[DYNO_HEADS512][DYNO_VALUE_VECTORS512],
                                 const uint16_t *weights, const uint8_t *values, __m512i seen,
                                 size_t heads)
{
  __m512bh value[DYNO_VALUE_VECTORS512];
  DYNO_UNROLL
  for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++) {
    __m512i pairs = _mm512_load_si512(values + v * sizeof(__m512i));
    value[v] = (__m512bh)_mm512_and_si512(pairs, seen);
  }
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    __m512bh weight = broadcast_pair(weights + h * PACKED * DYNO_CHUNK);
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
      sums[h][v] = _mm512_dpbf16_ps(sums[h][v], value[v], weight);
  }
}

/* Some elements of a few heads, a constant of the caller; `at` is the byte of a row of values. */
DYNO_ALWAYS_INLINE void add_values_part(float *sums, const float *keep, const float *take,
                                        const uint16_t *weights, const uint8_t *const *values,
                                        const uint8_t *const *ahead, size_t at,
                                        dyno_chunk_range range, size_t head_size, size_t heads)
{
  const __m512i all = _mm512_set1_epi32(-1);
  const size_t row_bytes = head_size * DYNO_KV_DWORD, panel_rows = DYNO_KV_PANEL / PACKED;
  __m512 added[DYNO_HEADS512][DYNO_VALUE_VECTORS512];
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++)
      added[h][v] = _mm512_setzero_ps();
  }
  size_t row = range.begin / PACKED, end = range.end / PACKED;
#define ROW (values[row / panel_rows] + row % panel_rows * row_bytes + at)
  if (range.begin % PACKED != 0) {
    add_pair(added, weights + row * PACKED, ROW, _mm512_slli_epi32(all, 16), heads);
    row++;
  }
  for (; row < end; row++) {
    if (ahead != NULL)
      dyno_prefetch_row512(ahead[row / panel_rows] + row % panel_rows * row_bytes + at);
    add_pair(added, weights + row * PACKED, ROW, all, heads);
  }
  if (range.end % PACKED != 0 && row == end)
    add_pair(added, weights + row * PACKED, ROW, _mm512_srli_epi32(all, 16), heads);
#undef ROW
  DYNO_UNROLL
  for (size_t h = 0; h < heads; h++) {
    DYNO_UNROLL
    for (size_t v = 0; v < DYNO_VALUE_VECTORS512; v++) {
      float *sum = sums + h * head_size + v * DYNO_LANES512;
      __m512 kept = _mm512_mul_ps(_mm512_load_ps(sum), _mm512_set1_ps(keep[h]));
      _mm512_store_ps(sum, _mm512_fmadd_ps(added[h][v], _mm512_set1_ps(take[h]), kept));
    }
  }
}

static void add_values(float *sums, const float *keep, const float *take, const float *weights,
                       size_t heads, const uint8_t *const *values, const uint8_t *const *ahead,
                       dyno_chunk_range range, size_t head_size)
{
  const size_t step = DYNO_VALUE_VECTORS512 * DYNO_LANES512;
  size_t h = 0;
  for (; h + DYNO_HEADS512 <= heads; h += DYNO_HEADS512)
    for (size_t i = 0; i < head_size; i += step)
      add_values_part(sums + h * head_size + i, keep + h, take + h,
                      (const uint16_t *)(weights + h * DYNO_CHUNK), values, h == 0 ? ahead : NULL,
                      i * DYNO_KV_DWORD, range, head_size, DYNO_HEADS512);
  for (; h < heads; h++)
    for (size_t i = 0; i < head_size; i += step)
      add_values_part(sums + h * head_size + i, keep + h, take + h,
                      (const uint16_t *)(weights + h * DYNO_CHUNK), values, h == 0 ? ahead : NULL,
                      i * DYNO_KV_DWORD, range, head_size, 1);
}

static const dyno_attention_steps steps = {
    .kv = DYNO_BF16,
    .take_query = take_query,
    .score = score,
    .soften = soften,
    .merge = dyno_merge512,
    .add_values = add_values,
    .finish = dyno_finish512,
};

void dyno_attention_bf16__avx512bf16(const dyno_attention_args *args, size_t row0, size_t row1)
{
  dyno_attention_in_chunks(args, row0, row1, &steps);
}
