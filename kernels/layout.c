#include "kernels/layout.h"

#include <string.h>

static size_t rows_bytes(const dyno_layout *layout, size_t n, size_t k)
{
  return n * dyno_row_bytes(layout->dtype, k);
}

static void rows_pack(const dyno_layout *layout, void *packed, const void *rows, size_t n, size_t k,
                      size_t n0, size_t n1)
{
  (void)n;
  size_t row_bytes = dyno_row_bytes(layout->dtype, k);
  if (n0 < n1 && row_bytes != 0)
    memcpy((char *)packed + n0 * row_bytes, rows, (n1 - n0) * row_bytes);
}

static void rows_unpack(const dyno_layout *layout, void *rows, const void *packed, size_t n,
                        size_t k, size_t n0, size_t n1)
{
  (void)n;
  size_t row_bytes = dyno_row_bytes(layout->dtype, k);
  if (n0 < n1 && row_bytes != 0)
    memcpy(rows, (const char *)packed + n0 * row_bytes, (n1 - n0) * row_bytes);
}

/* No version in the names: the bytes are those of the format, which never change. */
#define ROWS(dtype_, name_)                                                                        \
  [dtype_] = {                                                                                     \
      .name = name_,                                                                               \
      .dtype = dtype_,                                                                             \
      .row_granule = 1,                                                                            \
      .alignment = 1,                                                                              \
      .bytes = rows_bytes,                                                                         \
      .pack = rows_pack,                                                                           \
      .unpack = rows_unpack,                                                                       \
  }

static const dyno_layout rows_layouts[DYNO_DTYPE_COUNT] = {
    ROWS(DYNO_F32, "f32_rows"),   ROWS(DYNO_F16, "f16_rows"),     ROWS(DYNO_BF16, "bf16_rows"),
    ROWS(DYNO_Q8_0, "q8_0_rows"), ROWS(DYNO_Q4_0, "q4_0_rows"),   ROWS(DYNO_Q4_1, "q4_1_rows"),
    ROWS(DYNO_Q5_0, "q5_0_rows"), ROWS(DYNO_Q4_K, "q4_k_rows"),   ROWS(DYNO_Q5_K, "q5_k_rows"),
    ROWS(DYNO_Q6_K, "q6_k_rows"), ROWS(DYNO_MXFP4, "mxfp4_rows"),
};

const dyno_layout *dyno_layout_rows(dyno_dtype dtype)
{
  if ((unsigned)dtype >= DYNO_DTYPE_COUNT || rows_layouts[dtype].name == NULL)
    return NULL;
  return &rows_layouts[dtype];
}
