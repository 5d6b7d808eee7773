/* Bytes that grow. After a failed allocation everything that is appended is dropped, and `failed`
 * says so: one check at the end is enough. */
#ifndef DYNO_RUNTIME_MODEL_BYTE_BUFFER_H
#define DYNO_RUNTIME_MODEL_BYTE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dyno_byte_buffer {
  uint8_t *bytes; /* owned */
  size_t size, capacity;
  bool failed;
} dyno_byte_buffer;

void dyno_byte_buffer_append(dyno_byte_buffer *buffer, const void *bytes, size_t size);
void dyno_byte_buffer_append_u32(dyno_byte_buffer *buffer, uint32_t value);
void dyno_byte_buffer_append_u64(dyno_byte_buffer *buffer, uint64_t value);
void dyno_byte_buffer_append_text(dyno_byte_buffer *buffer, const char *text);

/* Frees and zeroes. */
void dyno_byte_buffer_free(dyno_byte_buffer *buffer);

#endif
