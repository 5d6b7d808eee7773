/* Growing arrays of tokens and of bytes. Zero-initialise; free with _free, which leaves them empty
 * and usable. A failed push leaves the content as it was. */
#ifndef DYNO_RUNTIME_TEXT_BUFFER_H
#define DYNO_RUNTIME_TEXT_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct dyno_tokens {
  int32_t *ids; /* owned */
  size_t count, capacity;
} dyno_tokens;

/* Makes room for `more` further ids, so that pushes of so many cannot fail. */
dyno_status dyno_tokens_reserve(dyno_tokens *tokens, size_t more, dyno_error *error);
dyno_status dyno_tokens_push(dyno_tokens *tokens, int32_t id, dyno_error *error);
void dyno_tokens_free(dyno_tokens *tokens);

typedef struct dyno_bytes {
  char *data; /* owned; not terminated */
  size_t count, capacity;
} dyno_bytes;

dyno_status dyno_bytes_reserve(dyno_bytes *bytes, size_t more, dyno_error *error);
dyno_status dyno_bytes_append(dyno_bytes *bytes, const void *data, size_t count, dyno_error *error);
dyno_status dyno_bytes_append_string(dyno_bytes *bytes, const char *string, dyno_error *error);
void dyno_bytes_free(dyno_bytes *bytes);

#endif
