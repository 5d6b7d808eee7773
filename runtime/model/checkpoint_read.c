/* Reads rows out of a checkpoint, whatever their form. */
#include <stdlib.h>

#include "runtime/model/checkpoint_internal.h"

enum { MX_ELEMENTS = 32, MX_BYTES = 17, MX_NIBBLE_BYTES = 16, MX_NAN_SCALE = 0xff };

/* OpenAI's byte i holds elements 2i and 2i + 1; ggml's holds i and i + 16 (dtype.h). to may not
 * be from. */
static void reorder_nibbles(uint8_t *restrict to, const uint8_t *restrict from)
{
  for (size_t i = 0; i < MX_NIBBLE_BYTES / 2; i++) {
    unsigned low = from[i], high = from[i + MX_NIBBLE_BYTES / 2];
    to[2 * i] = (uint8_t)((low & 0x0fu) | (high & 0x0fu) << 4);
    to[2 * i + 1] = (uint8_t)(low >> 4 | (high & 0xf0u));
  }
}

/* The index, in the file's tensor, of row i of a group. */
static size_t source_row(const dyno_source *source, size_t group, size_t row)
{
  return group * source->source_rows + source->offset + row * source->step;
}

static void read_plain(uint8_t *out, const dyno_source *source, size_t group, size_t row0,
                       size_t row1)
{
  size_t row_bytes = dyno_row_bytes(source->tensor.dtype, source->columns);
  const uint8_t *data = source->file_tensor->data;
  if (source->step == 1) {
    memcpy(out, data + source_row(source, group, row0) * row_bytes, (row1 - row0) * row_bytes);
    return;
  }
  for (size_t i = row0; i < row1; i++, out += row_bytes)
    memcpy(out, data + source_row(source, group, i) * row_bytes, row_bytes);
}

static void read_nibbles(uint8_t *out, const dyno_source *source, size_t group, size_t row0,
                         size_t row1)
{
  size_t blocks = source->columns / MX_ELEMENTS;
  for (size_t i = row0; i < row1; i++) {
    const uint8_t *from =
        source->file_tensor->data + source_row(source, group, i) * blocks * MX_BYTES;
    for (size_t block = 0; block < blocks; block++, from += MX_BYTES, out += MX_BYTES) {
      out[0] = from[0];
      reorder_nibbles(out + 1, from + 1);
    }
  }
}

static void read_split(uint8_t *out, const dyno_source *source, size_t group, size_t row0,
                       size_t row1)
{
  size_t blocks = source->columns / MX_ELEMENTS;
  for (size_t i = row0; i < row1; i++) {
    size_t first = source_row(source, group, i) * blocks;
    const uint8_t *scales = source->scales->data + first;
    const uint8_t *nibbles = source->file_tensor->data + first * MX_NIBBLE_BYTES;
    for (size_t block = 0; block < blocks; block++, out += MX_BYTES) {
      out[0] = scales[block];
      reorder_nibbles(out + 1, nibbles + block * MX_NIBBLE_BYTES);
    }
  }
}

/* Copies elements between a file's columns and rows. A constant size becomes a load and a store. */
static inline void copy_tile(uint8_t *to, size_t to_stride, const uint8_t *from, size_t from_stride,
                             size_t rows, size_t columns, size_t from_step, size_t size)
{
  for (size_t i = 0; i < rows; i++, to += to_stride, from += from_step)
    for (size_t j = 0; j < columns; j++)
      memcpy(to + j * size, from + j * from_stride, size);
}

/* The file has, in each group, a row of all outputs for each input. A tile of inputs by outputs
 * keeps both sides in the first-level cache. */
