/* A lane is a row; a panel is read as one stream. */
#include "kernels/base/vector_avx512.h"
#include "kernels/sampling/sampling.h"
#include "kernels/sampling/screen.h"

DYNO_ALWAYS_INLINE __m512i broadcast(const int8_t *quants)
{
  int32_t four;
  __builtin_memcpy(&four, quants, sizeof four);
  return _mm512_set1_epi32(four);
}

/* A vector that is loaded once, though it is used twice: compilers would load it for each use, and
 * what holds this kernel back is the number of loads that a processor can have under way. */
DYNO_ALWAYS_INLINE __m512i load_once(const uint8_t *at)
{
  __m512i bytes = _mm512_load_si512(at);
  __asm__("" : "+v"(bytes));
  return bytes;
}

/* Products of a half block of 16 rows. High nibbles stay where they are: their sum is 16 times too
 * large, and shifted once. */
DYNO_ALWAYS_INLINE __m512 dot(const uint8_t *half, const int8_t *quants)
{
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i low = _mm512_setzero_si512(), high = low;
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    __m512i bytes = load_once(half + j * DYNO_SCREEN_LINE);
    low = _mm512_dpbusd_epi32(low, _mm512_and_si512(bytes, nibble), broadcast(quants + 4 * j));
    high = _mm512_dpbusd_epi32(high, _mm512_andnot_si512(nibble, bytes),
                               broadcast(quants + 16 + 4 * j));
  }
  return _mm512_cvtepi32_ps(_mm512_add_epi32(low, _mm512_srai_epi32(high, 4)));
}

typedef struct panel_sums {
  __m512 estimate, variance;
} panel_sums;

DYNO_ALWAYS_INLINE void add_block(panel_sums *sums, const dyno_screen_args *args,
                                  const uint8_t *quants, const void *steps, size_t block)
{
  const int8_t *vector = args->quants + block * DYNO_SCREEN_COLUMNS;
  const float *scales = args->scales + 2 * block, *offsets = args->offsets + 2 * block;
  __m512i halfwords = _mm512_cvtepu16_epi32(_mm256_load_si256(steps));
  __m512 step = _mm512_castsi512_ps(_mm512_slli_epi32(halfwords, 16));
  __m512 first = _mm512_sub_ps(dot(quants, vector), _mm512_set1_ps(offsets[0]));
  __m512 second =
      _mm512_sub_ps(dot(quants + DYNO_SCREEN_HALF_BYTES, vector + DYNO_SCREEN_HALF_COLUMNS),
                    _mm512_set1_ps(offsets[1]));
  __m512 both = _mm512_fmadd_ps(second, _mm512_set1_ps(scales[1]),
                                _mm512_mul_ps(first, _mm512_set1_ps(scales[0])));
  sums->estimate = _mm512_fmadd_ps(both, step, sums->estimate);
  sums->variance = _mm512_fmadd_ps(_mm512_mul_ps(step, step), _mm512_set1_ps(args->energies[block]),
                                   sums->variance);
}

static void screen_panel(const dyno_screen_args *args, const uint8_t *at, float *lower,
                         float *upper, size_t rows)
{
  enum { BLOCK = 2 * DYNO_SCREEN_HALF_BYTES };
  size_t blocks = dyno_screen_blocks(args->k), block = 0;
  panel_sums sums = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (; block + 2 <= blocks; block += 2, at += 2 * BLOCK + DYNO_SCREEN_LINE) {
    add_block(&sums, args, at, at + 2 * BLOCK, block);
    add_block(&sums, args, at + BLOCK, at + 2 * BLOCK + DYNO_SCREEN_LINE / 2, block + 1);
  }
  if (block < blocks) {
    add_block(&sums, args, at, at + BLOCK, block);
    at += BLOCK + DYNO_SCREEN_LINE;
  }
  __m512 norm = _mm512_load_ps(at);
  __m512 bound = _mm512_fmadd_ps(_mm512_sqrt_ps(sums.variance), _mm512_set1_ps(args->spread),
                                 _mm512_mul_ps(norm, _mm512_set1_ps(args->margin)));
  __mmask16 lanes = dyno_first_lanes512(rows);
  _mm512_mask_storeu_ps(lower, lanes, _mm512_sub_ps(sums.estimate, bound));
  _mm512_mask_storeu_ps(upper, lanes, _mm512_add_ps(sums.estimate, bound));
}

void dyno_screen__avx512vnni(const dyno_screen_args *args, size_t row0, size_t row1)
{
  size_t panel_bytes = dyno_screen_panel_bytes(args->k);
  const uint8_t *panel = (const uint8_t *)args->screen + row0 / DYNO_SCREEN_ROWS * panel_bytes;
  for (size_t row = row0; row < row1; row += DYNO_SCREEN_ROWS, panel += panel_bytes)
    screen_panel(args, panel, args->lower + (row - args->first_row),
                 args->upper + (row - args->first_row), row1 - row);
}
