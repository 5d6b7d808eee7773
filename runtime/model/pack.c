#include "runtime/model/pack.h"

#include <stdlib.h>
#include <string.h>

/* The streaming state on the stack, so that a checksum needs no memory. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "kernels/sampling/screen.h"
#include "kernels/table.h"
#include "runtime/model/dialect.h"
#include "runtime/model/embedding.h"
#include "runtime/model/head_screen.h"
#include "runtime/model/linear.h"
#include "runtime/model/packed_internal.h"
#include "runtime/model/target.h"

enum { CHUNK_BYTES = 8 << 20 };

/* A tensor as the file will have it. */
typedef struct item {
  const dyno_tensor *tensor;
  const dyno_layout *layout;
  bool plain; /* the layout is rows */
  uint64_t group_bytes;
} item;

typedef struct packing {
  const char *path;
  const dyno_checkpoint *checkpoint;
  const dyno_pack_options *options;
  dyno_linear_source source;
  item *items;
  size_t count;
  size_t tensors;      /* those, and the screen if there is one */
  uint64_t *checksums; /* [tensors + 2], as in the file */
  dyno_gguf_writer *writer;
  uint64_t done, total;
  dyno_error *error;
} packing;

static dyno_status out_of_memory(const packing *p)
{
  return dyno_fail(p->error, DYNO_ERROR_MEMORY, "%s: out of memory", p->path);
}

static bool is_matrix(const dyno_tensor *tensor)
{
  return dyno_packed_role_has_layout(tensor->role);
}

static dyno_linear_source source_for(const packing *p, const dyno_tensor *tensor)
{
  dyno_linear_source source = p->source;
  source.groups_per_token =
      tensor->groups > 1 ? dyno_checkpoint_config(p->checkpoint)->experts_per_token : 1;
  return source;
}

/* Embedding, routers and vectors stay rows. */
static dyno_status plan_layout(const packing *p, item *it)
{
  const dyno_tensor *tensor = it->tensor;
  it->layout = dyno_layout_rows(dyno_quantized_dtype(p->source.quantization, tensor));
  if (is_matrix(tensor)) {
    const dyno_linear_source source = source_for(p, tensor);
    dyno_linear plan;
    dyno_status status = dyno_linear_plan(&plan, &source, tensor, p->error);
    if (status != DYNO_OK)
      return status;
    it->layout = dyno_builtin_layout(plan.layout->name);
    if (it->layout == NULL)
      return dyno_fail(p->error, DYNO_ERROR_UNSUPPORTED,
                       "%s: the layout %s that was chosen for tensor '%s' is a plug-in's; a packed "
                       "file holds built-in layouts only: leave the plug-in out",
                       p->path, plan.layout->name, tensor->name);
  }
  it->plain = it->layout == dyno_layout_rows(it->layout->dtype);
  it->group_bytes = it->layout->bytes(it->layout, tensor->n, tensor->k);
  return DYNO_OK;
}

/* A tied head is written only where its kernels want another layout than the embedding has. */
static bool is_shared(const packing *p, const item *it)
{
  const dyno_tensor *embedding = dyno_checkpoint_tensor(p->checkpoint, DYNO_TENSOR_EMBEDDING, 0);
  return it->tensor->role == DYNO_TENSOR_HEAD && dyno_checkpoint_config(p->checkpoint)->tied_head &&
         it->plain && it->layout->dtype == it->tensor->dtype && it->tensor->data == embedding->data;
}

static const dyno_tensor *head_of(const packing *p)
{
  return dyno_checkpoint_tensor(p->checkpoint, DYNO_TENSOR_HEAD, 0);
}

static dyno_status plan_screen(packing *p)
{
  const dyno_linear_source source = source_for(p, head_of(p));
  dyno_linear head;
  dyno_status status = dyno_linear_plan(&head, &source, head_of(p), p->error);
  p->total += dyno_screen_bytes(head_of(p)->n, head_of(p)->k);
  return status == DYNO_OK ? dyno_head_screen_check(&head, p->error) : status;
}