static void read_transposed(uint8_t *out, const dyno_source *source, size_t group, size_t row0,
                            size_t row1)
{
  enum { TILE = 64 };
  size_t size = dyno_row_bytes(source->tensor.dtype, 1), columns = source->columns;
  size_t stride = source->source_rows * size, step = source->step * size;
  const uint8_t *data =
      source->file_tensor->data + group * columns * stride + source->offset * size;
  for (size_t i = row0; i < row1; i += TILE)
    for (size_t j = 0; j < columns; j += TILE) {
      size_t rows = row1 - i < TILE ? row1 - i : TILE;
      size_t width = columns - j < TILE ? columns - j : TILE;
      uint8_t *to = out + ((i - row0) * columns + j) * size;
      const uint8_t *from = data + j * stride + i * step;
      if (size == 2)
        copy_tile(to, columns * size, from, stride, rows, width, step, 2);
      else
        copy_tile(to, columns * size, from, stride, rows, width, step, 4);
    }
}

static void read_packed(uint8_t *out, const dyno_source *source, size_t group, size_t row0,
                        size_t row1)
{
  const dyno_tensor *tensor = &source->tensor;
  tensor->layout->unpack(tensor->layout, out,
                         (const uint8_t *)tensor->packed + group * tensor->packed_bytes, tensor->n,
                         tensor->k, row0, row1);
}

static void (*const readers[])(uint8_t *out, const dyno_source *source, size_t group, size_t row0,
                               size_t row1) = {
    [DYNO_SOURCE_PLAIN] = read_plain,   [DYNO_SOURCE_NIBBLES] = read_nibbles,
    [DYNO_SOURCE_SPLIT] = read_split,   [DYNO_SOURCE_TRANSPOSED] = read_transposed,
    [DYNO_SOURCE_PACKED] = read_packed,
};

/* How many rows of the source a row of the tensor is. */
static size_t rows_per_row(const dyno_source *source)
{
  return source->rows / source->tensor.n;
}

/* Only the caller's numbers can be wrong here, not the file's. */
static dyno_status check_range(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                               size_t group, size_t row0, size_t row1, dyno_error *error)
{
  if (group < tensor->groups && row0 <= row1 && row1 <= tensor->n)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_USAGE,
                   "%s: tensor '%s' has %zu groups of %zu rows; rows %zu to %zu of group %zu were "
                   "asked for",
                   checkpoint->path, tensor->name, tensor->groups, tensor->n, row0, row1, group);
}

/* rows holds the rows [row0, row1) of the group. */
static dyno_status check_scales(const dyno_checkpoint *checkpoint, const uint8_t *rows,
                                const dyno_tensor *tensor, size_t group, size_t row0, size_t row1,
                                dyno_error *error)
{
  if (tensor->dtype != DYNO_MXFP4)
    return DYNO_OK;
  size_t per_row = tensor->k / MX_ELEMENTS, blocks = (row1 - row0) * per_row;
  for (size_t i = 0; i < blocks; i++)
    if (rows[i * MX_BYTES] == MX_NAN_SCALE)
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: tensor '%s', group %zu, row %zu, column %zu: the MXFP4 scale is 0xff, "
                       "which is NaN: the file is damaged; fetch it again",
                       checkpoint->path, dyno_checkpoint_source_name(checkpoint, tensor), group,
                       row0 + i / per_row, i % per_row * MX_ELEMENTS);
  return DYNO_OK;
}

dyno_status dyno_checkpoint_read_rows(const dyno_checkpoint *checkpoint, void *out,
                                      const dyno_tensor *tensor, size_t group, size_t row0,
                                      size_t row1, dyno_error *error)
{
  const dyno_source *source = dyno_source_of(tensor);
  dyno_status status = check_range(checkpoint, tensor, group, row0, row1, error);
  if (status != DYNO_OK)
    return status;
  size_t unit = rows_per_row(source);
  readers[source->form](out, source, group, row0 * unit, row1 * unit);
  return check_scales(checkpoint, out, tensor, group, row0, row1, error);
}

dyno_status dyno_checkpoint_check_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                                       size_t group, size_t row0, size_t row1, dyno_error *error)
{
  dyno_status status = check_range(checkpoint, tensor, group, row0, row1, error);
  if (status != DYNO_OK || tensor->data == NULL)
    return status;
  const uint8_t *rows =
      (const uint8_t *)tensor->data + (group * tensor->n + row0) * tensor->row_bytes;
  return check_scales(checkpoint, rows, tensor, group, row0, row1, error);
}

