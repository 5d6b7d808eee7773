/* Writes a model: plans the file's tensors from the dialect's rows, then fills them one after the
 * other, chunk by chunk. */
#include "runtime/model/model_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/model/checkpoint_internal.h"
#include "runtime/model/path.h"
#include "runtime/model/safetensors_writer.h"

enum {
  CHUNK_BYTES = 4 << 20,
  MAX_PARTS = 3,
  MX_ELEMENTS = 32,
  MX_BYTES = 17,
  MX_NIBBLE_BYTES = 16
};

/* A tensor as the file will have it, with the logical tensors that it is made of. MXFP4 in two
 * parts is one item with scales: its blocks come first and its scales right behind. */
typedef struct item {
  char name[DYNO_TENSOR_NAME];
  char scales[DYNO_TENSOR_NAME]; /* empty when there are none */
  dyno_source parts[MAX_PARTS];  /* file_tensor and scales are not used */
  size_t part_count;
  uint64_t bytes; /* with the scales */
  size_t shard;
} item;

typedef struct plan {
  const dyno_model_config *config;
  const dyno_model_source *source;
  const dyno_model_writer_options *options;
  const char *path;
  item *items;
  size_t item_count;
  size_t shard_count;
  bool mxfp4; /* some experts are */
  dyno_error *error;
  /* While writing: */
  dyno_gguf_writer *gguf;
  dyno_safetensors_writer *safetensors;
  uint8_t *rows, *chunk; /* a chunk as the source gives it, and as the file wants it */
  size_t capacity;       /* of both */
  uint8_t *scales;       /* of the whole item */
  size_t scales_size;
  uint64_t done, total;
} plan;

static dyno_status out_of_memory(const plan *p)
{
  return dyno_fail(p->error, DYNO_ERROR_MEMORY, "%s: out of memory", p->path);
}

/* The dialect's row for a role in a format; NULL when it has none. */
static const dyno_dialect_row *find_row(const dyno_dialect *dialect, dyno_tensor_role role,
                                        dyno_dtype dtype)
{
  bool split = dialect->container == DYNO_CONTAINER_SAFETENSORS && dtype == DYNO_MXFP4;
  for (size_t i = 0; i < dialect->row_count; i++)
    if (dialect->rows[i].role == role && (dialect->rows[i].scales != NULL) == split)
      return &dialect->rows[i];
  return NULL;
}

static const char *safetensors_type(dyno_dtype dtype)
{
  switch (dtype) {
  case DYNO_F32:
    return "F32";
  case DYNO_F16:
    return "F16";
  case DYNO_BF16:
    return "BF16";
  default:
    return NULL;
  }
}

static bool can_hold(const dyno_dialect *dialect, const dyno_dialect_row *row, dyno_dtype dtype)
{
  bool dense = safetensors_type(dtype) != NULL;
  if (row == NULL)
    return false;
  if (dyno_tensor_role_is_vector(row->role) || row->transposed)
    return dense;
  return dialect->container == DYNO_CONTAINER_GGUF ? dyno_gguf_tensor_type_by_dtype(dtype) != NULL
                                                   : dense || row->scales != NULL;
}

static dyno_status describe_part(dyno_source *part, const plan *p, const dyno_dialect_row **row,
                                 dyno_tensor_role role, size_t layer)
{
  const dyno_dialect *dialect = p->options->dialect;
  dyno_tensor *tensor = &part->tensor;
  *part = (dyno_source){.tensor = {.role = role, .layer = layer}};
  tensor->dtype = p->source->dtype(p->source->context, role, layer);
  dyno_tensor_role_shape(&tensor->groups, &tensor->n, &tensor->k, role, p->config);
  const dyno_dialect_row *usual = find_row(&dyno_dialect_ggml_org, role, tensor->dtype);
  dyno_dialect_name(tensor->name, usual->name, layer);
  tensor->row_bytes = dyno_row_bytes(tensor->dtype, tensor->k);
  *row = find_row(dialect, role, tensor->dtype);
  if (!can_hold(dialect, *row, tensor->dtype) || tensor->row_bytes == 0)
    return dyno_fail(p->error, DYNO_ERROR_USAGE,
                     "%s: the dialect '%s' cannot hold tensor '%s' as %s with rows of %zu", p->path,
                     dialect->name, tensor->name, dyno_dtype_name(tensor->dtype), tensor->k);
  bool vector = dyno_tensor_role_is_vector(role);
  part->rows = vector ? tensor->k : tensor->n;
  part->columns = vector ? 1 : tensor->k;
  dyno_select_rows(&part->source_rows, &part->offset, &part->step, (*row)->selection, part->rows,
                   p->config);
  part->form = (*row)->scales != NULL ? DYNO_SOURCE_SPLIT
               : (*row)->transposed   ? DYNO_SOURCE_TRANSPOSED
               : dialect->mxfp4_type == DYNO_GGUF_MXFP4_OLLAMA && tensor->dtype == DYNO_MXFP4
                   ? DYNO_SOURCE_NIBBLES
                   : DYNO_SOURCE_PLAIN;
  return DYNO_OK;
}

