/* Packed files: whatever the bytes, an error that names the file, or a model all of which can be
 * read, and which runs. Every input is tried twice: as it is, and with the checksums of its head
 * made right, without which hardly a change would get past them. */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/engine.h"
#include "tests/fuzz/target.h"
#include "tests/unit/packed_fixture.h"

/* A file in memory that has a path. */
static const char *put(const uint8_t *data, size_t size)
{
  static int descriptor = -1;
  static char path[64];
  if (descriptor < 0)
    descriptor = memfd_create("fuzz", MFD_CLOEXEC);
  FUZZ_REQUIRE(descriptor >= 0 && ftruncate(descriptor, 0) == 0);
  FUZZ_REQUIRE(size == 0 || pwrite(descriptor, data, size, 0) == (ssize_t)size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  return path;
}

static void run_model(const char *path)
{
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.registry.threads = 1;
  options.batch = 2;
  dyno_engine *engine;
  dyno_sequence *sequence = NULL;
  dyno_error error = {0};
  if (dyno_engine_open(&engine, &options, &error) != DYNO_OK) {
    FUZZ_REQUIRE(engine == NULL && error.message[0] != '\0');
    return;
  }
  const int32_t tokens[2] = {0, 0};
  size_t room = dyno_engine_config(engine)->context_length < 2 ? 1 : 2;
  if (dyno_sequence_open(&sequence, engine, room, &error) == DYNO_OK)
    dyno_sequence_append(sequence, tokens, room, NULL, NULL, &error);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}

static void read_model(const char *path)
{
  dyno_error error = {0};
  dyno_checkpoint *checkpoint;
  if (dyno_checkpoint_open(&checkpoint, path, &error) != DYNO_OK) {
    FUZZ_REQUIRE(checkpoint == NULL && strstr(error.message, path) != NULL);
    return;
  }
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_checkpoint_hash(checkpoint, hash);
  const dyno_packed *packed = dyno_checkpoint_packed(checkpoint);
  dyno_status status = DYNO_OK;
  if (packed != NULL)
    status = dyno_packed_verify(packed, NULL, NULL, NULL, &error);
  FUZZ_REQUIRE(status == DYNO_OK || strstr(error.message, path) != NULL);
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    uint8_t *row = malloc(tensor->row_bytes);
    for (size_t g = 0; g < tensor->groups && row != NULL; g++)
      for (size_t n = 0; n < tensor->n; n++) {
        status = dyno_checkpoint_read_rows(checkpoint, row, tensor, g, n, n + 1, &error);
        FUZZ_REQUIRE(status == DYNO_OK || status == DYNO_ERROR_FORMAT);
      }
    free(row);
  }
  dyno_checkpoint_close(&checkpoint);
  run_model(path);
}

/* What does not begin like GGUF is taken for safetensors, whose target is another, and whose
 * errors may name the files beside it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 4 || memcmp(data, "GGUF", 4) != 0)
    return 0;
  const char *path = put(data, size);
  read_model(path);
  packed_seal(path);
  read_model(path);
  return 0;
}
