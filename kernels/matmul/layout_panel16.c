/* Packing rows into panels of 16, and back (panel16.h). */
#include <string.h>

#include "kernels/matmul/panel16.h"

/* How a format's blocks fill a panel. A block of the row format is its scale and then its
 * quants. */
typedef struct panel_format {
  dyno_panel16_shape shape;
  size_t scale_bytes;
  size_t scales;             /* of one block of one row, each in a plane of its own */
  size_t scale_row_stride;   /* in the line of scales, from one row to the next, */
  size_t scale_block_stride; /* and from one block to the next */
  uint8_t flip;              /* quants are stored with these bits turned over */
  uint8_t padding_quant;     /* the row format's zero */
  uint8_t padding_scale[2];
} panel_format;

static const panel_format mxfp4_format = {
    .shape = {DYNO_PANEL16_MXFP4_BYTES, DYNO_PANEL16_MXFP4_GROUP},
    .scale_bytes = 1,
    .scales = 1,
    .scale_row_stride = 4,
    .scale_block_stride = 1,
    .padding_scale = {127},
};

static const panel_format q4_0_format = {
    .shape = {DYNO_PANEL16_Q4_0_BYTES, DYNO_PANEL16_Q4_0_GROUP},
    .scale_bytes = 2,
    .scales = 1,
    .scale_row_stride = 2,
    .scale_block_stride = 32,
    .padding_quant = 0x88,
};

/* A scale and a minimum. */
static const panel_format q4_1_format = {
    .shape = {DYNO_PANEL16_Q4_1_BYTES, DYNO_PANEL16_Q4_1_GROUP},
    .scale_bytes = 2,
    .scales = 2,
    .scale_row_stride = 2,
    .scale_block_stride = 64,
};

static const panel_format q8_0_format = {
    .shape = {DYNO_PANEL16_Q8_0_BYTES, DYNO_PANEL16_Q8_0_GROUP},
    .scale_bytes = 2,
    .scales = 1,
    .scale_row_stride = 2,
    .scale_block_stride = 32,
    .flip = 0x80, /* adds 128 */
};

static const panel_format *format_of(const dyno_layout *layout)
{
  switch (layout->dtype) {
  case DYNO_MXFP4:
    return &mxfp4_format;
  case DYNO_Q4_0:
    return &q4_0_format;
  case DYNO_Q4_1:
    return &q4_1_format;
  default:
    return &q8_0_format;
  }
}

/* Where block `block` of a panel lies. */
typedef struct block_place {
  size_t quants; /* byte offset in the panel of row 0's first four bytes of quants */
  size_t scale;  /* byte offset of row 0's scale */
} block_place;

static block_place place_block(const panel_format *format, size_t block, size_t blocks)
{
  size_t group_blocks = format->shape.group_blocks, block_bytes = format->shape.block_bytes;
  size_t group = block / group_blocks, in_group = block % group_blocks;
  size_t left = blocks - group * group_blocks;
  size_t start = group * (group_blocks * block_bytes + DYNO_PANEL16_LINE);
  size_t scales = start + (left < group_blocks ? left : group_blocks) * block_bytes;
  return (block_place){.quants = start + in_group * block_bytes,
                       .scale = scales + in_group * format->scale_block_stride};
}

/* The byte offset in the panel of scale i of a row's block. */
static size_t scale_at(const panel_format *format, const block_place *place, size_t in_panel,
                       size_t i)
{
  size_t plane = DYNO_PANEL16_ROWS * format->scale_bytes;
  return place->scale + in_panel * format->scale_row_stride + i * plane;
}