/* Adds the part to the item of its name, which is among the last few if it is there. */
static dyno_status place_part(plan *p, const dyno_source *part, const dyno_dialect_row *row)
{
  char name[DYNO_TENSOR_NAME];
  dyno_dialect_name(name, row->name, part->tensor.layer);
  for (size_t i = p->item_count; i-- > 0 && i + 8 > p->item_count;) {
    item *candidate = &p->items[i];
    if (strcmp(candidate->name, name) != 0)
      continue;
    if (candidate->part_count == MAX_PARTS ||
        candidate->parts[0].tensor.dtype != part->tensor.dtype)
      return dyno_fail(p->error, DYNO_ERROR_USAGE,
                       "%s: '%s' fuses tensors that have different types", p->path, name);
    candidate->parts[candidate->part_count++] = *part;
    return DYNO_OK;
  }
  item *added = &p->items[p->item_count++];
  *added = (item){.parts = {*part}, .part_count = 1};
  memcpy(added->name, name, sizeof name);
  if (row->scales != NULL)
    dyno_dialect_name(added->scales, row->scales, part->tensor.layer);
  added->bytes = (uint64_t)part->tensor.groups * part->source_rows *
                 dyno_row_bytes(part->tensor.dtype, part->columns);
  return DYNO_OK;
}

static dyno_status plan_items(plan *p)
{
  size_t most = DYNO_TENSOR_FIRST_OF_LAYER +
                p->config->layers * (DYNO_TENSOR_ROLE_COUNT - DYNO_TENSOR_FIRST_OF_LAYER);
  p->items = calloc(most, sizeof *p->items);
  if (p->items == NULL)
    return out_of_memory(p);
  dyno_status status = DYNO_OK;
  for (size_t layer = 0; layer <= p->config->layers; layer++) {
    bool globals = layer == 0; /* the first round, then layer - 1 */
    dyno_tensor_role first = globals ? 0 : DYNO_TENSOR_FIRST_OF_LAYER;
    dyno_tensor_role end = globals ? DYNO_TENSOR_FIRST_OF_LAYER : DYNO_TENSOR_ROLE_COUNT;
    for (dyno_tensor_role role = first; role < end && status == DYNO_OK; role++) {
      dyno_source part;
      const dyno_dialect_row *row;
      if (role == DYNO_TENSOR_HEAD && p->config->tied_head)
        continue;
      status = describe_part(&part, p, &row, role, globals ? 0 : layer - 1);
      if (status == DYNO_OK)
        status = place_part(p, &part, row);
    }
  }
  uint64_t shard = 0;
  for (size_t i = 0; i < p->item_count; i++) {
    uint64_t bytes = p->items[i].bytes;
    if (p->options->shard_bytes > 0 && shard > 0 && shard + bytes > p->options->shard_bytes) {
      shard = 0;
      p->shard_count++;
    }
    shard += bytes;
    p->total += bytes;
    p->mxfp4 = p->mxfp4 || p->items[i].parts[0].tensor.dtype == DYNO_MXFP4;
    p->items[i].shard = p->shard_count;
  }
  p->shard_count++;
  return status;
}

/* The shapes of the file's tensor, the slowest first. */
static uint32_t shape_of(uint64_t *shape, const item *it)
{
  const dyno_source *part = &it->parts[0];
  uint32_t rank = 0;
  if (dyno_tensor_role_has_experts(part->tensor.role))
    shape[rank++] = part->tensor.groups;
  bool transposed = part->form == DYNO_SOURCE_TRANSPOSED;
  shape[rank++] = transposed ? part->columns : part->source_rows;
  if (!dyno_tensor_role_is_vector(part->tensor.role))
    shape[rank++] = transposed ? part->source_rows : part->columns;
  return rank;
}

