/* Packed layouts: bits come back as they went in, whatever the sizes and the order of the
 * ranges, and nothing is left undefined. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "kernels/table.h"

enum { MOST_ROWS = 40, MOST_LAYOUTS = 64 };

static const size_t block_counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 90};

/* Every layout that a built-in matmul reads. */
static size_t list_layouts(const dyno_layout *layouts[MOST_LAYOUTS])
{
  size_t count = 0;
  for (size_t i = 0; i < dyno_matmul_table.count; i++) {
    const dyno_layout *layout = dyno_kernel_layout(&dyno_matmul_table.kernels[i]);
    size_t known = 0;
    while (known < count && layouts[known] != layout)
      known++;
    if (known == count && count < MOST_LAYOUTS)
      layouts[count++] = layout;
  }
  return count;
}

static void fill_random(uint8_t *bytes, size_t count, uint32_t *state)
{
  for (size_t i = 0; i < count; i++) {
    *state = *state * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(*state >> 24);
  }
}

/* Packs the rows in chunks of `step` granules, the last chunk first, each chunk from a buffer of
 * its own size, so that a sanitizer sees any read outside the range. */
static void pack_in_chunks(const dyno_layout *layout, uint8_t *packed, const uint8_t *rows,
                           size_t n, size_t k, size_t step)
{
  size_t row_bytes = dyno_row_bytes(layout->dtype, k), chunk = step * layout->row_granule;
  for (size_t left = (n + chunk - 1) / chunk; left-- > 0;) {
    size_t n0 = left * chunk, n1 = n0 + chunk < n ? n0 + chunk : n;
    uint8_t *part = malloc((n1 - n0) * row_bytes + 1);
    memcpy(part, rows + n0 * row_bytes, (n1 - n0) * row_bytes);
    layout->pack(layout, packed, part, n, k, n0, n1);
    free(part);
  }
}

static uint8_t *new_packed(const dyno_layout *layout, size_t n, size_t k, int fill)
{
  size_t bytes = layout->bytes(layout, n, k);
  uint8_t *packed =
      aligned_alloc(layout->alignment < 64 ? 64 : layout->alignment, (bytes / 4096 + 1) * 4096);
  memset(packed, fill, bytes);
  return packed;
}

static void check_round_trip(const dyno_layout *layout, size_t n, size_t k, uint32_t *state)
{
  size_t bytes = layout->bytes(layout, n, k), rows_bytes = n * dyno_row_bytes(layout->dtype, k);
  uint8_t *rows = malloc(rows_bytes + 1), *back = malloc(rows_bytes + 1);
  fill_random(rows, rows_bytes, state);
  uint8_t *packed[3] = {new_packed(layout, n, k, 0x00), new_packed(layout, n, k, 0xff),
                        new_packed(layout, n, k, 0x55)};
  layout->pack(layout, packed[0], rows, n, k, 0, n);
  pack_in_chunks(layout, packed[1], rows, n, k, 1);
  pack_in_chunks(layout, packed[2], rows, n, k, 2);
  for (int i = 1; i < 3; i++)
    cr_assert(memcmp(packed[0], packed[i], bytes) == 0,
              "%s n=%zu k=%zu: packing %d granules at a time gives other bytes, or leaves some "
              "unwritten",
              layout->name, n, k, i);
  for (size_t step = 1; step <= n + 1; step += step) { /* ranges of any size, in any order */
    size_t row_bytes = dyno_row_bytes(layout->dtype, k);
    memset(back, 0xa5, rows_bytes);
    for (size_t left = (n + step - 1) / step; left-- > 0;) {
      size_t n1 = (left + 1) * step < n ? (left + 1) * step : n;
      layout->unpack(layout, back + left * step * row_bytes, packed[0], n, k, left * step, n1);
    }
    cr_assert(memcmp(rows, back, rows_bytes) == 0,
              "%s n=%zu k=%zu: the rows do not come back, %zu at a time", layout->name, n, k, step);
  }
  cr_assert(bytes >= rows_bytes, "%s n=%zu k=%zu: %zu bytes hold %zu", layout->name, n, k, bytes,
            rows_bytes);
  for (int i = 0; i < 3; i++)
    free(packed[i]);
  free(rows);
  free(back);
}

Test(layout, round_trip)
{
  const dyno_layout *layouts[MOST_LAYOUTS];
  size_t count = list_layouts(layouts);
  uint32_t state = 1;
  cr_assert(count > 0);
  for (size_t l = 0; l < count; l++)
    for (size_t n = 0; n <= MOST_ROWS; n++)
      for (size_t b = 0; b < sizeof block_counts / sizeof *block_counts; b++)
        check_round_trip(layouts[l], n,
                         block_counts[b] * dyno_dtype_get(layouts[l]->dtype)->block_elements,
                         &state);
}

Test(layout, contract)
{
  const dyno_layout *layouts[MOST_LAYOUTS];
  size_t count = list_layouts(layouts);
  for (size_t l = 0; l < count; l++) {
    const dyno_layout *layout = layouts[l];
    bool plain = layout == dyno_layout_rows(layout->dtype);
    cr_assert(layout->row_granule > 0, "%s: no granule", layout->name);
    cr_assert(layout->alignment > 0 && layout->alignment <= 4096 &&
                  (layout->alignment & (layout->alignment - 1)) == 0,
              "%s: alignment %zu", layout->name, layout->alignment);
    for (size_t other = 0; other < l; other++)
      cr_assert(strcmp(layout->name, layouts[other]->name) != 0, "two layouts are called %s",
                layout->name);
    for (size_t n = 0; n <= MOST_ROWS && !plain; n++) {
      size_t bytes = layout->bytes(layout, n, 9 * 256);
      cr_assert(bytes % layout->alignment == 0, "%s n=%zu: %zu bytes, alignment %zu", layout->name,
                n, bytes, layout->alignment);
    }
  }
}
