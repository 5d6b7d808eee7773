#include "runtime/model/packed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "kernels/sampling/screen.h"
#include "kernels/table.h"
#include "runtime/model/dialect.h"
#include "runtime/model/gguf_internal.h"
#include "runtime/model/packed_internal.h"

static const char *path_of(const dyno_packed *packed)
{
  return dyno_gguf_file(packed->gguf)->path;
}

bool dyno_packed_role_has_layout(dyno_tensor_role role)
{
  return role != DYNO_TENSOR_EMBEDDING && role != DYNO_TENSOR_ROUTER_WEIGHT &&
         !dyno_tensor_role_is_vector(role);
}

bool dyno_packed_recognize(const dyno_gguf *gguf)
{
  dyno_span architecture;
  return dyno_gguf_get_string(&architecture, gguf, "general.architecture", NULL) == DYNO_OK &&
         dyno_span_equal(architecture, dyno_span_of(DYNO_PACKED_ARCHITECTURE));
}

char *dyno_packed_remedy(char text[DYNO_PACKED_REMEDY], const dyno_packed *packed)
{
  char source[DYNO_QUOTED_TEXT];
  dyno_span_quote(source, packed->source);
  snprintf(text, DYNO_PACKED_REMEDY, "pack the model again: dyno pack --model %s -o %s",
           packed->source.size > 0 ? source : "MODEL", path_of(packed));
  return text;
}

/* What is wrong when a checksum does not match. */
static dyno_status damaged(const dyno_packed *packed, uint64_t offset, const char *what,
                           dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT,
                   "%s: offset %" PRIu64 ": %s: the file is damaged; pack the model again",
                   path_of(packed), offset, what);
}

static dyno_status read_version(const dyno_packed *packed, dyno_error *error)
{
  uint64_t version;
  dyno_status status = dyno_packed_required(
      dyno_gguf_get_uint(&version, packed->gguf, DYNO_PACKED_KEY_VERSION, error), error);
  if (status != DYNO_OK || version == DYNO_PACKED_VERSION)
    return status;
  return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                   "%s: a packed file of version %" PRIu64
                   ", and this dyno reads version %d: pack the model again",
                   path_of(packed), version, DYNO_PACKED_VERSION);
}

/* The last tensor: the checksum of the head, that of each tensor before it, and that of these
 * checksums. */
static dyno_status read_checksums(const dyno_packed *packed, dyno_error *error)
{
  const dyno_gguf *gguf = packed->gguf;
  const dyno_gguf_tensor *tensor = dyno_gguf_tensor_at(gguf, packed->count);
  if (!dyno_span_equal(tensor->name, dyno_span_of(DYNO_PACKED_CHECKSUMS)))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: the last tensor is not '%s'", path_of(packed),
                     DYNO_PACKED_CHECKSUMS);
  uint64_t values = (uint64_t)packed->count + 2;
  if (strcmp(tensor->type->name, "I64") != 0 || tensor->bytes != values * sizeof(uint64_t))
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: offset %" PRIu64 ": tensor '%s' holds %" PRIu64 " bytes of %s; %" PRIu64
                     " numbers of type I64 are wanted",
                     path_of(packed), tensor->offset, DYNO_PACKED_CHECKSUMS, tensor->bytes,
                     tensor->type->name, values);
  const uint8_t *table = tensor->data;
  size_t last = (packed->count + 1) * sizeof(uint64_t);
  if (XXH3_64bits(table, last) != dyno_load_u64(table + last))
    return damaged(packed, tensor->offset, "the checksums do not have their own checksum", error);
  if (XXH3_64bits(dyno_gguf_file(gguf)->bytes, (size_t)dyno_gguf_data_offset(gguf)) !=
      dyno_load_u64(table))
    return damaged(packed, 0, "metadata and tensor table do not have their checksum", error);
  for (size_t i = 0; i < packed->count; i++)
    packed->tensors[i].checksum = dyno_load_u64(table + (i + 1) * sizeof(uint64_t));
  return DYNO_OK;
}

static dyno_status read_origin(dyno_packed *packed, dyno_error *error)
{
  dyno_span hash;
  dyno_status status =
      dyno_gguf_get_string(&packed->source, packed->gguf, DYNO_PACKED_KEY_SOURCE, error);
  if (status == DYNO_OK)
    status = dyno_gguf_get_string(&hash, packed->gguf, DYNO_PACKED_KEY_MODEL_HASH, error);
  if (status != DYNO_OK)
    return dyno_packed_required(status, error);
  size_t digits = 0;
  while (digits < hash.size && strchr("0123456789abcdef", hash.bytes[digits]) != NULL &&
         hash.bytes[digits] != '\0')
    digits++;
  if (hash.size != sizeof packed->model_hash - 1 || digits != hash.size) {
    char quoted[DYNO_QUOTED_TEXT];
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: metadata '%s' is '%s'; %zu hexadecimal digits are wanted",
                     path_of(packed), DYNO_PACKED_KEY_MODEL_HASH, dyno_span_quote(quoted, hash),
                     sizeof packed->model_hash - 1);
  }
  memcpy(packed->model_hash, hash.bytes, hash.size);
  return DYNO_OK;
}