static void declare(plan *p, const item *it)
{
  uint64_t shape[4], dims[4];
  uint32_t rank = shape_of(shape, it);
  dyno_dtype dtype = it->parts[0].tensor.dtype;
  if (p->gguf != NULL) {
    for (uint32_t i = 0; i < rank; i++)
      dims[i] = shape[rank - 1 - i];
    uint32_t type = dtype == DYNO_MXFP4 ? p->options->dialect->mxfp4_type
                                        : dyno_gguf_tensor_type_by_dtype(dtype)->id;
    dyno_gguf_writer_add_tensor(p->gguf, it->name, type, dims, rank);
  } else if (it->scales[0] == '\0') {
    dyno_safetensors_writer_add_tensor(p->safetensors, it->name, safetensors_type(dtype), shape,
                                       rank);
  } else {
    shape[rank - 1] /= MX_ELEMENTS;
    shape[rank] = MX_NIBBLE_BYTES;
    dyno_safetensors_writer_add_tensor(p->safetensors, it->name, "U8", shape, rank + 1);
    dyno_safetensors_writer_add_tensor(p->safetensors, it->scales, "U8", shape, rank);
  }
}

static dyno_status emit(plan *p, const void *bytes, size_t size)
{
  return p->gguf != NULL ? dyno_gguf_writer_write(p->gguf, bytes, size, p->error)
                         : dyno_safetensors_writer_write(p->safetensors, bytes, size, p->error);
}

/* Asks the source for rows [row0, row1) in units of dyno_source; a vector is asked for whole. */
static dyno_status ask(const plan *p, const dyno_source *part, size_t group, size_t row0,
                       size_t row1)
{
  size_t unit = part->rows / part->tensor.n;
  return p->source->rows(p->source->context, p->rows, &part->tensor, group, row0 / unit,
                         row1 / unit, p->error);
}

/* Puts the rows of every part that fall into [from, to) of the file's tensor into p->chunk. */
static dyno_status gather(plan *p, const item *it, size_t group, size_t from, size_t to)
{
  for (size_t i = 0; i < it->part_count; i++) {
    const dyno_source *part = &it->parts[i];
    size_t row_bytes = dyno_row_bytes(part->tensor.dtype, part->columns);
    size_t first = from > part->offset ? (from - part->offset + part->step - 1) / part->step : 0;
    size_t end = to > part->offset ? (to - part->offset + part->step - 1) / part->step : 0;
    if (end > part->rows)
      end = part->rows;
    if (first >= end)
      continue;
    dyno_status status = ask(p, part, group, first, end);
    if (status != DYNO_OK)
      return status;
    for (size_t row = first; row < end; row++)
      memcpy(p->chunk + (part->offset + row * part->step - from) * row_bytes,
             p->rows + (row - first) * row_bytes, row_bytes);
  }
  return DYNO_OK;
}

/* The inverse of reorder_nibbles in checkpoint_read.c. */
static void order_as_openai(uint8_t *restrict to, const uint8_t *restrict from)
{
  for (size_t i = 0; i < MX_NIBBLE_BYTES / 2; i++) {
    unsigned even = from[2 * i], odd = from[2 * i + 1];
    to[i] = (uint8_t)((even & 0x0fu) | (odd & 0x0fu) << 4);
    to[i + MX_NIBBLE_BYTES / 2] = (uint8_t)(even >> 4 | (odd & 0xf0u));
  }
}

static dyno_status emit_nibbles(plan *p, size_t blocks)
{
  for (size_t i = 0; i < blocks; i++) {
    p->rows[i * MX_BYTES] = p->chunk[i * MX_BYTES];
    order_as_openai(p->rows + i * MX_BYTES + 1, p->chunk + i * MX_BYTES + 1);
  }
  return emit(p, p->rows, blocks * MX_BYTES);
}

static dyno_status emit_split(plan *p, size_t blocks)
{
  for (size_t i = 0; i < blocks; i++) {
    p->scales[p->scales_size++] = p->chunk[i * MX_BYTES];
    order_as_openai(p->rows + i * MX_NIBBLE_BYTES, p->chunk + i * MX_BYTES + 1);
  }
  return emit(p, p->rows, blocks * MX_NIBBLE_BYTES);
}