static dyno_status plan_items(packing *p)
{
  size_t most = dyno_checkpoint_tensor_count(p->checkpoint);
  p->items = calloc(most, sizeof *p->items);
  p->checksums = calloc(most + 3, sizeof *p->checksums);
  if (p->items == NULL || p->checksums == NULL)
    return out_of_memory(p);
  for (size_t i = 0; i < most; i++) {
    item *it = &p->items[p->count];
    it->tensor = dyno_checkpoint_tensor_at(p->checkpoint, i);
    dyno_status status = plan_layout(p, it);
    if (status != DYNO_OK)
      return status;
    if (is_shared(p, it))
      continue;
    p->total += it->group_bytes * it->tensor->groups;
    p->count++;
  }
  p->tensors = p->count + p->options->screen;
  return p->options->screen ? plan_screen(p) : DYNO_OK;
}

static dyno_status describe_tensors(const packing *p)
{
  dyno_span *layouts = calloc(p->tensors, sizeof *layouts);
  uint64_t *shapes = calloc(3 * p->tensors, sizeof *shapes);
  dyno_status status = layouts != NULL && shapes != NULL ? DYNO_OK : out_of_memory(p);
  for (size_t i = 0; i < p->tensors && status == DYNO_OK; i++) {
    bool screen = i == p->count;
    const dyno_tensor *tensor = screen ? head_of(p) : p->items[i].tensor;
    layouts[i] = dyno_span_of(screen ? DYNO_SCREEN_FORMAT : p->items[i].layout->name);
    shapes[3 * i] = tensor->groups;
    shapes[3 * i + 1] = tensor->n;
    shapes[3 * i + 2] = tensor->k;
  }
  if (status == DYNO_OK) {
    dyno_gguf_writer_add_strings(p->writer, DYNO_PACKED_KEY_LAYOUTS, layouts, p->tensors);
    dyno_gguf_writer_add_array(p->writer, DYNO_PACKED_KEY_SHAPES, DYNO_GGUF_UINT64, shapes,
                               3 * p->tensors);
  }
  free(layouts);
  free(shapes);
  return status;
}

static dyno_status write_metadata(const packing *p)
{
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_checkpoint_hash(p->checkpoint, hash);
  dyno_gguf_writer_add_string(p->writer, "general.architecture", DYNO_PACKED_ARCHITECTURE);
  dyno_gguf_writer_add_uint32(p->writer, "general.alignment", DYNO_PACKED_ALIGNMENT);
  dyno_gguf_writer_add_uint32(p->writer, DYNO_PACKED_KEY_VERSION, DYNO_PACKED_VERSION);
  dyno_gguf_writer_add_string(p->writer, DYNO_PACKED_KEY_MODEL_HASH, hash);
  dyno_gguf_writer_add_string(p->writer, DYNO_PACKED_KEY_SOURCE, p->options->source);
  dyno_status status = describe_tensors(p);
  dyno_config_write_packed(p->writer, dyno_checkpoint_config(p->checkpoint));
  return status == DYNO_OK ? dyno_packed_copy_metadata(p->writer, p->checkpoint, NULL, p->error)
                           : status;
}

static uint32_t type_id(const char *name)
{
  uint32_t id = 0;
  while (dyno_gguf_tensor_type_by_id(id) == NULL ||
         strcmp(dyno_gguf_tensor_type_by_id(id)->name, name) != 0)
    id++;
  return id;
}

