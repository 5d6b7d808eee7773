/* Random blocks of every format. The layouts inside the blocks: kernels/base/dtype.c. */
#include "runtime/synth/blocks.h"

/* count is a multiple of 8. */
static void draw_quants(uint8_t *quants, const dyno_block_tables *tables, size_t count,
                        dyno_random *random)
{
  dyno_random local = *random; /* which nothing that is written can alias */
  for (size_t i = 0; i < count; i += 8) {
    uint64_t bits = dyno_random_next(&local);
    for (size_t j = 0; j < 8; j++, bits >>= 8)
      quants[i + j] = tables->level.quant[bits & 255];
  }
  *random = local;
}

/* count is a multiple of 4. */
static void draw_pairs(uint8_t *pairs, const dyno_block_tables *tables, size_t count,
                       dyno_random *random)
{
  dyno_random local = *random;
  for (size_t i = 0; i < count; i += 4) {
    uint64_t bits = dyno_random_next(&local);
    for (size_t j = 0; j < 4; j++, bits >>= 16)
      pairs[i + j] = tables->level.pair[bits & (DYNO_BLOCK_PAIRS - 1)];
  }
  *random = local;
}

static void store_u16(uint8_t *bytes, uint16_t value)
{
  memcpy(bytes, &value, sizeof value);
}

static size_t draw_scale(dyno_random *random)
{
  return dyno_random_next(random) % DYNO_BLOCK_SCALES;
}

static void draw_q8_0(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  store_u16(block, tables->scale.f16[draw_scale(random)]);
  draw_quants(block + 2, tables, 32, random);
}

static void draw_q4_0(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  store_u16(block, tables->scale.f16[draw_scale(random)]);
  draw_pairs(block + 2, tables, 16, random);
}

static void draw_q4_1(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  size_t scale = draw_scale(random);
  store_u16(block, tables->scale.f16[scale]);
  store_u16(block + 2, tables->minimum[scale]);
  draw_pairs(block + 4, tables, 16, random);
}

static void draw_q5_0(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  store_u16(block, tables->scale.f16[draw_scale(random)]);
  uint8_t quants[32];
  draw_quants(quants, tables, 32, random);
  uint32_t high = 0;
  for (size_t i = 0; i < 32; i++)
    high |= (uint32_t)(quants[i] >> 4) << i;
  memcpy(block + 2, &high, sizeof high);
  for (size_t i = 0; i < 16; i++)
    block[6 + i] = (uint8_t)((quants[i] & 15) | quants[i + 16] << 4);
}

/* A scale of 6 bits, from 40 to 55. */
static unsigned inner_scale(uint64_t bits)
{
  return 40 + (unsigned)(bits & 15);
}

/* The head that Q4_K and Q5_K share: d, dmin, and eight scales and minima of 6 bits. Where the
 * minimum is equal to the scale, the block's center is 0: they differ by one at most. */
static void draw_k_head(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  uint64_t bits = dyno_random_next(random);
  size_t scale = bits % DYNO_BLOCK_SCALES;
  store_u16(block, tables->scale.f16[scale]);
  store_u16(block + 2, tables->minimum[scale]);
  uint8_t *packed = block + 4;
  bits >>= 6;
  for (size_t i = 0; i < 8; i++, bits >>= 6) {
    unsigned d = inner_scale(bits), m = d - 1 + (unsigned)((bits >> 4 & 1) + (bits >> 5 & 1));
    if (i < 4) {
      packed[i] = (uint8_t)d;
      packed[i + 4] = (uint8_t)m;
    } else {
      packed[i + 4] = (uint8_t)((d & 15) | m << 4);
      packed[i - 4] |= (uint8_t)(d >> 4 << 6);
      packed[i] |= (uint8_t)(m >> 4 << 6);
    }
  }
}

static void draw_q4_k(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  draw_k_head(block, tables, random);
  draw_pairs(block + 16, tables, 128, random);
}

