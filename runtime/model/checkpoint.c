/* Opens a checkpoint: finds the files, reads the configuration, and finds the source of every
 * logical tensor. */
#include "runtime/model/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "runtime/model/checkpoint_internal.h"
#include "runtime/model/config_fields.h"
#include "runtime/model/packed_internal.h"
#include "runtime/model/path.h"

/* What is known while a logical tensor's source is looked for. */
typedef struct search {
  dyno_checkpoint *checkpoint;
  const char *architecture;           /* of GGUF, else NULL */
  size_t matches[DYNO_DIALECT_COUNT]; /* logical tensors that a dialect's names led to */
  dyno_error *error;
} search;

/* How many tensors come before the layers, and in each. */
enum {
  GLOBAL_COUNT = DYNO_TENSOR_FIRST_OF_LAYER,
  LAYER_COUNT = DYNO_TENSOR_ROLE_COUNT - DYNO_TENSOR_FIRST_OF_LAYER,
};

static size_t index_of(dyno_tensor_role role, size_t layer)
{
  return role < DYNO_TENSOR_FIRST_OF_LAYER
             ? (size_t)role
             : GLOBAL_COUNT + layer * LAYER_COUNT + (role - DYNO_TENSOR_FIRST_OF_LAYER);
}

static dyno_status reject(const search *in, const dyno_file_tensor *tensor, dyno_status status,
                          const char *message)
{
  char quoted[DYNO_QUOTED_TEXT];
  return dyno_fail(in->error, status, "%s: offset %llu: tensor '%s' %s", tensor->file->path,
                   (unsigned long long)tensor->offset, dyno_span_quote(quoted, tensor->name),
                   message);
}

static dyno_status check_shape(const search *in, const dyno_file_tensor *tensor,
                               const uint64_t *shape, size_t rank)
{
  char found[DYNO_SHAPE_TEXT], wanted[DYNO_SHAPE_TEXT], message[2 * DYNO_SHAPE_TEXT + 64];
  const uint64_t *full_shape = shape;
  size_t full_rank = rank;
  /* GGUF cannot tell [1, n, k] from [n, k]. */
  while (in->checkpoint->table.container == DYNO_CONTAINER_GGUF && rank > 1 && *shape == 1)
    shape++, rank--;
  bool equal = tensor->rank == rank && memcmp(tensor->shape, shape, rank * sizeof *shape) == 0;
  if (equal)
    return DYNO_OK;
  snprintf(message, sizeof message, "has the shape %s, but the configuration implies %s",
           dyno_shape_format(found, tensor->shape, tensor->rank),
           dyno_shape_format(wanted, full_shape, full_rank));
  return reject(in, tensor, DYNO_ERROR_FORMAT, message);
}

static dyno_status check_type(const search *in, const dyno_file_tensor *tensor,
                              const dyno_source *source)
{
  bool dense = tensor->dtype == DYNO_F32 || tensor->dtype == DYNO_F16 || tensor->dtype == DYNO_BF16;
  char message[160];
  if (source->form == DYNO_SOURCE_SPLIT) {
    if (strcmp(tensor->type_name, "U8") == 0)
      return DYNO_OK;
    snprintf(message, sizeof message, "has type %s, which is unsupported here: U8 is",
             tensor->type_name);
    return reject(in, tensor, DYNO_ERROR_UNSUPPORTED, message);
  }
  if (dense || (tensor->dtype != DYNO_NONE && source->form != DYNO_SOURCE_TRANSPOSED &&
                !dyno_tensor_role_is_vector(source->tensor.role)))
    return DYNO_OK;
  bool wants_dense = tensor->dtype != DYNO_NONE || source->form == DYNO_SOURCE_TRANSPOSED ||
                     dyno_tensor_role_is_vector(source->tensor.role);
  snprintf(message, sizeof message, "has type %s, which is unsupported%s", tensor->type_name,
           wants_dense ? " here: F32, F16 and BF16 are"
                       : ": F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q4_K, Q5_K, Q6_K and MXFP4 "
                         "are");
  return reject(in, tensor, DYNO_ERROR_UNSUPPORTED, message);
}

