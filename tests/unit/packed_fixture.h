/* Packed files for tests: made of any model, and sealed again after somebody changed them. */
#ifndef DYNO_TESTS_UNIT_PACKED_FIXTURE_H
#define DYNO_TESTS_UNIT_PACKED_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/model/pack.h"
#include "runtime/model/packed.h"

/* Packs a model for a tier, with two threads. */
static inline dyno_status packed_make_as(const char *path, const char *model, dyno_isa isa,
                                         bool screen, dyno_error *error)
{
  dyno_checkpoint *checkpoint = NULL;
  dyno_registry *registry = NULL;
  dyno_pool *pool = NULL;
  const dyno_registry_options choice = {.isa = isa, .threads = 2};
  const dyno_pack_options options = {
      .source = "the test's model", .prefill_tokens = 64, .screen = screen};
  dyno_status status = dyno_checkpoint_open(&checkpoint, model, error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&registry, &choice, error);
  if (status == DYNO_OK)
    status = dyno_pool_open(&pool, 2, error);
  if (status == DYNO_OK)
    status = dyno_pack(path, NULL, checkpoint, registry, pool, &options, error);
  dyno_pool_close(&pool);
  dyno_registry_close(&registry);
  dyno_checkpoint_close(&checkpoint);
  return status;
}

static inline dyno_status packed_make(const char *path, const char *model, dyno_isa isa,
                                      dyno_error *error)
{
  return packed_make_as(path, model, isa, false, error);
}

/* Writes the checksums of the head and of the checksums anew, so that what was changed in them is
 * looked at. Leaves alone what is not GGUF, or has no place for them. */
static inline void packed_seal(const char *path)
{
  dyno_gguf *gguf = NULL;
  if (dyno_gguf_open(&gguf, path, NULL) != DYNO_OK)
    return;
  size_t count = dyno_gguf_tensor_count(gguf);
  const dyno_gguf_tensor *last = count > 0 ? dyno_gguf_tensor_at(gguf, count - 1) : NULL;
  if (last != NULL && last->bytes == (count + 1) * 8 &&
      dyno_span_equal(last->name, dyno_span_of(DYNO_PACKED_CHECKSUMS))) {
    uint64_t table[1024];
    if (count + 1 <= sizeof table / sizeof *table) {
      memcpy(table, last->data, last->bytes);
      table[0] = XXH3_64bits(dyno_gguf_file(gguf)->bytes, dyno_gguf_data_offset(gguf));
      table[count] = XXH3_64bits(table, count * 8);
      FILE *stream = fopen(path, "r+b");
      if (stream != NULL) {
        fseek(stream, (long)last->offset, SEEK_SET);
        fwrite(table, 8, count + 1, stream);
        fclose(stream);
      }
    }
  }
  dyno_gguf_close(&gguf);
}

#endif
