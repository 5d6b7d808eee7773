#include "runtime/model/tensor_table.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void take_gguf(dyno_file_tensor *to, const dyno_gguf *gguf, size_t index)
{
  const dyno_gguf_tensor *from = dyno_gguf_tensor_at(gguf, index);
  uint32_t rank = DYNO_GGUF_MAX_RANK;
  while (rank > 1 && from->dims[rank - 1] == 1)
    rank--;
  *to = (dyno_file_tensor){
      .name = from->name,
      .rank = rank,
      .dtype = from->type->dtype,
      .type_name = from->type->name,
      .openai_nibbles = from->type->id == DYNO_GGUF_MXFP4_OLLAMA,
      .file = dyno_gguf_file(gguf),
      .offset = from->offset,
      .bytes = from->bytes,
      .data = from->data,
  };
  for (uint32_t i = 0; i < rank; i++)
    to->shape[i] = from->dims[rank - 1 - i];
}

static void take_safetensors(dyno_file_tensor *to, const dyno_safetensors *tensors, size_t index)
{
  const dyno_safetensors_tensor *from = dyno_safetensors_at(tensors, index);
  *to = (dyno_file_tensor){
      .name = from->name,
      .rank = from->rank,
      .dtype = from->type->dtype,
      .type_name = from->type->name,
      .file = dyno_safetensors_file(tensors, from->file),
      .offset = from->offset,
      .bytes = from->bytes,
      .data = from->data,
  };
  memcpy(to->shape, from->shape, sizeof to->shape);
}

static int compare_tensors(const void *a, const void *b)
{
  const dyno_file_tensor *left = a, *right = b;
  return dyno_span_compare(left->name, right->name);
}

static dyno_status collect(dyno_tensor_table *table, const char *path, dyno_error *error)
{
  bool gguf = table->container == DYNO_CONTAINER_GGUF;
  table->count =
      gguf ? dyno_gguf_tensor_count(table->gguf) : dyno_safetensors_count(table->safetensors);
  table->tensors = calloc(table->count + 1, sizeof *table->tensors);
  if (table->tensors == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  for (size_t i = 0; i < table->count; i++) {
    if (gguf)
      take_gguf(&table->tensors[i], table->gguf, i);
    else
      take_safetensors(&table->tensors[i], table->safetensors, i);
  }
  qsort(table->tensors, table->count, sizeof *table->tensors, compare_tensors);
  return DYNO_OK;
}

/* A safetensors file begins with the length of its header and the header's '{'. */
static dyno_status guess_container(dyno_container *container, const char *path, dyno_error *error)
{
  dyno_mapped_file file;
  struct stat kind;
  *container = DYNO_CONTAINER_SAFETENSORS;
  if (stat(path, &kind) == 0 && S_ISDIR(kind.st_mode))
    return DYNO_OK;
  dyno_status status = dyno_mapped_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  if (file.size >= 4 && memcmp(file.bytes, "GGUF", 4) == 0)
    *container = DYNO_CONTAINER_GGUF;
  else if (file.size < 9 || file.bytes[8] != '{')
    status = dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: neither GGUF nor safetensors: it begins with neither's marks", path);
  dyno_mapped_file_close(&file);
  return status;
}

dyno_status dyno_tensor_table_open(dyno_tensor_table *table, const char *path, dyno_error *error)
{
  *table = (dyno_tensor_table){0};
  dyno_status status = guess_container(&table->container, path, error);
  if (status == DYNO_OK)
    status = table->container == DYNO_CONTAINER_GGUF
                 ? dyno_gguf_open(&table->gguf, path, error)
                 : dyno_safetensors_open(&table->safetensors, path, error);
  if (status == DYNO_OK)
    status = collect(table, path, error);
  if (status != DYNO_OK)
    dyno_tensor_table_close(table);
  return status;
}

void dyno_tensor_table_close(dyno_tensor_table *table)
{
  dyno_gguf_close(&table->gguf);
  dyno_safetensors_close(&table->safetensors);
  free(table->tensors);
  *table = (dyno_tensor_table){0};
}

static int compare_name(const void *name, const void *element)
{
  const dyno_file_tensor *tensor = element;
  return dyno_span_compare(*(const dyno_span *)name, tensor->name);
}

dyno_file_tensor *dyno_tensor_table_find(const dyno_tensor_table *table, const char *name)
{
  dyno_span wanted = dyno_span_of(name);
  return bsearch(&wanted, table->tensors, table->count, sizeof *table->tensors, compare_name);
}

size_t dyno_tensor_table_file_count(const dyno_tensor_table *table)
{
  return table->gguf != NULL ? 1 : dyno_safetensors_file_count(table->safetensors);
}

const dyno_mapped_file *dyno_tensor_table_file(const dyno_tensor_table *table, size_t index)
{
  return table->gguf != NULL ? dyno_gguf_file(table->gguf)
                             : dyno_safetensors_file(table->safetensors, index);
}

uint64_t dyno_tensor_table_head_bytes(const dyno_tensor_table *table, size_t index)
{
  uint64_t size = dyno_tensor_table_file(table, index)->size;
  uint64_t head = table->gguf != NULL ? dyno_gguf_data_offset(table->gguf)
                                      : dyno_safetensors_data_offset(table->safetensors, index);
  return head < size ? head : size;
}

char *dyno_shape_format(char text[DYNO_SHAPE_TEXT], const uint64_t *shape, size_t rank)
{
  size_t length = 0;
  text[length++] = '[';
  for (size_t i = 0; i < rank && length < DYNO_SHAPE_TEXT - 32; i++)
    length += (size_t)snprintf(text + length, DYNO_SHAPE_TEXT - length, "%s%" PRIu64,
                               i > 0 ? ", " : "", shape[i]);
  snprintf(text + length, DYNO_SHAPE_TEXT - length, "]");
  return text;
}