/* Plain rows are tensors like any other; what is packed is bytes, group by group. */
static void declare(const packing *p, const item *it)
{
  const dyno_tensor *tensor = it->tensor;
  uint64_t rows[] = {tensor->k, tensor->n, tensor->groups};
  uint64_t bytes[] = {it->group_bytes, tensor->groups};
  if (!it->plain) {
    dyno_gguf_writer_add_tensor(p->writer, tensor->name, type_id("I8"), bytes, 2);
    return;
  }
  uint32_t rank = 3;
  if (dyno_tensor_role_is_vector(tensor->role)) {
    rows[1] = tensor->groups;
    rank--;
  }
  dyno_gguf_writer_add_tensor(p->writer, tensor->name,
                              dyno_gguf_tensor_type_by_dtype(it->layout->dtype)->id, rows, rank);
}

static dyno_status advance(packing *p, uint64_t bytes)
{
  p->done += bytes;
  if (p->options->show == NULL || p->options->show(p->options->context, p->done, p->total))
    return DYNO_OK;
  return dyno_fail(p->error, DYNO_ERROR_INTERRUPTED, "%s: packing was stopped", p->path);
}

static dyno_status emit(packing *p, XXH3_state_t *checksum, const uint8_t *bytes, size_t size)
{
  dyno_status status = DYNO_OK;
  for (size_t at = 0; at < size && status == DYNO_OK; at += CHUNK_BYTES) {
    size_t chunk = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;
    XXH3_64bits_update(checksum, bytes + at, chunk);
    status = dyno_gguf_writer_write(p->writer, bytes + at, chunk, p->error);
    if (status == DYNO_OK)
      status = advance(p, chunk);
  }
  return status;
}

static dyno_status write_matrix(packing *p, const item *it, XXH3_state_t *checksum)
{
  const dyno_linear_source source = source_for(p, it->tensor);
  dyno_linear linear;
  dyno_status status = dyno_linear_load(&linear, &source, it->tensor, NULL, p->error);
  if (status != DYNO_OK)
    return status;
  for (size_t g = 0; g < linear.groups && status == DYNO_OK; g++) {
    status = emit(p, checksum, linear.group_weight[g], (size_t)it->group_bytes);
    dyno_checkpoint_release_rows(p->checkpoint, it->tensor, g, 0, it->tensor->n, DYNO_FILE_DONE);
  }
  dyno_linear_free(&linear);
  return status;
}

static dyno_status write_lowered(packing *p, const item *it, XXH3_state_t *checksum)
{
  dyno_embedding embedding;
  dyno_status status = dyno_embedding_load(&embedding, &p->source, p->error);
  if (status == DYNO_OK)
    status = emit(p, checksum, embedding.rows, (size_t)it->group_bytes);
  dyno_embedding_free(&embedding);
  return status;
}

static dyno_status write_rows(packing *p, const item *it, XXH3_state_t *checksum)
{
  const dyno_tensor *tensor = it->tensor;
  if (it->layout->dtype != tensor->dtype)
    return write_lowered(p, it, checksum);
  size_t rows = CHUNK_BYTES / tensor->row_bytes + 1;
  rows = rows < tensor->n ? rows : tensor->n;
  uint8_t *chunk = malloc(rows * tensor->row_bytes);
  dyno_status status = chunk != NULL ? DYNO_OK : out_of_memory(p);
  for (size_t g = 0; g < tensor->groups; g++)
    for (size_t row0 = 0; row0 < tensor->n && status == DYNO_OK; row0 += rows) {
      size_t row1 = tensor->n - row0 < rows ? tensor->n : row0 + rows;
      status = dyno_checkpoint_read_rows(p->checkpoint, chunk, tensor, g, row0, row1, p->error);
      if (status == DYNO_OK)
        status = emit(p, checksum, chunk, (row1 - row0) * tensor->row_bytes);
      dyno_checkpoint_release_rows(p->checkpoint, tensor, g, row0, row1, DYNO_FILE_DONE);
    }
  free(chunk);
  return status;
}

