#include "runtime/model/quantize_file.h"

#include <stdlib.h>

#include "runtime/model/model_writer.h"
#include "runtime/model/packed_internal.h"
#include "runtime/model/requantize.h"
#include "runtime/model/target.h"

/* Rows that a thread lowers at a time: few enough for a cache. */
enum { PORTION = 32 };

typedef struct writing {
  const dyno_checkpoint *checkpoint;
  const dyno_registry *registry;
  dyno_pool *pool;
  const dyno_quantize_file_options *options;
  dyno_status metadata_status;
  dyno_error *errors; /* [threads] */
  dyno_error *error;
} writing;

/* Rows that the writer asks for, of a tensor of the checkpoint. */
typedef struct rows_job {
  const writing *to;
  const dyno_requantizer *requantizer;
  uint8_t *rows;
  size_t group, row0, row1;
} rows_job;

static dyno_dtype dtype_of(void *context, dyno_tensor_role role, size_t layer)
{
  const writing *w = context;
  const dyno_tensor *tensor = dyno_checkpoint_tensor(w->checkpoint, role, layer);
  if (dyno_tensor_role_is_vector(role) || role == DYNO_TENSOR_ROUTER_WEIGHT)
    return DYNO_F32;
  return dyno_quantized_dtype(w->options->quantization, tensor);
}

static void lower_part(void *context, unsigned thread, unsigned threads)
{
  const rows_job *job = context;
  const dyno_requantizer *r = job->requantizer;
  dyno_error *error = &job->to->errors[thread];
  size_t begin, end;
  dyno_partition(&begin, &end, job->row1 - job->row0, 1, thread, threads);
  void *scratch = aligned_alloc(64, dyno_requantizer_scratch(r, PORTION));
  dyno_status status =
      scratch != NULL ? DYNO_OK
                      : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", r->tensor->name);
  for (size_t row = begin; row < end && status == DYNO_OK; row += PORTION) {
    size_t next = end - row < PORTION ? end : row + PORTION;
    status = dyno_requantizer_rows(r, job->rows + row * r->row_bytes, scratch, job->group,
                                   job->row0 + row, job->row0 + next, error);
  }
  free(scratch);
}

static dyno_status lower(writing *w, void *rows, const dyno_tensor *tensor, size_t group,
                         size_t row0, size_t row1)
{
  dyno_requantizer requantizer;
  unsigned threads = dyno_pool_threads(w->pool);
  dyno_status status = dyno_requantizer_make(&requantizer, w->checkpoint, w->registry, tensor,
                                             w->options->quantization, w->error);
  if (status != DYNO_OK)
    return status;
  rows_job job = {w, &requantizer, rows, group, row0, row1};
  dyno_pool_run(w->pool, lower_part, &job);
  for (unsigned i = 0; i < threads; i++)
    if (w->errors[i].status != DYNO_OK)
      return dyno_fail(w->error, w->errors[i].status, "%s", w->errors[i].message);
  return DYNO_OK;
}

/* As F32: vectors and routers, which are small. */
static dyno_status widen(const writing *w, float *values, const dyno_tensor *tensor, size_t group,
                         size_t row0, size_t row1)
{
  void *row = malloc(tensor->row_bytes);
  dyno_status status =
      row != NULL ? DYNO_OK
                  : dyno_fail(w->error, DYNO_ERROR_MEMORY, "%s: out of memory", tensor->name);
  for (size_t i = row0; i < row1 && status == DYNO_OK; i++, values += tensor->k) {
    status = dyno_checkpoint_read_rows(w->checkpoint, row, tensor, group, i, i + 1, w->error);
    if (status == DYNO_OK)
      dyno_row_to_float(values, row, tensor->dtype, tensor->k);
  }
  free(row);
  return status;
}

static dyno_status give_rows(void *context, void *rows, const dyno_tensor *wanted, size_t group,
                             size_t row0, size_t row1, dyno_error *error)
{
  writing *w = context;
  const dyno_tensor *tensor = dyno_checkpoint_tensor(w->checkpoint, wanted->role, wanted->layer);
  dyno_status status = w->metadata_status; /* error has been told already */
  if (status != DYNO_OK)
    return status;
  if (dyno_quantization_method(w->options->quantization, tensor) != DYNO_QUANT_NONE)
    status = lower(w, rows, tensor, group, row0, row1);
  else if (wanted->dtype == tensor->dtype)
    status = dyno_checkpoint_read_rows(w->checkpoint, rows, tensor, group, row0, row1, error);
  else
    status = widen(w, rows, tensor, group, row0, row1);
  dyno_checkpoint_release_rows(w->checkpoint, tensor, group, row0, row1, DYNO_FILE_DONE);
  return status;
}

static void give_metadata(void *context, dyno_gguf_writer *writer)
{
  static const char *const outdated[] = {"general.file_type", "general.quantization_version",
                                         "quantize.", NULL};
  writing *w = context;
  dyno_gguf_writer_add_uint32(writer, "general.quantization_version", 2);
  w->metadata_status = dyno_packed_copy_metadata(writer, w->checkpoint, outdated, w->error);
}

static bool show(void *context, uint64_t done, uint64_t total)
{
  const writing *w = context;
  return w->options->show == NULL || w->options->show(w->options->context, done, total);
}

dyno_status dyno_quantize_file(const char *path, const dyno_checkpoint *checkpoint,
                               const dyno_registry *registry, dyno_pool *pool,
                               const dyno_quantize_file_options *options, dyno_error *error)
{
  writing w = {checkpoint, registry, pool, options, DYNO_OK, NULL, error};
  const dyno_model_source source = {.context = &w,
                                    .dtype = dtype_of,
                                    .rows = give_rows,
                                    .metadata = give_metadata,
                                    .progress = show};
  const dyno_model_writer_options writer = {.dialect = &dyno_dialect_ggml_org};
  dyno_status status = dyno_model_check_target(path, checkpoint, error);
  if (status != DYNO_OK)
    return status;
  w.errors = calloc(dyno_pool_threads(pool), sizeof *w.errors);
  if (w.errors == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  status = dyno_model_write(path, dyno_checkpoint_config(checkpoint), &source, &writer, error);
  free(w.errors);
  return status;
}