/* The shapes that the role and the dialect's row imply. */
static dyno_status check_source(const search *in, const dyno_source *source,
                                const dyno_dialect_row *row)
{
  uint64_t shape[4];
  size_t rank = 0;
  if (dyno_tensor_role_has_experts(row->role))
    shape[rank++] = source->tensor.groups;
  size_t first = source->source_rows, second = source->columns;
  if (row->transposed)
    first = source->columns, second = source->source_rows;
  shape[rank++] = first;
  if (source->form == DYNO_SOURCE_SPLIT) {
    shape[rank++] = second / 32;
    dyno_status status = check_shape(in, source->scales, shape, rank);
    if (status == DYNO_OK)
      status = check_type(in, source->scales, source);
    if (status != DYNO_OK)
      return status;
    shape[rank++] = 16;
  } else if (!dyno_tensor_role_is_vector(row->role)) {
    shape[rank++] = second;
  }
  dyno_status status = check_shape(in, source->file_tensor, shape, rank);
  return status != DYNO_OK ? status : check_type(in, source->file_tensor, source);
}

static bool is_aligned(const void *data, dyno_dtype dtype)
{
  const dyno_dtype_info *info = dyno_dtype_get(dtype);
  return info->block_elements > 1 || (uintptr_t)data % info->block_bytes == 0;
}

/* Rows that lie in the file as they are wanted are used in place. */
static void set_data(dyno_source *source)
{
  bool in_order =
      source->step == 1 && (source->tensor.groups == 1 || source->source_rows == source->rows);
  size_t row_bytes = dyno_row_bytes(source->tensor.dtype, source->columns);
  const uint8_t *data = source->file_tensor->data + source->offset * row_bytes;
  if (source->form == DYNO_SOURCE_PLAIN && in_order && is_aligned(data, source->tensor.dtype))
    source->tensor.data = data;
}

static dyno_source_form form_of(const dyno_dialect_row *row, const dyno_file_tensor *tensor)
{
  if (row->scales != NULL)
    return DYNO_SOURCE_SPLIT;
  if (row->transposed)
    return DYNO_SOURCE_TRANSPOSED;
  return tensor->openai_nibbles ? DYNO_SOURCE_NIBBLES : DYNO_SOURCE_PLAIN;
}

/* Gate and up are known to alternate in Ollama's files only. */
static dyno_status check_fusion(const search *in, const dyno_file_tensor *tensor,
                                const dyno_dialect_row *row)
{
  bool alternates = row->selection == DYNO_ROWS_EVEN || row->selection == DYNO_ROWS_ODD;
  if (!alternates || in->architecture == NULL || strcmp(in->architecture, "gptoss") == 0)
    return DYNO_OK;
  return reject(in, tensor, DYNO_ERROR_UNSUPPORTED,
                "holds gate and up in an order that is unknown for this architecture: convert "
                "the model again with them apart");
}

/* Fills the source from what a dialect's row has led to. */
static dyno_status adopt(search *in, dyno_source *source, const dyno_dialect_row *row,
                         dyno_file_tensor *tensor, dyno_file_tensor *scales)
{
  const dyno_model_config *config = &in->checkpoint->config;
  bool vector = dyno_tensor_role_is_vector(row->role);
  source->form = form_of(row, tensor);
  source->file_tensor = tensor;
  source->scales = scales;
  dyno_dialect_name(source->source_name, row->name, source->tensor.layer);
  source->rows = vector ? source->tensor.k : source->tensor.n;
  source->columns = vector ? 1 : source->tensor.k;
  dyno_select_rows(&source->source_rows, &source->offset, &source->step, row->selection,
                   source->rows, config);
  tensor->used = true;
  if (scales != NULL)
    scales->used = true;

  dyno_status status = check_fusion(in, tensor, row);
  if (status == DYNO_OK)
    status = check_source(in, source, row);
  if (status != DYNO_OK)
    return status;
  source->tensor.dtype = source->form == DYNO_SOURCE_SPLIT ? DYNO_MXFP4 : tensor->dtype;
  source->tensor.row_bytes = dyno_row_bytes(source->tensor.dtype, source->tensor.k);
  if (source->tensor.row_bytes == 0)
    return reject(in, tensor, DYNO_ERROR_FORMAT, "has rows that are not whole blocks of 32");
  set_data(source);
  return DYNO_OK;
}

/* Whether the row's tensor is in the file. With scales both must be; one without the other is
 * left to be found missing. */
static bool find_row(dyno_file_tensor **tensor, dyno_file_tensor **scales, const search *in,
                     const dyno_dialect_row *row, size_t layer)
{
  char name[DYNO_TENSOR_NAME];
  *tensor = *scales = NULL;
  if (dyno_dialect_name(name, row->name, layer))
    *tensor = dyno_tensor_table_find(&in->checkpoint->table, name);
  if (row->scales != NULL && dyno_dialect_name(name, row->scales, layer))
    *scales = dyno_tensor_table_find(&in->checkpoint->table, name);
  return *tensor != NULL && (row->scales == NULL || *scales != NULL);
}