static dyno_status read_shapes(const dyno_packed *packed, dyno_error *error)
{
  int64_t *shapes = calloc(3 * packed->count + 1, sizeof *shapes);
  if (shapes == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path_of(packed));
  dyno_status status =
      dyno_gguf_get_ints(shapes, 3 * packed->count, packed->gguf, DYNO_PACKED_KEY_SHAPES, error);
  for (size_t i = 0; i < packed->count && status == DYNO_OK; i++) {
    packed->tensors[i].groups = (uint64_t)shapes[3 * i];
    packed->tensors[i].n = (uint64_t)shapes[3 * i + 1];
    packed->tensors[i].k = (uint64_t)shapes[3 * i + 2];
  }
  free(shapes);
  return dyno_packed_required(status, error);
}

/* A layout's name ends in its version, so that an old one is an unknown one. */
static dyno_status find_layout(const dyno_packed *packed, size_t index, dyno_span name,
                               dyno_error *error)
{
  char text[64] = "";
  dyno_span of = dyno_gguf_tensor_at(packed->gguf, index)->name;
  if (dyno_span_equal(of, dyno_span_of(DYNO_PACKED_SCREEN)) &&
      dyno_span_equal(name, dyno_span_of(DYNO_SCREEN_FORMAT)))
    return DYNO_OK;
  if (name.size < sizeof text)
    memcpy(text, name.bytes, name.size);
  const dyno_layout *layout = strlen(text) == name.size ? dyno_builtin_layout(text) : NULL;
  packed->tensors[index].layout = layout;
  if (layout != NULL)
    return DYNO_OK;
  char tensor[DYNO_QUOTED_TEXT], quoted[DYNO_QUOTED_TEXT], remedy[DYNO_PACKED_REMEDY];
  return dyno_fail(
      error, DYNO_ERROR_UNSUPPORTED,
      "%s: tensor '%s' is in the layout '%s', which this build of dyno does not know: %s",
      path_of(packed), dyno_span_quote(tensor, of), dyno_span_quote(quoted, name),
      dyno_packed_remedy(remedy, packed));
}

static dyno_status read_layouts(const dyno_packed *packed, dyno_error *error)
{
  dyno_span *names;
  size_t count;
  dyno_status status = dyno_packed_required(
      dyno_gguf_get_strings(&names, &count, packed->gguf, DYNO_PACKED_KEY_LAYOUTS, error), error);
  if (status != DYNO_OK)
    return status;
  if (count != packed->count)
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "%s: metadata '%s' has %zu values for %zu tensors",
                       path_of(packed), DYNO_PACKED_KEY_LAYOUTS, count, packed->count);
  for (size_t i = 0; i < packed->count && status == DYNO_OK; i++)
    status = find_layout(packed, i, names[i], error);
  free(names);
  return status;
}

static dyno_status read_all(dyno_packed *packed, dyno_error *error)
{
  dyno_status status = read_version(packed, error);
  if (status == DYNO_OK)
    status = read_checksums(packed, error);
  if (status == DYNO_OK)
    status = read_origin(packed, error);
  if (status == DYNO_OK)
    status = read_shapes(packed, error);
  return status == DYNO_OK ? read_layouts(packed, error) : status;
}

dyno_status dyno_packed_open(dyno_packed **packed, const dyno_gguf *gguf, dyno_error *error)
{
  size_t tensors = dyno_gguf_tensor_count(gguf);
  *packed = NULL;
  if (tensors == 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: there are no tensors in it",
                     dyno_gguf_file(gguf)->path);
  dyno_packed *made = calloc(1, sizeof *made);
  if (made != NULL)
    made->tensors = calloc(tensors, sizeof *made->tensors);
  if (made == NULL || made->tensors == NULL) {
    free(made);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", dyno_gguf_file(gguf)->path);
  }
  made->gguf = gguf;
  made->count = tensors - 1;
  dyno_status status = read_all(made, error);
  if (status != DYNO_OK)
    dyno_packed_close(&made);
  *packed = made;
  return status;
}

void dyno_packed_close(dyno_packed **packed)
{
  if (*packed == NULL)
    return;
  free((*packed)->tensors);
  free(*packed);
  *packed = NULL;
}

const dyno_packed_tensor *dyno_packed_find(const dyno_packed *packed, const char *name)
{
  const dyno_gguf_tensor *tensor = dyno_gguf_find_tensor(packed->gguf, name);
  if (tensor == NULL)
    return NULL;
  size_t index = (size_t)(tensor - dyno_gguf_tensor_at(packed->gguf, 0));
  return index < packed->count ? &packed->tensors[index] : NULL;
}

const void *dyno_packed_screen(const dyno_packed *packed)
{
  const dyno_gguf_tensor *tensor = dyno_gguf_find_tensor(packed->gguf, DYNO_PACKED_SCREEN);
  return tensor != NULL ? tensor->data : NULL;
}

const char *dyno_packed_model_hash(const dyno_packed *packed)
{
  return packed->model_hash;
}
