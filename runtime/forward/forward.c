/* The model as OpenAI's gpt_oss/torch/model.py computes it. */
#include "runtime/forward/forward.h"

#include <string.h>

#include "kernels/elementwise/rope.h"
#include "runtime/forward/attention.h"
#include "runtime/forward/experts.h"
#include "runtime/forward/lane.h"
#include "runtime/forward/ops.h"

typedef struct forward_job {
  dyno_pass pass;
  const dyno_kv *kv;
  const int32_t *tokens;
  const float *const *rows; /* of the tokens, from the cache; NULL without one */
} forward_job;

static void embed(const dyno_lane *lane, const int32_t *tokens, const float *const *cached)
{
  const dyno_embedding *table = &lane->model->embedding;
  uint64_t begin = dyno_lane_clock(lane);
  for (size_t t = lane->first; t < lane->last; t++) {
    float *residual = lane->stream->residual + t * table->k;
    const uint8_t *row = table->rows + (size_t)tokens[t] * table->row_bytes;
    if (cached != NULL && cached[t] != NULL)
      memcpy(residual, cached[t], table->k * sizeof *residual);
    else
      dyno_row_to_float(residual, row, table->dtype, table->k);
  }
  if (lane->pass->probe == NULL)
    return;
  /* That all threads read the row of a single token is our choice, not what the pass needs. */
  size_t rows = lane->m > 1 || lane->thread == 0 ? lane->last - lane->first : 0;
  dyno_lane_tell(lane, DYNO_PROBE_EMBEDDING, NULL, begin, rows * table->row_bytes, 0);
}

static void prepare_rope(const dyno_lane *lane)
{
  const dyno_model *model = lane->model;
  size_t pairs = model->config->head_dim / 2;
  uint64_t begin = dyno_lane_clock(lane);
  dyno_rope_tables(lane->stream->cosine + lane->first * pairs,
                   lane->stream->sine + lane->first * pairs, model->inverse_frequency, pairs,
                   model->rope_scale, lane->pass->position + lane->first, lane->last - lane->first);
  dyno_lane_done(lane, DYNO_PROBE_ROPE_TABLES, NULL, begin);
}

static void add_to_residual(const dyno_lane *lane, const float *values)
{
  size_t d = lane->model->config->d_model;
  uint64_t begin = dyno_lane_clock(lane);
  for (size_t i = lane->first * d; i < lane->last * d; i++)
    lane->stream->residual[i] += values[i];
  dyno_lane_done(lane, DYNO_PROBE_ATTENTION_RESIDUAL, NULL, begin);
}

static void run_forward(void *context, unsigned thread, unsigned threads)
{
  const forward_job *job = context;
  const dyno_model *model = job->pass.model;
  dyno_lane lane = dyno_lane_enter(&job->pass, thread, threads);
  embed(&lane, job->tokens, job->rows);
  prepare_rope(&lane);
  for (size_t i = 0; i < model->config->layers; i++) {
    const dyno_layer *layer = &model->layers[i];
    lane.layer = (int)i;
    dyno_lane_attend(&lane, layer, &job->kv->layers[i]);
    dyno_lane_meet(&lane);
    add_to_residual(&lane, lane.workspace->projected);
    dyno_lane_mix(&lane, layer);
  }
}

void dyno_forward(dyno_workspace *workspace, dyno_kv *kv, const dyno_model *model, dyno_pool *pool,
                  const dyno_probe *probe, const int32_t *tokens, size_t m, size_t position)
{
  forward_job job = {
      .pass = {workspace, model, probe, m, position},
      .kv = kv,
      .tokens = tokens,
  };
  if (workspace->embeddings != NULL)
    job.rows = dyno_embedding_cache_rows(workspace->embeddings, &model->embedding, tokens, m);
  dyno_workspace_start(workspace);
  dyno_pool_run(pool, run_forward, &job);
}

typedef struct logits_job {
  dyno_pass pass;
  const float *hidden; /* [m][d_model] */
  float *logits;       /* [m][vocab] */
} logits_job;

static void run_logits(void *context, unsigned thread, unsigned threads)
{
  const logits_job *job = context;
  const dyno_model *model = job->pass.model;
  const dyno_linear *head = &model->head;
  dyno_lane lane = dyno_lane_enter(&job->pass, thread, threads);
  const dyno_stream *stream = lane.stream;
  size_t bounds[2];
  const dyno_matmul matmul =
      dyno_dense_matmul(head, job->logits, stream->normalized, stream->quantized, lane.m, bounds);
  dyno_lane_normalize(&lane, DYNO_PROBE_OUTPUT_NORM, model->output_norm, job->hidden);
  if (head->activation == DYNO_A8)
    dyno_lane_quantize(&lane, stream->quantized, stream->normalized, head->k, lane.first, lane.last,
                       0, head->k);
  dyno_lane_meet_tokens(&lane);
  dyno_lane_show(
      &lane, &(dyno_probe_rows){.op = DYNO_PROBE_HEAD,
                                .rows = stream->normalized,
                                .count = lane.m,
                                .k = head->k,
                                .rounded = head->activation == DYNO_A8 ? stream->quantized : NULL});
  dyno_lane_matmul(&lane, DYNO_PROBE_HEAD, &matmul, 1);
}

void dyno_forward_logits(float *logits, dyno_workspace *workspace, const dyno_model *model,
                         dyno_pool *pool, const dyno_probe *probe, size_t first, size_t count)
{
  logits_job job = {
      .pass = {workspace, model, probe, count, 0},
      .hidden = workspace->shared.residual + first * model->config->d_model,
      .logits = logits,
  };
  dyno_workspace_start(workspace);
  dyno_pool_run(pool, run_logits, &job);
}