dyno_status dyno_checkpoint_read_floats(const dyno_checkpoint *checkpoint, float *out,
                                        const dyno_tensor *tensor, dyno_error *error)
{
  void *row = malloc(tensor->row_bytes);
  if (row == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", checkpoint->path);
  dyno_status status = DYNO_OK;
  for (size_t group = 0; group < tensor->groups; group++)
    for (size_t i = 0; i < tensor->n && status == DYNO_OK; i++, out += tensor->k) {
      status = dyno_checkpoint_read_rows(checkpoint, row, tensor, group, i, i + 1, error);
      if (status == DYNO_OK)
        dyno_row_to_float(out, row, tensor->dtype, tensor->k);
    }
  free(row);
  return status;
}

const char *dyno_checkpoint_source_name(const dyno_checkpoint *checkpoint,
                                        const dyno_tensor *tensor)
{
  (void)checkpoint;
  return dyno_source_of(tensor)->source_name;
}

/* The part of a file's tensor, of rows of row_bytes, that rows [row0, row1) of a group take. */
static void advise(const dyno_source *source, const dyno_file_tensor *tensor, size_t group,
                   size_t row0, size_t row1, dyno_file_advice advice)
{
  size_t unit = rows_per_row(source);
  uint64_t rows = (uint64_t)source->tensor.groups * source->source_rows;
  uint64_t row_bytes = tensor->bytes / rows;
  uint64_t first = source_row(source, group, row0 * unit);
  uint64_t last = source_row(source, group, row1 * unit - 1);
  if (source->form == DYNO_SOURCE_TRANSPOSED) { /* every row is spread over the whole group */
    first = group * source->source_rows;
    last = first + source->source_rows - 1;
  }
  dyno_mapped_file_advise(tensor->file, tensor->offset + first * row_bytes,
                          (last - first + 1) * row_bytes, advice);
}

static void advise_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor, size_t group,
                        size_t row0, size_t row1, dyno_file_advice advice)
{
  const dyno_source *source = dyno_source_of(tensor);
  if (row0 >= row1 || check_range(checkpoint, tensor, group, row0, row1, NULL) != DYNO_OK)
    return;
  if (source->form == DYNO_SOURCE_PACKED) { /* likewise, for all that is known of the layout */
    const dyno_file_tensor *from = source->file_tensor;
    dyno_mapped_file_advise(from->file, from->offset + group * tensor->packed_bytes,
                            tensor->packed_bytes, advice);
    return;
  }
  advise(source, source->file_tensor, group, row0, row1, advice);
  if (source->scales != NULL)
    advise(source, source->scales, group, row0, row1, advice);
}

void dyno_checkpoint_prefetch_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                                   size_t group, size_t row0, size_t row1)
{
  advise_rows(checkpoint, tensor, group, row0, row1, DYNO_FILE_WILL_NEED);
}

/* Rows of a transposed tensor, or a packed one, come from every page of it, again and again: its
 * pages go with the last of them. */
void dyno_checkpoint_release_rows(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                                  size_t group, size_t row0, size_t row1, dyno_file_advice advice)
{
  const dyno_source *source = dyno_source_of(tensor);
  dyno_source_form form = source->form;
  /* Gate's rows alternate with up's, which come next: those take the pages out. */
  if (advice == DYNO_FILE_RECLAIM && source->step > 1 && source->offset == 0)
    advice = DYNO_FILE_DONE;
  bool spread = form == DYNO_SOURCE_TRANSPOSED || form == DYNO_SOURCE_PACKED;
  if (!spread || row1 == tensor->n)
    advise_rows(checkpoint, tensor, group, row0, row1, advice);
}

void dyno_checkpoint_advise_files(const dyno_checkpoint *checkpoint, dyno_file_advice advice)
{
  const dyno_mapped_file *last = NULL;
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_source *source = dyno_source_of(dyno_checkpoint_tensor_at(checkpoint, i));
    const dyno_mapped_file *file = source->file_tensor->file;
    if (file != last)
      dyno_mapped_file_advise(file, 0, file->size, advice);
    last = file;
  }
}