static bool is_folder(const char *path)
{
  struct stat kind;
  return stat(path, &kind) == 0 && S_ISDIR(kind.st_mode);
}

/* The row of ggml-org's names for a role: they are those of the logical tensors too. */
static const dyno_dialect_row *logical_row(dyno_tensor_role role)
{
  const dyno_dialect_row *row = dyno_dialect_ggml_org.rows;
  while (row->role != role)
    row++;
  return row;
}

static dyno_status resolve_packed(search *in, dyno_source *source)
{
  dyno_checkpoint *checkpoint = in->checkpoint;
  const char *name = source->tensor.name;
  dyno_file_tensor *file_tensor = dyno_tensor_table_find(&checkpoint->table, name);
  const dyno_packed_tensor *described = dyno_packed_find(checkpoint->packed, name);
  if (file_tensor == NULL || described == NULL)
    return dyno_fail(in->error, DYNO_ERROR_FORMAT, "%s: tensor '%s' is missing", checkpoint->path,
                     name);
  source->file_tensor = file_tensor;
  dyno_status status =
      dyno_packed_check_source(checkpoint, source, file_tensor, described, in->error);
  if (status != DYNO_OK)
    return status;
  if (described->layout == dyno_layout_rows(described->layout->dtype))
    return adopt(in, source, logical_row(source->tensor.role), file_tensor, NULL);
  dyno_packed_adopt(source, file_tensor, described);
  return DYNO_OK;
}

/* All names a tensor may have, for the message that none is there. */
static dyno_status missing(const search *in, dyno_tensor_role role, size_t layer)
{
  char names[400] = "", name[DYNO_TENSOR_NAME];
  for (size_t i = 0; i < DYNO_DIALECT_COUNT; i++) {
    const dyno_dialect *dialect = dyno_dialects[i];
    if (dialect->container != in->checkpoint->table.container)
      continue;
    for (size_t j = 0; j < dialect->row_count; j++) {
      size_t length = strlen(names);
      if (dialect->rows[j].role == role && dyno_dialect_name(name, dialect->rows[j].name, layer) &&
          strstr(names, name) == NULL)
        snprintf(names + length, sizeof names - length, "%s'%s'", length > 0 ? " or " : "", name);
    }
  }
  bool lone = in->checkpoint->table.container == DYNO_CONTAINER_SAFETENSORS &&
              !is_folder(in->checkpoint->path);
  return dyno_fail(
      in->error, DYNO_ERROR_FORMAT, "%s: tensor %s is missing%s", in->checkpoint->path, names,
      lone ? "; if this is one part of a model in several files, give their folder" : "");
}

static dyno_status resolve(search *in, dyno_tensor_role role, size_t layer)
{
  dyno_checkpoint *checkpoint = in->checkpoint;
  dyno_source *source = &checkpoint->sources[index_of(role, layer)];
  dyno_tensor *tensor = &source->tensor;
  tensor->role = role;
  tensor->layer = layer;
  dyno_tensor_role_shape(&tensor->groups, &tensor->n, &tensor->k, role, &checkpoint->config);
  dyno_dialect_name(tensor->name, logical_row(role)->name, layer);
  if (checkpoint->packed != NULL)
    return resolve_packed(in, source);

  bool found = false;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < DYNO_DIALECT_COUNT; i++) {
    const dyno_dialect *dialect = dyno_dialects[i];
    for (size_t j = 0; j < dialect->row_count; j++) {
      const dyno_dialect_row *row = &dialect->rows[j];
      dyno_file_tensor *file_tensor, *scales;
      if (dialect->container != checkpoint->table.container || row->role != role ||
          !find_row(&file_tensor, &scales, in, row, layer))
        continue;
      in->matches[i]++;
      if (!found)
        status = adopt(in, source, row, file_tensor, scales);
      found = true;
      break;
    }
  }
  return found ? status : missing(in, role, layer);
}

/* A head that is tied is the embedding under its own name, unless the file stores it anyway. */
static dyno_status resolve_head(search *in)
{
  dyno_checkpoint *checkpoint = in->checkpoint;
  dyno_error ignored;
  search quiet = *in;
  quiet.error = &ignored;
  dyno_status status = resolve(&quiet, DYNO_TENSOR_HEAD, 0);
  dyno_source *head = &checkpoint->sources[index_of(DYNO_TENSOR_HEAD, 0)];
  if (status == DYNO_OK || head->file_tensor != NULL)
    return resolve(in, DYNO_TENSOR_HEAD, 0);
  dyno_tensor tensor = head->tensor;
  *head = checkpoint->sources[index_of(DYNO_TENSOR_EMBEDDING, 0)];
  head->tensor.role = DYNO_TENSOR_HEAD;
  memcpy(head->tensor.name, tensor.name, sizeof tensor.name);
  for (size_t i = 0; i < DYNO_DIALECT_COUNT; i++)
    in->matches[i]++;
  return DYNO_OK;
}