static void draw_q5_k(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  draw_k_head(block, tables, random);
  uint8_t quants[256], *high = block + 16, *low = block + 48;
  draw_quants(quants, tables, 256, random);
  memset(high, 0, 32);
  for (size_t i = 0; i < 256; i++)
    high[i % 32] |= (uint8_t)(quants[i] >> 4 << i / 32);
  for (size_t i = 0; i < 128; i++) {
    const uint8_t *pair = quants + i / 32 * 64 + i % 32;
    low[i] = (uint8_t)((pair[0] & 15) | pair[32] << 4);
  }
}

static void draw_q6_k(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  uint8_t quants[256], *low = block, *high = block + 128, *scales = block + 192;
  draw_quants(quants, tables, 256, random);
  for (size_t half = 0; half < 2; half++, low += 64, high += 32) {
    const uint8_t *q = quants + 128 * half;
    for (size_t i = 0; i < 64; i++)
      low[i] = (uint8_t)((q[i] & 15) | q[i + 64] << 4);
    for (size_t i = 0; i < 32; i++)
      high[i] =
          (uint8_t)(q[i] >> 4 | q[i + 32] >> 4 << 2 | q[i + 64] >> 4 << 4 | q[i + 96] >> 4 << 6);
  }
  for (size_t i = 0; i < 16; i++) {
    uint64_t bits = dyno_random_next(random);
    int scale = (int)inner_scale(bits);
    scales[i] = (uint8_t)(bits >> 63 ? -scale : scale);
  }
  store_u16(block + 208, tables->scale.f16[draw_scale(random)]);
}

static void draw_mxfp4(uint8_t *block, const dyno_block_tables *tables, dyno_random *random)
{
  block[0] = tables->scale.exponent[draw_scale(random)];
  draw_pairs(block + 1, tables, 16, random);
}

/* The formats without blocks. */

static void draw_f32_row(uint8_t *row, const dyno_block_tables *tables, size_t k,
                         dyno_random *random)
{
  for (size_t i = 0; i < k; i += 8) {
    uint64_t bits = dyno_random_next(random);
    for (size_t j = i; j < i + 8 && j < k; j++, bits >>= 8)
      memcpy(row + 4 * j, &tables->level.f32[bits & 255], 4);
  }
}

static void draw_half_row(uint8_t *row, const dyno_block_tables *tables, size_t k,
                          dyno_random *random)
{
  for (size_t i = 0; i < k; i += 8) {
    uint64_t bits = dyno_random_next(random);
    for (size_t j = i; j < i + 8 && j < k; j++, bits >>= 8)
      store_u16(row + 2 * j, tables->level.half[bits & 255]);
  }
}

static const struct {
  void (*block)(uint8_t *block, const dyno_block_tables *tables, dyno_random *random);
  void (*row)(uint8_t *row, const dyno_block_tables *tables, size_t k, dyno_random *random);
} draw[DYNO_DTYPE_COUNT] = {
    [DYNO_F32] = {.row = draw_f32_row},   [DYNO_F16] = {.row = draw_half_row},
    [DYNO_BF16] = {.row = draw_half_row}, [DYNO_Q8_0] = {.block = draw_q8_0},
    [DYNO_Q4_0] = {.block = draw_q4_0},   [DYNO_Q4_1] = {.block = draw_q4_1},
    [DYNO_Q5_0] = {.block = draw_q5_0},   [DYNO_Q4_K] = {.block = draw_q4_k},
    [DYNO_Q5_K] = {.block = draw_q5_k},   [DYNO_Q6_K] = {.block = draw_q6_k},
    [DYNO_MXFP4] = {.block = draw_mxfp4},
};

bool dyno_block_drawable(dyno_dtype dtype)
{
  return (unsigned)dtype < DYNO_DTYPE_COUNT &&
         (draw[dtype].block != NULL || draw[dtype].row != NULL);
}

void dyno_block_draw(void *row, const dyno_block_tables *tables, size_t k, dyno_random random)
{
  if (draw[tables->dtype].row != NULL) {
    draw[tables->dtype].row(row, tables, k, &random);
    return;
  }
  const dyno_dtype_info *format = dyno_dtype_get(tables->dtype);
  uint8_t *block = row;
  for (size_t i = 0; i < k; i += format->block_elements, block += format->block_bytes)
    draw[tables->dtype].block(block, tables, &random);
}