static dyno_status emit_transposed(plan *p, size_t rows, size_t columns, size_t size)
{
  for (size_t row = 0; row < rows; row++)
    for (size_t column = 0; column < columns; column++)
      memcpy(p->rows + (column * rows + row) * size, p->chunk + (row * columns + column) * size,
             size);
  return emit(p, p->rows, rows * columns * size);
}

static dyno_status emit_chunk(plan *p, const dyno_source *part, size_t rows)
{
  size_t row_bytes = dyno_row_bytes(part->tensor.dtype, part->columns);
  size_t blocks = rows * (part->columns / MX_ELEMENTS);
  switch (part->form) {
  case DYNO_SOURCE_PLAIN:
    return emit(p, p->chunk, rows * row_bytes);
  case DYNO_SOURCE_NIBBLES:
    return emit_nibbles(p, blocks);
  case DYNO_SOURCE_SPLIT:
    return emit_split(p, blocks);
  case DYNO_SOURCE_TRANSPOSED:
    return emit_transposed(p, rows, part->columns, row_bytes / part->columns);
  case DYNO_SOURCE_PACKED: /* no dialect has it: pack.h writes such files */
    break;
  }
  return DYNO_OK;
}

/* How many of the file's rows are made at a time: all of a vector and of a transposed group, else
 * what fits a chunk, an even number so that gate and up stay together. */
static size_t rows_per_chunk(const dyno_source *part)
{
  size_t rows = CHUNK_BYTES / dyno_row_bytes(part->tensor.dtype, part->columns) & ~(size_t)1;
  if (part->form == DYNO_SOURCE_TRANSPOSED || part->columns == 1 || rows > part->source_rows)
    return part->source_rows;
  return rows > 2 ? rows : 2;
}

static dyno_status make_room(plan *p, const item *it)
{
  const dyno_source *part = &it->parts[0];
  size_t needed = rows_per_chunk(part) * dyno_row_bytes(part->tensor.dtype, part->columns);
  if (needed > p->capacity) {
    free(p->rows);
    free(p->chunk);
    p->capacity = needed;
    p->rows = malloc(needed);
    p->chunk = malloc(needed);
  }
  free(p->scales);
  p->scales = malloc(it->bytes / MX_BYTES + 1);
  p->scales_size = 0;
  return p->rows != NULL && p->chunk != NULL && p->scales != NULL ? DYNO_OK : out_of_memory(p);
}

static dyno_status fill(plan *p, const item *it)
{
  const dyno_source *part = &it->parts[0];
  dyno_status status = make_room(p, it);
  size_t step = rows_per_chunk(part);
  for (size_t group = 0; group < part->tensor.groups; group++)
    for (size_t from = 0; from < part->source_rows && status == DYNO_OK; from += step) {
      size_t to = part->source_rows - from < step ? part->source_rows : from + step;
      status = gather(p, it, group, from, to);
      if (status == DYNO_OK)
        status = emit_chunk(p, part, to - from);
      p->done += (to - from) * dyno_row_bytes(part->tensor.dtype, part->columns);
      if (status == DYNO_OK && p->source->progress != NULL &&
          !p->source->progress(p->source->context, p->done, p->total))
        status = dyno_fail(p->error, DYNO_ERROR_INTERRUPTED, "%s: writing was stopped", p->path);
    }
  if (status == DYNO_OK && p->scales_size > 0)
    status = emit(p, p->scales, p->scales_size);
  return status;
}

static dyno_status write_gguf(plan *p)
{
  dyno_status status = dyno_gguf_writer_new(&p->gguf, p->path, p->error);
  if (status != DYNO_OK)
    return status;
  dyno_config_write_gguf(p->gguf, p->config, p->options->dialect->architecture);
  if (p->source->metadata != NULL)
    p->source->metadata(p->source->context, p->gguf);
  for (size_t i = 0; i < p->item_count; i++)
    declare(p, &p->items[i]);
  status = dyno_gguf_writer_begin(p->gguf, p->error);
  for (size_t i = 0; i < p->item_count && status == DYNO_OK; i++)
    status = fill(p, &p->items[i]);
  if (status == DYNO_OK)
    status = dyno_gguf_writer_commit(p->gguf, p->error);
  return status;
}