static uint32_t load_dword(const uint8_t *bytes)
{
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static void store_dword(uint8_t *bytes, uint32_t value)
{
  memcpy(bytes, &value, sizeof value);
}

static void pack_row(const panel_format *format, uint8_t *panel, const uint8_t *row,
                     size_t in_panel, size_t blocks)
{
  size_t quant_bytes = format->shape.block_bytes / DYNO_PANEL16_ROWS;
  uint32_t flip = 0x01010101u * format->flip;
  for (size_t block = 0; block < blocks; block++) {
    block_place place = place_block(format, block, blocks);
    for (size_t i = 0; i < format->scales; i++, row += format->scale_bytes)
      memcpy(panel + scale_at(format, &place, in_panel, i), row, format->scale_bytes);
    uint8_t *quants = panel + place.quants + 4 * in_panel;
    for (size_t j = 0; j < quant_bytes / 4; j++)
      store_dword(quants + j * DYNO_PANEL16_LINE, load_dword(row + 4 * j) ^ flip);
    row += quant_bytes;
  }
}

/* Fills the scales with their padding and, if all of them, the quants: what rows that do not
 * exist, and blocks that do not, leave unwritten. */
static void pad_panel(const panel_format *format, uint8_t *panel, size_t rows, size_t k)
{
  const dyno_panel16_shape *shape = &format->shape;
  size_t bytes = dyno_panel16_bytes(shape, k), blocks = k / DYNO_PANEL16_BLOCK;
  if (rows < DYNO_PANEL16_ROWS)
    memset(panel, format->padding_quant ^ format->flip, bytes);
  for (size_t block = 0; block < blocks; block += shape->group_blocks) {
    uint8_t *line = panel + place_block(format, block, blocks).scale;
    for (size_t i = 0; i < DYNO_PANEL16_LINE; i++)
      line[i] = format->padding_scale[i % format->scale_bytes];
  }
}

static void unpack_row(const panel_format *format, uint8_t *row, const uint8_t *panel,
                       size_t in_panel, size_t blocks)
{
  size_t quant_bytes = format->shape.block_bytes / DYNO_PANEL16_ROWS;
  uint32_t flip = 0x01010101u * format->flip;
  for (size_t block = 0; block < blocks; block++) {
    block_place place = place_block(format, block, blocks);
    for (size_t i = 0; i < format->scales; i++, row += format->scale_bytes)
      memcpy(row, panel + scale_at(format, &place, in_panel, i), format->scale_bytes);
    const uint8_t *quants = panel + place.quants + 4 * in_panel;
    for (size_t j = 0; j < quant_bytes / 4; j++)
      store_dword(row + 4 * j, load_dword(quants + j * DYNO_PANEL16_LINE) ^ flip);
    row += quant_bytes;
  }
}

static size_t panel16_bytes(const dyno_layout *layout, size_t n, size_t k)
{
  size_t panels = (n + DYNO_PANEL16_ROWS - 1) / DYNO_PANEL16_ROWS;
  return panels * dyno_panel16_bytes(&format_of(layout)->shape, k);
}

static void panel16_pack(const dyno_layout *layout, void *packed, const void *rows, size_t n,
                         size_t k, size_t n0, size_t n1)
{
  const panel_format *format = format_of(layout);
  size_t panel_bytes = dyno_panel16_bytes(&format->shape, k);
  size_t row_bytes = dyno_row_bytes(layout->dtype, k), blocks = k / DYNO_PANEL16_BLOCK;
  const uint8_t *row = rows;
  for (size_t first = n0; first < n1; first += DYNO_PANEL16_ROWS) {
    uint8_t *panel = (uint8_t *)packed + first / DYNO_PANEL16_ROWS * panel_bytes;
    size_t in_panel = n - first < DYNO_PANEL16_ROWS ? n - first : DYNO_PANEL16_ROWS;
    pad_panel(format, panel, in_panel, k);
    for (size_t i = 0; i < in_panel; i++, row += row_bytes)
      pack_row(format, panel, row, i, blocks);
  }
}

static void panel16_unpack(const dyno_layout *layout, void *rows, const void *packed, size_t n,
                           size_t k, size_t n0, size_t n1)
{
  (void)n;
  const panel_format *format = format_of(layout);
  size_t panel_bytes = dyno_panel16_bytes(&format->shape, k);
  size_t row_bytes = dyno_row_bytes(layout->dtype, k), blocks = k / DYNO_PANEL16_BLOCK;
  for (size_t i = n0; i < n1; i++)
    unpack_row(format, (uint8_t *)rows + (i - n0) * row_bytes,
               (const uint8_t *)packed + i / DYNO_PANEL16_ROWS * panel_bytes, i % DYNO_PANEL16_ROWS,
               blocks);
}

#define PANEL16(name_, dtype_)                                                                     \
  {                                                                                                \
    .name = name_, .dtype = dtype_, .row_granule = DYNO_PANEL16_ROWS,                              \
    .alignment = DYNO_PANEL16_LINE, .bytes = panel16_bytes, .pack = panel16_pack,                  \
    .unpack = panel16_unpack,                                                                      \
  }

const dyno_layout dyno_layout_mxfp4_panel16 = PANEL16("mxfp4_panel16_v1", DYNO_MXFP4);
const dyno_layout dyno_layout_q4_0_panel16 = PANEL16("q4_0_panel16_v1", DYNO_Q4_0);
const dyno_layout dyno_layout_q4_1_panel16 = PANEL16("q4_1_panel16_v1", DYNO_Q4_1);
const dyno_layout dyno_layout_q8_0_panel16 = PANEL16("q8_0_panel16_v1", DYNO_Q8_0);