static dyno_status resolve_all(search *in)
{
  dyno_checkpoint *checkpoint = in->checkpoint;
  dyno_status status = DYNO_OK;
  for (dyno_tensor_role role = 0; role < DYNO_TENSOR_FIRST_OF_LAYER && status == DYNO_OK; role++)
    status = role == DYNO_TENSOR_HEAD && checkpoint->config.tied_head ? resolve_head(in)
                                                                      : resolve(in, role, 0);
  for (size_t layer = 0; layer < checkpoint->config.layers; layer++)
    for (dyno_tensor_role role = DYNO_TENSOR_FIRST_OF_LAYER;
         role < DYNO_TENSOR_ROLE_COUNT && status == DYNO_OK; role++)
      status = resolve(in, role, layer);
  return status;
}

/* Whatever nobody asked for may change what the model computes. */
static dyno_status check_unused(const search *in)
{
  const dyno_tensor_table *table = &in->checkpoint->table;
  for (size_t i = 0; i < table->count; i++) {
    char message[160];
    if (table->tensors[i].used)
      continue;
    snprintf(message, sizeof message,
             "(%s) is unknown: a gpt-oss model of %zu layers has no such tensor",
             table->tensors[i].type_name, in->checkpoint->config.layers);
    return reject(in, &table->tensors[i], DYNO_ERROR_UNSUPPORTED, message);
  }
  return DYNO_OK;
}

static const char *name_dialect(const search *in)
{
  if (in->checkpoint->packed != NULL)
    return "dyno, packed";
  for (size_t i = 0; i < DYNO_DIALECT_COUNT; i++)
    if (in->matches[i] == in->checkpoint->source_count)
      return dyno_dialects[i]->name;
  return in->checkpoint->table.container == DYNO_CONTAINER_GGUF ? "gguf, mixed names"
                                                                : "safetensors, mixed names";
}

