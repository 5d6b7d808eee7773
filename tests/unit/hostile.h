/* What the tests with hostile model files share. */
#ifndef DYNO_TESTS_UNIT_HOSTILE_H
#define DYNO_TESTS_UNIT_HOSTILE_H

#include <stdbool.h>

#include "kernels/base/status.h"

/* Opens the model and reads all of it: vocabulary, hash and every weight. */
dyno_status hostile_read_model(const char *path, dyno_error *error);

/* Opens a GGUF file and reads its vocabulary. */
dyno_status hostile_read_vocabulary(const char *path, dyno_error *error);

/* Whether the error is about the file's content, and names the file. */
bool hostile_is_clear(const dyno_error *error, const char *path);

#endif
