#include "runtime/model/byte_buffer.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(dyno_byte_buffer *buffer, size_t size)
{
  if (buffer->failed || size > SIZE_MAX / 2 - buffer->size)
    return false;
  size_t needed = buffer->size + size;
  if (needed <= buffer->capacity)
    return true;
  size_t capacity = needed < 4096 ? 4096 : needed + needed / 2;
  uint8_t *longer = realloc(buffer->bytes, capacity);
  if (longer == NULL)
    return false;
  buffer->bytes = longer;
  buffer->capacity = capacity;
  return true;
}

void dyno_byte_buffer_append(dyno_byte_buffer *buffer, const void *bytes, size_t size)
{
  if (!make_room(buffer, size)) {
    buffer->failed = true;
    return;
  }
  if (size > 0)
    memcpy(buffer->bytes + buffer->size, bytes, size);
  buffer->size += size;
}

void dyno_byte_buffer_append_u32(dyno_byte_buffer *buffer, uint32_t value)
{
  dyno_byte_buffer_append(buffer, &value, sizeof value);
}

void dyno_byte_buffer_append_u64(dyno_byte_buffer *buffer, uint64_t value)
{
  dyno_byte_buffer_append(buffer, &value, sizeof value);
}

void dyno_byte_buffer_append_text(dyno_byte_buffer *buffer, const char *text)
{
  dyno_byte_buffer_append(buffer, text, strlen(text));
}

void dyno_byte_buffer_free(dyno_byte_buffer *buffer)
{
  free(buffer->bytes);
  *buffer = (dyno_byte_buffer){0};
}