static dyno_status find_sources(dyno_checkpoint *checkpoint, dyno_error *error)
{
  char architecture[16] = "";
  search in = {.checkpoint = checkpoint, .error = error};
  if (checkpoint->table.gguf != NULL) {
    dyno_span name;
    dyno_status status =
        dyno_gguf_get_string(&name, checkpoint->table.gguf, "general.architecture", error);
    if (status != DYNO_OK)
      return status;
    memcpy(architecture, name.bytes, name.size < 15 ? name.size : 15);
    in.architecture = architecture;
  }
  checkpoint->source_count = index_of(DYNO_TENSOR_FIRST_OF_LAYER, checkpoint->config.layers);
  checkpoint->sources = calloc(checkpoint->source_count, sizeof *checkpoint->sources);
  if (checkpoint->sources == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", checkpoint->path);
  dyno_status status = resolve_all(&in);
  if (checkpoint->packed != NULL)
    dyno_tensor_table_find(&checkpoint->table, DYNO_PACKED_CHECKSUMS)->used = true;
  if (status == DYNO_OK && checkpoint->packed != NULL)
    status = dyno_packed_check_screen(checkpoint, error);
  if (status == DYNO_OK)
    status = check_unused(&in);
  checkpoint->dialect = name_dialect(&in);
  return status;
}

/* The folder the weights are in. To be freed. */
static char *folder_of(const char *path)
{
  if (is_folder(path))
    return strdup(path);
  const char *slash = strrchr(path, '/');
  return slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
}

static dyno_status hash_config(dyno_checkpoint *checkpoint, const char *path, dyno_error *error)
{
  dyno_mapped_file file;
  dyno_status status = dyno_mapped_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  XXH128_hash_t hash = XXH3_128bits(file.bytes, file.size);
  checkpoint->config_hash[0] = hash.low64;
  checkpoint->config_hash[1] = hash.high64;
  dyno_mapped_file_close(&file);
  return DYNO_OK;
}

/* Hugging Face keeps the tokenizer beside the weights; OpenAI's original/ has it one folder up. */
static dyno_status find_tokenizer(dyno_checkpoint *checkpoint, const char *folder,
                                  dyno_error *error)
{
  static const char *const names[] = {"tokenizer.json", "../tokenizer.json"};
  for (size_t i = 0; i < 2; i++) {
    char *path = dyno_join_path(folder, names[i]);
    if (path == NULL)
      return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", folder);
    if (access(path, R_OK) == 0) {
      checkpoint->tokenizer_path = path;
      return DYNO_OK;
    }
    free(path);
  }
  return DYNO_OK;
}

static dyno_status read_config(dyno_checkpoint *checkpoint, dyno_error *error)
{
  if (checkpoint->packed != NULL)
    return dyno_config_read_packed(&checkpoint->config, checkpoint->table.gguf, error);
  if (checkpoint->table.gguf != NULL)
    return dyno_config_read_gguf(&checkpoint->config, checkpoint->table.gguf, error);
  char *folder = folder_of(checkpoint->path);
  char *path = folder != NULL ? dyno_join_path(folder, "config.json") : NULL;
  dyno_status status = DYNO_OK;
  if (path == NULL)
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", checkpoint->path);
  if (status == DYNO_OK)
    status = dyno_config_read_json(&checkpoint->config, path, error);
  if (status == DYNO_OK)
    status = hash_config(checkpoint, path, error);
  if (status == DYNO_OK)
    status = find_tokenizer(checkpoint, folder, error);
  free(path);
  free(folder);
  return status;
}

static dyno_status recognize_packed(dyno_checkpoint *checkpoint, dyno_error *error)
{
  const dyno_gguf *gguf = checkpoint->table.gguf;
  return gguf != NULL && dyno_packed_recognize(gguf)
             ? dyno_packed_open(&checkpoint->packed, gguf, error)
             : DYNO_OK;
}

dyno_status dyno_checkpoint_open(dyno_checkpoint **checkpoint, const char *path, dyno_error *error)
{
  *checkpoint = calloc(1, sizeof **checkpoint);
  if (*checkpoint == NULL || ((*checkpoint)->path = strdup(path)) == NULL) {
    dyno_checkpoint_close(checkpoint);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  dyno_status status = dyno_tensor_table_open(&(*checkpoint)->table, path, error);
  if (status == DYNO_OK)
    status = recognize_packed(*checkpoint, error);
  if (status == DYNO_OK)
    status = read_config(*checkpoint, error);
  if (status == DYNO_OK)
    status = find_sources(*checkpoint, error);
  if (status != DYNO_OK)
    dyno_checkpoint_close(checkpoint);
  return status;
}

void dyno_checkpoint_close(dyno_checkpoint **checkpoint)
{
  if (*checkpoint == NULL)
    return;
  dyno_packed_close(&(*checkpoint)->packed);
  dyno_tensor_table_close(&(*checkpoint)->table);
  free((*checkpoint)->sources);
  free((*checkpoint)->tokenizer_path);
  free((*checkpoint)->path);
  free(*checkpoint);
  *checkpoint = NULL;
}

const dyno_model_config *dyno_checkpoint_config(const dyno_checkpoint *checkpoint)
{
  return &checkpoint->config;
}

const char *dyno_checkpoint_dialect(const dyno_checkpoint *checkpoint)
{
  return checkpoint->dialect;
}

const char *dyno_checkpoint_path(const dyno_checkpoint *checkpoint)
{
  return checkpoint->path;
}

uint64_t dyno_checkpoint_file_bytes(const dyno_checkpoint *checkpoint)
{
  uint64_t bytes = 0;
  for (size_t i = 0; i < dyno_tensor_table_file_count(&checkpoint->table); i++)
    bytes += dyno_tensor_table_file(&checkpoint->table, i)->size;
  return bytes;
}

const dyno_tensor *dyno_checkpoint_tensor(const dyno_checkpoint *checkpoint, dyno_tensor_role role,
                                          size_t layer)
{
  return &checkpoint->sources[index_of(role, layer)].tensor;
}

size_t dyno_checkpoint_tensor_count(const dyno_checkpoint *checkpoint)
{
  return checkpoint->source_count;
}

const dyno_tensor *dyno_checkpoint_tensor_at(const dyno_checkpoint *checkpoint, size_t index)
{
  return &checkpoint->sources[index].tensor;
}

const dyno_gguf *dyno_checkpoint_gguf(const dyno_checkpoint *checkpoint)
{
  return checkpoint->table.gguf;
}

const char *dyno_checkpoint_tokenizer_path(const dyno_checkpoint *checkpoint)
{
  return checkpoint->tokenizer_path;
}

const dyno_packed *dyno_checkpoint_packed(const dyno_checkpoint *checkpoint)
{
  return checkpoint->packed;
}
