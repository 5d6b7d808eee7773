/* Q4_0 x A8 from panels of 16 rows. */
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/panel16_nibbles_avx2.h"

enum { OFFSET = 8 };

DYNO_ALWAYS_INLINE __m256i unpack(__m256i nibbles)
{
  return _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
}

static const dyno_panel16_shape shape = {DYNO_PANEL16_Q4_0_BYTES, DYNO_PANEL16_Q4_0_GROUP};

DYNO_ALWAYS_INLINE __m256 block_scales(const dyno_panel16_blocks *at, size_t half)
{
  return dyno_half_scales256(at, half);
}

#include "kernels/matmul/panel16_symmetric_avx2.h"

DYNO_DECODED_STEPS256

static const dyno_decoded_variant variant = {
    .shape = {DYNO_PANEL16_Q4_0_BYTES, DYNO_PANEL16_Q4_0_GROUP},
    .decoded_bytes = DECODED_BYTES,
    .decode = decode,
    .many = {MANY_BYTES, gather, many_steps},
    .few = {FEW_BYTES, gather, few_steps},
    .many_tokens = 24,
};

void dyno_matmul_q4_0_a8_m4n16__avx2(const dyno_matmul_args *args, size_t row0, size_t row1)
{
  dyno_panel16_decoded_matmul(args, row0, row1, &variant);
}
