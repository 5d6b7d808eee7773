#include "runtime/model/head_screen.h"

#include <stdlib.h>

#include "kernels/base/a8.h"
#include "kernels/sampling/screen.h"
#include "runtime/memory/numa.h"
#include "runtime/model/packed.h"

typedef struct screen_job {
  const dyno_linear *head;
  uint8_t *panels;
  const float *dither;
  bool *failed; /* [threads]: out of memory */
} screen_job;

/* Rows come from the layout that the head is in, whatever file and format they are from. */
static void screen_rows(const screen_job *job, void *rows, float *values, size_t row, size_t count)
{
  const dyno_linear *head = job->head;
  size_t row_bytes = dyno_row_bytes(head->weight, head->k);
  head->layout->unpack(head->layout, rows, head->group_weight[0], head->n, head->k, row,
                       row + count);
  for (size_t i = 0; i < count; i++)
    dyno_row_to_float(values + i * head->k, (const char *)rows + i * row_bytes, head->weight,
                      head->k);
  dyno_screen_pack(job->panels + row / DYNO_SCREEN_ROWS * dyno_screen_panel_bytes(head->k), values,
                   count, head->k, job->dither);
}

static void screen_part(void *context, unsigned thread, unsigned threads)
{
  const screen_job *job = context;
  const dyno_linear *head = job->head;
  size_t begin, end;
  dyno_partition(&begin, &end, head->n, DYNO_SCREEN_ROWS, thread, threads);
  void *rows = malloc(DYNO_SCREEN_ROWS * dyno_row_bytes(head->weight, head->k));
  float *values = malloc(DYNO_SCREEN_ROWS * head->k * sizeof *values);
  job->failed[thread] = rows == NULL || values == NULL;
  for (size_t row = begin; row < end && !job->failed[thread]; row += DYNO_SCREEN_ROWS)
    screen_rows(job, rows, values, row,
                end - row < DYNO_SCREEN_ROWS ? end - row : DYNO_SCREEN_ROWS);
  free(rows);
  free(values);
}

static dyno_status fill(dyno_head_screen *screen, const dyno_linear *head, dyno_pool *pool,
                        dyno_error *error)
{
  unsigned threads = dyno_pool_threads(pool);
  screen_job job = {head, screen->buffer.data, screen->dither, calloc(threads, sizeof(bool))};
  bool failed = job.failed == NULL;
  if (!failed)
    dyno_pool_run(pool, screen_part, &job);
  for (unsigned i = 0; i < threads && !failed; i++)
    failed = job.failed[i];
  free(job.failed);
  return failed
             ? dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory for its screen", head->name)
             : DYNO_OK;
}

dyno_status dyno_head_screen_check(const dyno_linear *head, dyno_error *error)
{
  if (head->k % DYNO_A8_BLOCK == 0 && head->group_bias == NULL)
    return DYNO_OK;
  return dyno_fail(error, DYNO_ERROR_UNSUPPORTED,
                   "%s: no two-stage logits for rows of %zu%s: run with --logits=full", head->name,
                   head->k, head->group_bias != NULL ? " with a bias" : "");
}

static void place(const dyno_head_screen *screen, const dyno_linear *head,
                  const dyno_linear_source *source)
{
  const dyno_numa_matrix matrix = {
      .data = (void *)(uintptr_t)screen->panels,
      .group_bytes = screen->bytes,
      .groups = 1,
      .rows = head->n,
      .granule = DYNO_SCREEN_ROWS,
      .file = screen->buffer.data == NULL,
  };
  if (source->numa == DYNO_NUMA_ROWS)
    dyno_numa_place(&matrix, source->pool);
}

static dyno_status make_panels(dyno_head_screen *screen, const dyno_linear *head,
                               const dyno_linear_source *source, dyno_error *error)
{
  bool huge = source->huge_pages != DYNO_HUGE_PAGES_OFF;
  dyno_status status = dyno_buffer_open_on(&screen->buffer, screen->bytes,
                                           huge ? DYNO_PAGES_HUGE : DYNO_PAGES_SMALL, error);
  if (status != DYNO_OK)
    return status;
  screen->panels = screen->buffer.data;
  place(screen, head, source);
  return fill(screen, head, source->pool, error);
}

/* The screen that the model's packed file has, unless a new one is to be made. */
static const void *mapped_panels(const dyno_linear_source *source)
{
  const dyno_packed *packed =
      source->checkpoint != NULL ? dyno_checkpoint_packed(source->checkpoint) : NULL;
  return packed != NULL && !source->repack ? dyno_packed_screen(packed) : NULL;
}

dyno_status dyno_head_screen_make(dyno_head_screen *screen, const dyno_linear *head,
                                  const dyno_linear_source *source, dyno_error *error)
{
  const dyno_problem problem = {.op = DYNO_OP_SCREEN, .n = head->n, .k = head->k};
  *screen = (dyno_head_screen){.bytes = dyno_screen_bytes(head->n, head->k)};
  dyno_status status = dyno_head_screen_check(head, error);
  if (status == DYNO_OK)
    status = dyno_select(&screen->kernel, source->registry, &problem, NULL, NULL, error);
  if (status == DYNO_OK) {
    screen->dither = calloc(head->k, sizeof *screen->dither);
    if (screen->dither == NULL)
      status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory for its screen", head->name);
  }
  if (status == DYNO_OK) {
    dyno_screen_dither(screen->dither, head->k);
    /* The file's screen is of the head as the file has it. */
    screen->panels = head->lowered == DYNO_QUANT_NONE ? mapped_panels(source) : NULL;
    if (screen->panels != NULL)
      place(screen, head, source);
    else
      status = make_panels(screen, head, source, error);
  }
  if (status != DYNO_OK)
    dyno_head_screen_free(screen);
  return status;
}

void dyno_head_screen_free(dyno_head_screen *screen)
{
  dyno_buffer_close(&screen->buffer);
  free(screen->dither);
  *screen = (dyno_head_screen){0};
}
