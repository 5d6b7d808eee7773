/* A lane is a row; both halves of a panel at once, so that it is read as one stream. */
#include "kernels/base/vector_avx2.h"
#include "kernels/sampling/sampling.h"
#include "kernels/sampling/screen.h"

DYNO_ALWAYS_INLINE __m256i broadcast(const int8_t *quants)
{
  int32_t four;
  memcpy(&four, quants, sizeof four);
  return _mm256_set1_epi32(four);
}

/* Products of a half block of eight rows. Eight sums of two products of at most 15 * 127 each fit
 * into 16 bits. */
DYNO_ALWAYS_INLINE __m256 dot(const uint8_t *half, const int8_t *quants)
{
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i pairs = _mm256_setzero_si256();
  DYNO_UNROLL
  for (size_t j = 0; j < 4; j++) {
    __m256i bytes = _mm256_load_si256((const void *)(half + j * DYNO_SCREEN_LINE));
    __m256i low = _mm256_and_si256(bytes, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(low, broadcast(quants + 4 * j)));
    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(high, broadcast(quants + 16 + 4 * j)));
  }
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

typedef struct half_sums {
  __m256 estimate, variance;
} half_sums;

/* Eight of the rows; quants and steps are theirs. */
DYNO_ALWAYS_INLINE void add_block(half_sums *sums, const dyno_screen_args *args,
                                  const uint8_t *quants, const void *steps, size_t block)
{
  const int8_t *vector = args->quants + block * DYNO_SCREEN_COLUMNS;
  const float *scales = args->scales + 2 * block, *offsets = args->offsets + 2 * block;
  __m256i halfwords = _mm256_cvtepu16_epi32(_mm_load_si128(steps));
  __m256 step = _mm256_castsi256_ps(_mm256_slli_epi32(halfwords, 16));
  __m256 first = _mm256_sub_ps(dot(quants, vector), _mm256_set1_ps(offsets[0]));
  __m256 second =
      _mm256_sub_ps(dot(quants + DYNO_SCREEN_HALF_BYTES, vector + DYNO_SCREEN_HALF_COLUMNS),
                    _mm256_set1_ps(offsets[1]));
  __m256 both = _mm256_fmadd_ps(second, _mm256_set1_ps(scales[1]),
                                _mm256_mul_ps(first, _mm256_set1_ps(scales[0])));
  sums->estimate = _mm256_fmadd_ps(both, step, sums->estimate);
  sums->variance = _mm256_fmadd_ps(_mm256_mul_ps(step, step), _mm256_set1_ps(args->energies[block]),
                                   sums->variance);
}

static void store(const half_sums *sums, const dyno_screen_args *args, const float *norms,
                  float *lower, float *upper, size_t rows)
{
  __m256 bound =
      _mm256_fmadd_ps(_mm256_sqrt_ps(sums->variance), _mm256_set1_ps(args->spread),
                      _mm256_mul_ps(_mm256_load_ps(norms), _mm256_set1_ps(args->margin)));
  dyno_store256(lower, rows, _mm256_sub_ps(sums->estimate, bound));
  dyno_store256(upper, rows, _mm256_add_ps(sums->estimate, bound));
}

static void screen_panel(const dyno_screen_args *args, const uint8_t *at, float *lower,
                         float *upper, size_t rows)
{
  enum { BLOCK = 2 * DYNO_SCREEN_HALF_BYTES, HALF = DYNO_LANES256 };
  size_t blocks = dyno_screen_blocks(args->k);
  half_sums sums[2] = {{_mm256_setzero_ps(), _mm256_setzero_ps()},
                       {_mm256_setzero_ps(), _mm256_setzero_ps()}};
  for (size_t block = 0; block < blocks; block += DYNO_SCREEN_GROUP) {
    size_t count = blocks - block < DYNO_SCREEN_GROUP ? blocks - block : DYNO_SCREEN_GROUP;
    const uint8_t *line = at + count * BLOCK;
    for (size_t i = 0; i < count; i++, at += BLOCK)
      for (size_t half = 0; half < 2; half++)
        add_block(&sums[half], args, at + 4 * HALF * half,
                  line + 2 * (DYNO_SCREEN_ROWS * i + HALF * half), block + i);
    at = line + DYNO_SCREEN_LINE;
  }
  const float *norms = (const float *)(const void *)at;
  store(&sums[0], args, norms, lower, upper, rows);
  if (rows > HALF)
    store(&sums[1], args, norms + HALF, lower + HALF, upper + HALF, rows - HALF);
}

void dyno_screen__avx2(const dyno_screen_args *args, size_t row0, size_t row1)
{
  size_t panel_bytes = dyno_screen_panel_bytes(args->k);
  const uint8_t *panel = (const uint8_t *)args->screen + row0 / DYNO_SCREEN_ROWS * panel_bytes;
  for (size_t row = row0; row < row1; row += DYNO_SCREEN_ROWS, panel += panel_bytes)
    screen_panel(args, panel, args->lower + (row - args->first_row),
                 args->upper + (row - args->first_row), row1 - row);
}
