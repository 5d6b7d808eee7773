/* Cache files: whatever the bytes, an error that names the file and the offset, or records all of
 * which can be restored or refused. Every input is tried as it is, with the checksums of its head,
 * its index and its records made right, as a record, and as a block. */
#include "config.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/target.h"
#include "tests/unit/cache_fixture.h"

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

static void require_place(dyno_status status, const dyno_error *error)
{
  FUZZ_REQUIRE(status == DYNO_OK || strstr(error->message, "offset ") != NULL);
}

static void restore(const dyno_node_view *view)
{
  static dyno_block_codec *codec;
  uint8_t block[CACHE_BLOCK];
  dyno_error error = {0};
  if (codec == NULL)
    FUZZ_REQUIRE(dyno_block_codec_open(&codec, CACHE_ELEMENT, CACHE_BLOCK, NULL) == DYNO_OK);
  for (size_t layer = 0; layer < CACHE_LAYERS; layer++)
    require_place(dyno_node_view_restore(view, codec, block, layer, &error), &error);
}

static void read_file(const char *path)
{
  dyno_error error = {0};
  dyno_cache_file *file;
  dyno_status status = dyno_cache_file_open(&file, path, cache_identity, &cache_shape, &error);
  if (status != DYNO_OK) {
    FUZZ_REQUIRE(file == NULL && strstr(error.message, path) != NULL);
    require_place(status, &error);
    return;
  }
  for (size_t i = 0; i < dyno_cache_file_count(file); i++) {
    uint8_t *bytes = malloc(dyno_cache_file_at(file, i)->bytes);
    dyno_node_view view;
    FUZZ_REQUIRE(bytes != NULL);
    status = dyno_cache_file_read(&view, bytes, file, i, &error);
    require_place(status, &error);
    if (status == DYNO_OK)
      restore(&view);
    free(bytes);
  }
  dyno_cache_file_close(&file);
}

static void read_record(const uint8_t *data, size_t size)
{
  dyno_error error = {0};
  dyno_node_view view;
  uint8_t *bytes = malloc(size > 0 ? size : 1); /* aligned */
  FUZZ_REQUIRE(bytes != NULL);
  memcpy(bytes, data, size);
  size_t count = size > 0 ? bytes[size - 1] : 0;
  dyno_status status = dyno_node_view_open(&view, &cache_shape, bytes, size, 0, count, &error);
  require_place(status, &error);
  if (status == DYNO_OK)
    restore(&view);
  free(bytes);
}

static void read_block(const uint8_t *data, size_t size)
{
  for (size_t element = 1; element <= 4; element *= 2) {
    dyno_block_codec *codec;
    dyno_error error = {0};
    uint8_t block[64], encoded[64 + DYNO_BLOCK_HEADER_BYTES];
    FUZZ_REQUIRE(dyno_block_codec_open(&codec, element, sizeof block, NULL) == DYNO_OK);
    require_place(dyno_block_decode(codec, block, data, size, 0, &error), &error);
    if (size >= sizeof block) {
      uint8_t back[sizeof block];
      size_t made = dyno_block_encode(codec, encoded, data);
      FUZZ_REQUIRE(dyno_block_decode(codec, back, encoded, made, 0, &error) == DYNO_OK);
      FUZZ_REQUIRE(memcmp(back, data, sizeof back) == 0);
    }
    dyno_block_codec_close(&codec);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *path = put(data, size);
  read_file(path);
  read_record(data, size);
  read_block(data, size);
  uint8_t *sealed = malloc(size > 0 ? size : 1);
  FUZZ_REQUIRE(sealed != NULL);
  memcpy(sealed, data, size);
  cache_seal(sealed, size, true);
  read_file(put(sealed, size));
  free(sealed);
  return 0;
}