/* Hugging Face's numbering: "model-00001-of-00003.safetensors". */
enum { SHARD_NAME = 64 };

static void name_shard(char name[SHARD_NAME], const plan *p, size_t shard)
{
  if (p->shard_count == 1)
    snprintf(name, SHARD_NAME, "model.safetensors");
  else
    snprintf(name, SHARD_NAME, "model-%05zu-of-%05zu.safetensors", shard + 1, p->shard_count);
}

static dyno_status write_shard(plan *p, size_t shard)
{
  char name[SHARD_NAME];
  name_shard(name, p, shard);
  char *path = dyno_join_path(p->path, name);
  if (path == NULL)
    return out_of_memory(p);
  dyno_status status = dyno_safetensors_writer_new(&p->safetensors, path, p->error);
  free(path);
  if (status != DYNO_OK)
    return status;
  dyno_safetensors_writer_add_metadata(p->safetensors, "format", "pt");
  for (size_t i = 0; i < p->item_count; i++)
    if (p->items[i].shard == shard)
      declare(p, &p->items[i]);
  status = dyno_safetensors_writer_begin(p->safetensors, p->error);
  for (size_t i = 0; i < p->item_count && status == DYNO_OK; i++)
    if (p->items[i].shard == shard)
      status = fill(p, &p->items[i]);
  if (status == DYNO_OK)
    status = dyno_safetensors_writer_commit(p->safetensors, p->error);
  dyno_safetensors_writer_free(&p->safetensors);
  return status;
}

static dyno_status write_index(plan *p, const char *path)
{
  const char **names = calloc(2 * p->item_count, sizeof *names);
  const char **files = calloc(2 * p->item_count, sizeof *files);
  char(*shards)[SHARD_NAME] = calloc(p->shard_count, sizeof *shards);
  dyno_status status = DYNO_OK;
  size_t count = 0;
  if (names == NULL || files == NULL || shards == NULL) {
    status = out_of_memory(p);
  } else {
    for (size_t i = 0; i < p->shard_count; i++)
      name_shard(shards[i], p, i);
    for (size_t i = 0; i < p->item_count; i++) {
      const item *it = &p->items[i];
      names[count] = it->name;
      files[count++] = shards[it->shard];
      if (it->scales[0] != '\0') {
        names[count] = it->scales;
        files[count++] = shards[it->shard];
      }
    }
    status = dyno_safetensors_write_index(path, names, files, count, p->total, p->error);
  }
  free(names);
  free(files);
  free(shards);
  return status;
}

static dyno_status write_safetensors(plan *p)
{
  if (mkdir(p->path, 0777) != 0 && errno != EEXIST)
    return dyno_fail(p->error, DYNO_ERROR_IO, "%s: cannot make the folder: %s", p->path,
                     strerror(errno));
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < p->shard_count && status == DYNO_OK; i++)
    status = write_shard(p, i);
  char *config = dyno_join_path(p->path, "config.json");
  char *index = dyno_join_path(p->path, DYNO_SAFETENSORS_INDEX);
  if (status == DYNO_OK && (config == NULL || index == NULL))
    status = out_of_memory(p);
  if (status == DYNO_OK && p->shard_count > 1)
    status = write_index(p, index);
  if (status == DYNO_OK)
    status = dyno_config_write_json(config, p->config, p->options->dialect, p->mxfp4, p->error);
  free(config);
  free(index);
  return status;
}

dyno_status dyno_model_write(const char *path, const dyno_model_config *config,
                             const dyno_model_source *source,
                             const dyno_model_writer_options *options, dyno_error *error)
{
  plan p = {.config = config, .source = source, .options = options, .path = path, .error = error};
  dyno_status status = dyno_model_config_check(config, path, error);
  if (status == DYNO_OK)
    status = dyno_config_check_dialect(config, options->dialect, path, error);
  if (status == DYNO_OK)
    status = plan_items(&p);
  if (status == DYNO_OK)
    status =
        options->dialect->container == DYNO_CONTAINER_GGUF ? write_gguf(&p) : write_safetensors(&p);
  dyno_gguf_writer_free(&p.gguf);
  dyno_safetensors_writer_free(&p.safetensors);
  free(p.items);
  free(p.rows);
  free(p.chunk);
  free(p.scales);
  return status;
}