/* From the head as its kernels read it, so that every file of a model has the same. */
static dyno_status write_screen(packing *p, XXH3_state_t *checksum)
{
  const dyno_linear_source source = source_for(p, head_of(p));
  dyno_linear head;
  dyno_head_screen screen;
  dyno_status status = dyno_linear_load(&head, &source, head_of(p), NULL, p->error);
  if (status != DYNO_OK)
    return status;
  status = dyno_head_screen_make(&screen, &head, &source, p->error);
  if (status == DYNO_OK) {
    status = emit(p, checksum, screen.panels, screen.bytes);
    dyno_head_screen_free(&screen);
  }
  dyno_linear_free(&head);
  return status;
}

static dyno_status write_tensors(packing *p)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < p->tensors && status == DYNO_OK; i++) {
    XXH3_state_t checksum;
    XXH3_INITSTATE(&checksum);
    XXH3_64bits_reset(&checksum);
    status = i == p->count                   ? write_screen(p, &checksum)
             : is_matrix(p->items[i].tensor) ? write_matrix(p, &p->items[i], &checksum)
                                             : write_rows(p, &p->items[i], &checksum);
    p->checksums[i + 1] = XXH3_64bits_digest(&checksum);
  }
  if (status != DYNO_OK)
    return status;
  size_t size = (p->tensors + 1) * sizeof *p->checksums;
  p->checksums[0] = dyno_gguf_writer_head_checksum(p->writer);
  p->checksums[p->tensors + 1] = XXH3_64bits(p->checksums, size);
  return dyno_gguf_writer_write(p->writer, p->checksums, size + sizeof *p->checksums, p->error);
}

static dyno_status write_file(packing *p)
{
  const uint64_t checksum_count = p->tensors + 2;
  const uint64_t screen_bytes = dyno_screen_bytes(head_of(p)->n, head_of(p)->k);
  dyno_status status = dyno_gguf_writer_new(&p->writer, p->path, p->error);
  if (status == DYNO_OK)
    status = write_metadata(p);
  if (status != DYNO_OK)
    return status;
  for (size_t i = 0; i < p->count; i++)
    declare(p, &p->items[i]);
  if (p->options->screen)
    dyno_gguf_writer_add_tensor(p->writer, DYNO_PACKED_SCREEN, type_id("I8"), &screen_bytes, 1);
  dyno_gguf_writer_add_tensor(p->writer, DYNO_PACKED_CHECKSUMS, type_id("I64"), &checksum_count, 1);
  status = dyno_gguf_writer_begin(p->writer, p->error);
  if (status == DYNO_OK)
    status = write_tensors(p);
  return status == DYNO_OK ? dyno_gguf_writer_commit(p->writer, p->error) : status;
}

static void summarize(dyno_pack_summary *summary, const packing *p)
{
  *summary = (dyno_pack_summary){.bytes = dyno_gguf_writer_bytes(p->writer)};
  dyno_checkpoint_hash(p->checkpoint, summary->hash);
  for (size_t i = 0; i < p->count; i++)
    if (is_matrix(p->items[i].tensor)) {
      summary->matrices++;
      summary->rows += p->items[i].plain;
    }
}

dyno_status dyno_pack(const char *path, dyno_pack_summary *summary,
                      const dyno_checkpoint *checkpoint, const dyno_registry *registry,
                      dyno_pool *pool, const dyno_pack_options *options, dyno_error *error)
{
  packing p = {
      .path = path,
      .checkpoint = checkpoint,
      .options = options,
      .source = {.checkpoint = checkpoint,
                 .registry = registry,
                 .pool = pool,
                 .precision = DYNO_PRECISION_FAST,
                 .prefill_tokens = options->prefill_tokens,
                 .quantization = options->quantization,
                 .repack = true},
      .error = error,
  };
  dyno_status status = dyno_model_check_target(path, checkpoint, error);
  if (status == DYNO_OK)
    status = plan_items(&p);
  if (status == DYNO_OK)
    status = write_file(&p);
  if (status == DYNO_OK && summary != NULL)
    summarize(summary, &p);
  dyno_gguf_writer_free(&p.writer);
  free(p.items);
  free(p.checksums);
  return status;
}
