/* GGUF files: whatever the bytes, an error that names the file, or a model all of which can be
 * read. */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/model/checkpoint.h"
#include "runtime/model/gguf_vocabulary.h"
#include "tests/fuzz/target.h"

/* Bytes are read into it so that a sanitizer sees whether they are there. */
static volatile char last_byte;

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

/* Every getter on every entry. */
static void get_all(const dyno_gguf *gguf)
{
  for (size_t i = 0; i < dyno_gguf_entry_count(gguf); i++) {
    const dyno_gguf_entry *entry = dyno_gguf_entry_at(gguf, i);
    char key[256];
    if (entry->key.size >= sizeof key || memchr(entry->key.bytes, 0, entry->key.size) != NULL)
      continue;
    memcpy(key, entry->key.bytes, entry->key.size);
    key[entry->key.size] = '\0';
    FUZZ_REQUIRE(dyno_gguf_find(gguf, key) == entry);
    uint64_t integer;
    double number;
    bool truth;
    int64_t integers[4];
    size_t count = 0;
    dyno_span text, *texts = NULL;
    dyno_gguf_get_uint(&integer, gguf, key, NULL);
    dyno_gguf_get_float(&number, gguf, key, NULL);
    dyno_gguf_get_bool(&truth, gguf, key, NULL);
    dyno_gguf_get_string(&text, gguf, key, NULL);
    dyno_gguf_get_ints(integers, 4, gguf, key, NULL);
    if (dyno_gguf_get_strings(&texts, &count, gguf, key, NULL) == DYNO_OK)
      for (size_t j = 0; j < count; j++)
        if (texts[j].size > 0)
          last_byte = texts[j].bytes[texts[j].size - 1];
    free(texts);
  }
}

static void read_vocabulary(const dyno_gguf *gguf)
{
  dyno_gguf_vocabulary vocabulary;
  if (dyno_gguf_vocabulary_read(&vocabulary, gguf, NULL) != DYNO_OK)
    return;
  for (size_t i = 0; i < vocabulary.stop_count; i++)
    FUZZ_REQUIRE(vocabulary.stops[i] >= 0 && (size_t)vocabulary.stops[i] < vocabulary.count);
  dyno_gguf_vocabulary_free(&vocabulary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *path = put(data, size);
  dyno_error error = {0};
  dyno_gguf *gguf;
  if (dyno_gguf_open(&gguf, path, &error) != DYNO_OK) {
    FUZZ_REQUIRE(gguf == NULL && strstr(error.message, path) != NULL);
    return 0;
  }
  get_all(gguf);
  read_vocabulary(gguf);
  dyno_gguf_close(&gguf);

  dyno_checkpoint *checkpoint;
  if (dyno_checkpoint_open(&checkpoint, path, &error) != DYNO_OK) {
    FUZZ_REQUIRE(checkpoint == NULL && strstr(error.message, path) != NULL);
    return 0;
  }
  char hash[DYNO_CHECKPOINT_HASH_TEXT];
  dyno_checkpoint_hash(checkpoint, hash);
  dyno_status status = dyno_checkpoint_check_weights(checkpoint, NULL, NULL, &error);
  FUZZ_REQUIRE(status == DYNO_OK || status == DYNO_ERROR_FORMAT);
  dyno_checkpoint_close(&checkpoint);
  return 0;
}
