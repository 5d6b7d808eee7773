/* The tensors of a packed file as sources of logical tensors. Opening the GGUF file has seen that
 * their extents lie in it and share nothing, and dyno_packed_open that the head is as it was
 * written; here it is compared with what the configuration implies all the same. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/checked.h"
#include "kernels/sampling/screen.h"
#include "runtime/model/checkpoint_internal.h"
#include "runtime/model/packed_internal.h"

/* "FILE: offset N: tensor 'NAME' MESSAGE". */
__attribute__((format(printf, 4, 5))) static dyno_status reject(const dyno_checkpoint *checkpoint,
                                                                const dyno_file_tensor *tensor,
                                                                dyno_error *error,
                                                                const char *format, ...)
{
  char quoted[DYNO_QUOTED_TEXT], message[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: offset %" PRIu64 ": tensor '%s' %s",
                   checkpoint->path, tensor->offset, dyno_span_quote(quoted, tensor->name),
                   message);
}

/* What only a tensor that is not in plain rows has to be. */
static dyno_status check_packed(const dyno_checkpoint *checkpoint, const dyno_source *source,
                                const dyno_file_tensor *file_tensor, const dyno_layout *layout,
                                dyno_error *error)
{
  const dyno_tensor *tensor = &source->tensor;
  uint64_t all;
  if (!dyno_packed_role_has_layout(tensor->role))
    return reject(checkpoint, file_tensor, error,
                  "is in the layout %s, but only plain rows are of use for it", layout->name);
  if (dyno_row_bytes(layout->dtype, tensor->k) == 0)
    return reject(checkpoint, file_tensor, error,
                  "is in the layout %s, but its rows of %zu are not whole blocks", layout->name,
                  tensor->k);
  if (strcmp(file_tensor->type_name, "I8") != 0)
    return reject(checkpoint, file_tensor, error, "is in the layout %s, but has type %s, not I8",
                  layout->name, file_tensor->type_name);
  /* config.c keeps n and k at 2^24 and below: a group's bytes are far from wrapping. */
  uint64_t bytes = layout->bytes(layout, tensor->n, tensor->k);
  if (!dyno_checked_multiply(&all, bytes, tensor->groups) || file_tensor->bytes != all)
    return reject(checkpoint, file_tensor, error,
                  "has %" PRIu64 " bytes, but %zu x %zu x %zu in the layout %s are another number",
                  file_tensor->bytes, tensor->groups, tensor->n, tensor->k, layout->name);
  if ((uintptr_t)file_tensor->data % layout->alignment != 0 || bytes % layout->alignment != 0)
    return reject(checkpoint, file_tensor, error,
                  "does not begin at a multiple of the %zu bytes that the layout %s asks for",
                  layout->alignment, layout->name);
  return DYNO_OK;
}

dyno_status dyno_packed_check_source(const dyno_checkpoint *checkpoint, const dyno_source *source,
                                     const dyno_file_tensor *file_tensor,
                                     const dyno_packed_tensor *described, dyno_error *error)
{
  const dyno_tensor *tensor = &source->tensor;
  const dyno_layout *layout = described->layout;
  if (described->groups != tensor->groups || described->n != tensor->n || described->k != tensor->k)
    return reject(checkpoint, file_tensor, error,
                  "is said to be %" PRIu64 " x %" PRIu64 " x %" PRIu64
                  ", but the configuration implies %zu x %zu x %zu",
                  described->groups, described->n, described->k, tensor->groups, tensor->n,
                  tensor->k);
  if (layout != dyno_layout_rows(layout->dtype))
    return check_packed(checkpoint, source, file_tensor, layout, error);
  if (file_tensor->dtype != layout->dtype)
    return reject(checkpoint, file_tensor, error, "has type %s, but its layout is said to be %s",
                  file_tensor->type_name, layout->name);
  return DYNO_OK;
}

dyno_status dyno_packed_check_screen(dyno_checkpoint *checkpoint, dyno_error *error)
{
  dyno_file_tensor *tensor = dyno_tensor_table_find(&checkpoint->table, DYNO_PACKED_SCREEN);
  if (tensor == NULL)
    return DYNO_OK;
  const dyno_packed_tensor *described = dyno_packed_find(checkpoint->packed, DYNO_PACKED_SCREEN);
  size_t n = checkpoint->config.vocab, k = checkpoint->config.d_model;
  if (described == NULL || described->layout != NULL)
    return reject(checkpoint, tensor, error, "is not in the form %s", DYNO_SCREEN_FORMAT);
  if (described->groups != 1 || described->n != n || described->k != k || k % DYNO_A8_BLOCK != 0)
    return reject(checkpoint, tensor, error,
                  "is said to be %" PRIu64 " x %" PRIu64 " x %" PRIu64
                  ", but the configuration implies 1 x %zu x %zu, in whole blocks of %d",
                  described->groups, described->n, described->k, n, k, DYNO_A8_BLOCK);
  if (strcmp(tensor->type_name, "I8") != 0 || tensor->bytes != dyno_screen_bytes(n, k) ||
      (uintptr_t)tensor->data % DYNO_SCREEN_LINE != 0)
    return reject(checkpoint, tensor, error,
                  "has %" PRIu64 " bytes of type %s; %zu of I8 are wanted, at a multiple of %d",
                  tensor->bytes, tensor->type_name, dyno_screen_bytes(n, k), DYNO_SCREEN_LINE);
  tensor->used = true;
  return DYNO_OK;
}

void dyno_packed_adopt(dyno_source *source, dyno_file_tensor *file_tensor,
                       const dyno_packed_tensor *described)
{
  dyno_tensor *tensor = &source->tensor;
  file_tensor->used = true;
  tensor->dtype = described->layout->dtype;
  tensor->row_bytes = dyno_row_bytes(tensor->dtype, tensor->k);
  tensor->layout = described->layout;
  tensor->packed = file_tensor->data;
  tensor->packed_bytes = (size_t)(file_tensor->bytes / tensor->groups);
  source->form = DYNO_SOURCE_PACKED;
  source->file_tensor = file_tensor;
  source->rows = source->source_rows = tensor->n;
  source->columns = tensor->k;
  source->step = 1;
  memcpy(source->source_name, tensor->name, sizeof tensor->name);
}
