#include "runtime/model/embedding.h"

#include <stdlib.h>

#include "runtime/model/requantize.h"

/* Rows that are lowered at a time: few enough for a cache. */
enum { PORTION = 32 };

typedef struct lower_job {
  const dyno_requantizer *requantizer;
  uint8_t *rows;
  dyno_error *errors;    /* [threads] */
  dyno_file_advice done; /* for the source's pages */
} lower_job;

static void lower_part(void *context, unsigned thread, unsigned threads)
{
  const lower_job *job = context;
  const dyno_requantizer *r = job->requantizer;
  dyno_error *error = &job->errors[thread];
  size_t begin, end;
  dyno_partition(&begin, &end, r->tensor->n, 1, thread, threads);
  void *scratch = aligned_alloc(64, dyno_requantizer_scratch(r, PORTION));
  dyno_status status =
      scratch != NULL ? DYNO_OK
                      : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", r->tensor->name);
  for (size_t row = begin; row < end && status == DYNO_OK; row += PORTION) {
    size_t row1 = end - row < PORTION ? end : row + PORTION;
    status = dyno_requantizer_rows(r, job->rows + row * r->row_bytes, scratch, 0, row, row1, error);
  }
  dyno_checkpoint_release_rows(r->checkpoint, r->tensor, 0, begin, end, job->done);
  free(scratch);
}

static dyno_status lower(dyno_embedding *embedding, const dyno_linear_source *source,
                         const dyno_tensor *tensor, dyno_error *error)
{
  dyno_requantizer requantizer;
  unsigned threads = dyno_pool_threads(source->pool);
  dyno_status status = dyno_requantizer_make(&requantizer, source->checkpoint, source->registry,
                                             tensor, source->quantization, error);
  if (status != DYNO_OK)
    return status;
  bool huge = source->huge_pages != DYNO_HUGE_PAGES_OFF;
  status = dyno_buffer_open_on(&embedding->lowered, tensor->n * requantizer.row_bytes,
                               huge ? DYNO_PAGES_HUGE : DYNO_PAGES_SMALL, error);
  if (status != DYNO_OK)
    return dyno_error_prepend(error, "%s", tensor->name);
  lower_job job = {&requantizer, embedding->lowered.data, calloc(threads, sizeof *job.errors),
                   source->reclaim ? DYNO_FILE_RECLAIM : DYNO_FILE_DONE};
  if (job.errors == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", tensor->name);
  dyno_pool_run(source->pool, lower_part, &job);
  for (unsigned i = 0; i < threads && status == DYNO_OK; i++)
    if (job.errors[i].status != DYNO_OK)
      status = dyno_fail(error, job.errors[i].status, "%s", job.errors[i].message);
  free(job.errors);
  embedding->rows = embedding->lowered.data;
  embedding->dtype = requantizer.dtype;
  embedding->row_bytes = requantizer.row_bytes;
  return status;
}

dyno_status dyno_embedding_load(dyno_embedding *embedding, const dyno_linear_source *source,
                                dyno_error *error)
{
  const dyno_tensor *tensor = dyno_checkpoint_tensor(source->checkpoint, DYNO_TENSOR_EMBEDDING, 0);
  *embedding = (dyno_embedding){.name = tensor->name,
                                .rows = tensor->data,
                                .dtype = tensor->dtype,
                                .k = tensor->k,
                                .row_bytes = tensor->row_bytes};
  bool lowered = dyno_quantization_method(source->quantization, tensor) != DYNO_QUANT_NONE;
  dyno_status status = lowered ? lower(embedding, source, tensor, error) : DYNO_OK;
  if (status != DYNO_OK)
    dyno_embedding_free(embedding);
  return status;
}

void dyno_embedding_free(dyno_embedding *embedding)
{
  dyno_buffer_close(&embedding->lowered);
  *embedding = (dyno_embedding){0};
}
