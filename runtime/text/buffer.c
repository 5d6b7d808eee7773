#include "config.h"

#include "runtime/text/buffer.h"

#include <stdlib.h>
#include <string.h>

/* The new array for count + more items, at least doubled so that pushes are cheap on average. */
static dyno_status grow(void **data, size_t *capacity, size_t count, size_t more, size_t item,
                        dyno_error *error)
{
  if (more <= *capacity - count)
    return DYNO_OK;
  size_t wanted;
  if (__builtin_add_overflow(count, more, &wanted))
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory: more items than can be counted");
  if (wanted < 2 * *capacity)
    wanted = 2 * *capacity;
  if (wanted < 64)
    wanted = 64;
  void *grown = reallocarray(*data, wanted, item);
  if (grown == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory for %zu items of %zu bytes", wanted,
                     item);
  *data = grown;
  *capacity = wanted;
  return DYNO_OK;
}

dyno_status dyno_tokens_reserve(dyno_tokens *tokens, size_t more, dyno_error *error)
{
  void *ids = tokens->ids;
  dyno_status status =
      grow(&ids, &tokens->capacity, tokens->count, more, sizeof *tokens->ids, error);
  tokens->ids = ids;
  return status;
}

dyno_status dyno_tokens_push(dyno_tokens *tokens, int32_t id, dyno_error *error)
{
  dyno_status status = dyno_tokens_reserve(tokens, 1, error);
  if (status == DYNO_OK)
    tokens->ids[tokens->count++] = id;
  return status;
}

void dyno_tokens_free(dyno_tokens *tokens)
{
  free(tokens->ids);
  *tokens = (dyno_tokens){0};
}

dyno_status dyno_bytes_reserve(dyno_bytes *bytes, size_t more, dyno_error *error)
{
  void *data = bytes->data;
  dyno_status status = grow(&data, &bytes->capacity, bytes->count, more, 1, error);
  bytes->data = data;
  return status;
}

dyno_status dyno_bytes_append(dyno_bytes *bytes, const void *data, size_t count, dyno_error *error)
{
  dyno_status status = dyno_bytes_reserve(bytes, count, error);
  if (status == DYNO_OK && count > 0) {
    memcpy(bytes->data + bytes->count, data, count);
    bytes->count += count;
  }
  return status;
}

dyno_status dyno_bytes_append_string(dyno_bytes *bytes, const char *string, dyno_error *error)
{
  return dyno_bytes_append(bytes, string, strlen(string), error);
}

void dyno_bytes_free(dyno_bytes *bytes)
{
  free(bytes->data);
  *bytes = (dyno_bytes){0};
}
