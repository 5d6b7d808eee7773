/* Looks at weights without computing with them: the scan for NaN and infinity, and the hash. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The streaming state on the stack, so that the hash needs no memory. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "runtime/model/checkpoint_internal.h"

enum { CHUNK_BYTES = 4 << 20, HASHED_BYTES = 4096 };

/* How many rows are looked at together. */
static size_t rows_per_chunk(const dyno_tensor *tensor)
{
  size_t rows = CHUNK_BYTES / tensor->row_bytes;
  return rows == 0 ? 1 : rows < tensor->n ? rows : tensor->n;
}

/* Where a block keeps the numbers that alone can make its elements infinite or NaN: up to two
 * scales of 16 bits. A block of finite scales is finite: |scale| <= 65504, times at most 63 * 31.
 */
static const struct {
  uint8_t count, offsets[2];
} scales_of[DYNO_DTYPE_COUNT] = {
    [DYNO_Q8_0] = {1, {0}},   [DYNO_Q4_0] = {1, {0}},    [DYNO_Q4_1] = {2, {0, 2}},
    [DYNO_Q5_0] = {1, {0}},   [DYNO_Q4_K] = {2, {0, 2}}, [DYNO_Q5_K] = {2, {0, 2}},
    [DYNO_Q6_K] = {1, {208}},
};

static bool block_is_finite(const uint8_t *block, dyno_dtype dtype, const dyno_dtype_info *info)
{
  for (size_t i = 0; i < scales_of[dtype].count; i++)
    if ((dyno_load_u16(block + scales_of[dtype].offsets[i]) & 0x7c00) == 0x7c00)
      return false;
  if (dtype != DYNO_MXFP4 || block[0] < 0xfb) /* 6 * 2^(0xfa - 127) is finite by far */
    return true;
  float values[DYNO_MAX_BLOCK_ELEMENTS];
  info->block_to_float(values, block);
  for (size_t i = 0; i < info->block_elements; i++)
    if (!isfinite(values[i]))
      return false;
  return true;
}

/* The first of count blocks that is not finite; count when all are. */
static size_t find_bad_block(const uint8_t *rows, size_t count, dyno_dtype dtype)
{
  const dyno_dtype_info *info = dyno_dtype_get(dtype);
  size_t i = 0;
  while (i < count && block_is_finite(rows + i * info->block_bytes, dtype, info))
    i++;
  return i;
}

/* The same for numbers of 16 and 32 bits whose exponent is not to be all ones. Runs are tested
 * without a branch, which a compiler makes vectors of. */
enum { RUN = 4096 };

static size_t find_bad_u16(const uint8_t *rows, size_t count, uint16_t mask)
{
  for (size_t i = 0; i < count; i += RUN) {
    size_t end = count - i < RUN ? count : i + RUN;
    unsigned bad = 0;
    for (size_t j = i; j < end; j++)
      bad |= (dyno_load_u16(rows + 2 * j) & mask) == mask;
    for (size_t j = i; bad && j < end; j++)
      if ((dyno_load_u16(rows + 2 * j) & mask) == mask)
        return j;
  }
  return count;
}

static size_t find_bad_f32(const uint8_t *rows, size_t count)
{
  const uint32_t mask = 0x7f800000u;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, rows + 4 * i, sizeof bits);
    if ((bits & mask) == mask)
      return i;
  }
  return count;
}

static dyno_status check_rows(const dyno_checkpoint *checkpoint, const uint8_t *rows,
                              const dyno_tensor *tensor, size_t group, size_t row0, size_t row1,
                              dyno_error *error)
{
  const dyno_dtype_info *info = dyno_dtype_get(tensor->dtype);
  size_t per_row = tensor->k / info->block_elements, blocks = (row1 - row0) * per_row;
  size_t bad = tensor->dtype == DYNO_F32    ? find_bad_f32(rows, blocks)
               : tensor->dtype == DYNO_F16  ? find_bad_u16(rows, blocks, 0x7c00)
               : tensor->dtype == DYNO_BF16 ? find_bad_u16(rows, blocks, 0x7f80)
                                            : find_bad_block(rows, blocks, tensor->dtype);
  if (bad == blocks)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "%s: tensor '%s', group %zu, row %zu, column %zu%s: the weight is infinite or "
                   "not a number",
                   checkpoint->path, dyno_checkpoint_source_name(checkpoint, tensor), group,
                   row0 + bad / per_row, bad % per_row * info->block_elements,
                   info->block_elements > 1 ? " or a little after" : "");
}

typedef struct scan {
  const dyno_checkpoint *checkpoint;
  uint8_t *buffer; /* a chunk of any tensor */
  dyno_checkpoint_progress progress;
  void *context;
  uint64_t done, total;
} scan;

