/* Packing rows of bf16 into panels of 16, and back (panel16.h). */
#include <string.h>

#include "kernels/matmul/panel16.h"

enum { ELEMENT = 2, PAIR = 2 * ELEMENT };

/* Bytes of a panel of k columns. */
static size_t panel_bytes(size_t k)
{
  return (k + 1) / 2 * DYNO_PANEL16_LINE;
}

static size_t bf16_bytes(const dyno_layout *layout, size_t n, size_t k)
{
  (void)layout;
  return (n + DYNO_PANEL16_ROWS - 1) / DYNO_PANEL16_ROWS * panel_bytes(k);
}

static void pack_row(uint8_t *panel, const uint8_t *row, size_t in_panel, size_t k)
{
  uint8_t *place = panel + in_panel * PAIR;
  for (size_t i = 0; i + 2 <= k; i += 2, place += DYNO_PANEL16_LINE)
    memcpy(place, row + i * ELEMENT, PAIR);
  if (k % 2 != 0) {
    memset(place, 0, PAIR);
    memcpy(place, row + (k - 1) * ELEMENT, ELEMENT);
  }
}

static void unpack_row(uint8_t *row, const uint8_t *panel, size_t in_panel, size_t k)
{
  const uint8_t *place = panel + in_panel * PAIR;
  for (size_t i = 0; i + 2 <= k; i += 2, place += DYNO_PANEL16_LINE)
    memcpy(row + i * ELEMENT, place, PAIR);
  if (k % 2 != 0)
    memcpy(row + (k - 1) * ELEMENT, place, ELEMENT);
}

static void bf16_pack(const dyno_layout *layout, void *packed, const void *rows, size_t n, size_t k,
                      size_t n0, size_t n1)
{
  (void)layout;
  const uint8_t *row = rows;
  for (size_t first = n0; first < n1; first += DYNO_PANEL16_ROWS) {
    uint8_t *panel = (uint8_t *)packed + first / DYNO_PANEL16_ROWS * panel_bytes(k);
    size_t in_panel = n - first < DYNO_PANEL16_ROWS ? n - first : DYNO_PANEL16_ROWS;
    if (in_panel < DYNO_PANEL16_ROWS)
      memset(panel, 0, panel_bytes(k));
    for (size_t i = 0; i < in_panel; i++, row += k * ELEMENT)
      pack_row(panel, row, i, k);
  }
}

static void bf16_unpack(const dyno_layout *layout, void *rows, const void *packed, size_t n,
                        size_t k, size_t n0, size_t n1)
{
  (void)layout, (void)n;
  for (size_t i = n0; i < n1; i++)
    unpack_row((uint8_t *)rows + (i - n0) * k * ELEMENT,
               (const uint8_t *)packed + i / DYNO_PANEL16_ROWS * panel_bytes(k),
               i % DYNO_PANEL16_ROWS, k);
}

const dyno_layout dyno_layout_bf16_panel16 = {
    .name = "bf16_panel16_v1",
    .dtype = DYNO_BF16,
    .row_granule = DYNO_PANEL16_ROWS,
    .alignment = DYNO_PANEL16_LINE,
    .bytes = bf16_bytes,
    .pack = bf16_pack,
    .unpack = bf16_unpack,
};
