/* Compares every tensor of a packed file with its checksum. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The streaming state on the stack, so that a checksum needs no memory. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "runtime/model/packed_internal.h"

enum { CHUNK_BYTES = 8 << 20 };

/* Threads take tensors as they come, the largest first as the file has them. */
typedef struct verification {
  const dyno_packed *packed;
  dyno_checkpoint_progress progress;
  void *context;
  uint64_t total;
  dyno_error *errors; /* [threads] */
  atomic_size_t next;
  atomic_uint_fast64_t done;
  atomic_bool stop;
} verification;

/* Only the calling thread, thread 0, shows progress. */
static void advance(verification *in, unsigned thread, uint64_t bytes)
{
  uint64_t done = atomic_fetch_add(&in->done, bytes) + bytes;
  if (thread == 0 && in->progress != NULL && !in->progress(in->context, done, in->total)) {
    dyno_fail(&in->errors[0], DYNO_ERROR_INTERRUPTED, "%s: the check was stopped",
              dyno_gguf_file(in->packed->gguf)->path);
    atomic_store(&in->stop, true);
  }
}

static void verify_tensor(verification *in, size_t index, unsigned thread)
{
  const dyno_gguf_tensor *tensor = dyno_gguf_tensor_at(in->packed->gguf, index);
  const dyno_mapped_file *file = dyno_gguf_file(in->packed->gguf);
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (uint64_t at = 0; at < tensor->bytes && !atomic_load(&in->stop); at += CHUNK_BYTES) {
    uint64_t bytes = tensor->bytes - at < CHUNK_BYTES ? tensor->bytes - at : CHUNK_BYTES;
    XXH3_64bits_update(&state, tensor->data + at, (size_t)bytes);
    dyno_mapped_file_advise(file, tensor->offset + at, bytes, DYNO_FILE_DONE);
    advance(in, thread, bytes);
  }
  if (atomic_load(&in->stop) || XXH3_64bits_digest(&state) == in->packed->tensors[index].checksum)
    return;
  char name[DYNO_QUOTED_TEXT], remedy[DYNO_PACKED_REMEDY];
  dyno_fail(&in->errors[thread], DYNO_ERROR_FORMAT,
            "%s: offset %" PRIu64 ": tensor '%s' does not have its checksum: the file is damaged; "
            "%s",
            file->path, tensor->offset, dyno_span_quote(name, tensor->name),
            dyno_packed_remedy(remedy, in->packed));
  atomic_store(&in->stop, true);
}

static void verify_part(void *context, unsigned thread, unsigned threads)
{
  verification *in = context;
  (void)threads;
  for (;;) {
    size_t index = atomic_fetch_add(&in->next, 1);
    if (index >= in->packed->count || atomic_load(&in->stop))
      return;
    verify_tensor(in, index, thread);
  }
}

dyno_status dyno_packed_verify(const dyno_packed *packed, dyno_pool *pool,
                               dyno_checkpoint_progress progress, void *context, dyno_error *error)
{
  unsigned threads = pool != NULL ? dyno_pool_threads(pool) : 1;
  verification in = {.packed = packed, .progress = progress, .context = context};
  for (size_t i = 0; i < packed->count; i++)
    in.total += dyno_gguf_tensor_at(packed->gguf, i)->bytes;
  in.errors = calloc(threads, sizeof *in.errors);
  if (in.errors == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory",
                     dyno_gguf_file(packed->gguf)->path);
  if (pool != NULL)
    dyno_pool_run(pool, verify_part, &in);
  else
    verify_part(&in, 0, 1);
  dyno_status status = DYNO_OK;
  for (unsigned i = 0; i < threads && status == DYNO_OK; i++)
    if (in.errors[i].status != DYNO_OK)
      status = dyno_fail(error, in.errors[i].status, "%s", in.errors[i].message);
  free(in.errors);
  return status;
}