static dyno_status scan_group(scan *in, const dyno_tensor *tensor, size_t group, dyno_error *error)
{
  size_t rows = rows_per_chunk(tensor);
  for (size_t row0 = 0; row0 < tensor->n; row0 += rows) {
    size_t row1 = tensor->n - row0 < rows ? tensor->n : row0 + rows;
    size_t ahead = tensor->n - row1 < rows ? tensor->n : row1 + rows;
    dyno_checkpoint_prefetch_rows(in->checkpoint, tensor, group, row0 == 0 ? row0 : row1, ahead);
    dyno_status status =
        dyno_checkpoint_read_rows(in->checkpoint, in->buffer, tensor, group, row0, row1, error);
    if (status == DYNO_OK)
      status = check_rows(in->checkpoint, in->buffer, tensor, group, row0, row1, error);
    if (status != DYNO_OK)
      return status;
    dyno_checkpoint_release_rows(in->checkpoint, tensor, group, row0, row1, DYNO_FILE_DONE);
    in->done += (row1 - row0) * tensor->row_bytes;
    if (in->progress != NULL && !in->progress(in->context, in->done, in->total))
      return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "%s: the check was stopped",
                       in->checkpoint->path);
  }
  return DYNO_OK;
}

static bool show_verified(void *context, uint64_t done, uint64_t total)
{
  const scan *in = context;
  (void)total;
  return in->progress == NULL || in->progress(in->context, done, in->total);
}

/* The checksums of a packed file come first: they find what is damaged and still finite. */
static dyno_status verify(scan *in, dyno_error *error)
{
  if (in->checkpoint->packed == NULL)
    return DYNO_OK;
  uint64_t bytes = dyno_checkpoint_file_bytes(in->checkpoint);
  in->total += bytes;
  in->done = bytes;
  return dyno_packed_verify(in->checkpoint->packed, NULL, show_verified, in, error);
}

dyno_status dyno_checkpoint_check_weights(const dyno_checkpoint *checkpoint,
                                          dyno_checkpoint_progress progress, void *context,
                                          dyno_error *error)
{
  scan in = {.checkpoint = checkpoint, .progress = progress, .context = context};
  size_t buffer_bytes = 0;
  for (size_t i = 0; i < checkpoint->source_count; i++) {
    const dyno_tensor *tensor = &checkpoint->sources[i].tensor;
    in.total += (uint64_t)tensor->groups * tensor->n * tensor->row_bytes;
    if (rows_per_chunk(tensor) * tensor->row_bytes > buffer_bytes)
      buffer_bytes = rows_per_chunk(tensor) * tensor->row_bytes;
  }
  in.buffer = malloc(buffer_bytes);
  if (in.buffer == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", checkpoint->path);
  dyno_status status = verify(&in, error);
  for (size_t i = 0; i < checkpoint->source_count; i++) {
    const dyno_tensor *tensor = &checkpoint->sources[i].tensor;
    for (size_t group = 0; group < tensor->groups && status == DYNO_OK; group++)
      status = scan_group(&in, tensor, group, error);
  }
  free(in.buffer);
  return status;
}

void dyno_checkpoint_hash(const dyno_checkpoint *checkpoint, char text[DYNO_CHECKPOINT_HASH_TEXT])
{
  const dyno_tensor_table *table = &checkpoint->table;
  if (checkpoint->packed != NULL) {
    memcpy(text, dyno_packed_model_hash(checkpoint->packed), DYNO_CHECKPOINT_HASH_TEXT);
    return;
  }
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, checkpoint->config_hash, sizeof checkpoint->config_hash);
  for (size_t i = 0; i < dyno_tensor_table_file_count(table); i++) {
    const dyno_mapped_file *file = dyno_tensor_table_file(table, i);
    uint64_t size = file->size;
    XXH3_128bits_update(&state, &size, sizeof size);
    XXH3_128bits_update(&state, file->bytes, (size_t)dyno_tensor_table_head_bytes(table, i));
  }
  for (size_t i = 0; i < table->count; i++) {
    const dyno_file_tensor *tensor = &table->tensors[i];
    uint64_t size = tensor->bytes < HASHED_BYTES ? tensor->bytes : HASHED_BYTES;
    XXH3_128bits_update(&state, tensor->data, (size_t)size);
    dyno_mapped_file_advise(tensor->file, tensor->offset, size, DYNO_FILE_DONE);
  }
  XXH128_hash_t hash = XXH3_128bits_digest(&state);
  snprintf(text, DYNO_CHECKPOINT_HASH_TEXT, "%016llx%016llx", (unsigned long long)hash.high64,
           (unsigned long long)hash.low64);
}
