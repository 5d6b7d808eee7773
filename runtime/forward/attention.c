#include "runtime/forward/attention.h"

#include <math.h>

#include "kernels/base/kv_block.h"
#include "runtime/forward/ops.h"

/* Queries of one head that are claimed together: they share the keys and values that they see. */
enum { QUERIES = 64 };

static void project_inputs(dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_stream *stream = lane->stream;
  dyno_workspace *w = lane->workspace;
  const dyno_linear *linears[] = {&layer->query, &layer->key, &layer->value};
  float *outputs[] = {w->query, w->key, w->value};
  enum { COUNT = sizeof linears / sizeof *linears };
  dyno_matmul matmuls[COUNT];
  size_t bounds[2];
  bool rounded = false;
  dyno_lane_normalize(lane, DYNO_PROBE_ATTENTION_NORM, layer->attention_norm, stream->residual);
  for (size_t i = 0; i < COUNT; i++) {
    rounded = rounded || linears[i]->activation == DYNO_A8;
    matmuls[i] = dyno_dense_matmul(linears[i], outputs[i], stream->normalized, stream->quantized,
                                   lane->m, bounds);
  }
  if (rounded)
    dyno_lane_quantize(lane, stream->quantized, stream->normalized, lane->model->config->d_model,
                       lane->first, lane->last, 0, lane->model->config->d_model);
  dyno_lane_meet_tokens(lane);
  dyno_lane_show(lane, &(dyno_probe_rows){.op = DYNO_PROBE_ATTENTION_QKV,
                                          .layer = (size_t)lane->layer,
                                          .rows = stream->normalized,
                                          .count = lane->m,
                                          .k = layer->query.k,
                                          .rounded = rounded ? stream->quantized : NULL});
  dyno_lane_matmul(lane, DYNO_PROBE_ATTENTION_QKV, matmuls, COUNT);
}

/* Rotates heads [head0, head1) of our tokens; values is [m][heads * head_dim]. */
static void rotate(const dyno_lane *lane, float *values, size_t heads, size_t head0, size_t head1)
{
  const dyno_kernel *kernel = lane->model->kernels.rope.kernel;
  size_t head_dim = lane->model->config->head_dim;
  const dyno_rope_args args = {
      .values = values + head0 * head_dim,
      .stride = heads * head_dim,
      .cosine = lane->stream->cosine,
      .sine = lane->stream->sine,
      .m = lane->m,
      .heads = head1 - head0,
      .head_size = head_dim,
  };
  uint64_t begin = dyno_lane_clock(lane);
  kernel->run.rope(&args, lane->first, lane->last);
  dyno_lane_done(lane, DYNO_PROBE_ROPE, kernel, begin);
}

static void store(const dyno_lane *lane, const dyno_kv_layer *kv)
{
  const dyno_kernel *kernel = lane->model->kernels.store_kv.kernel;
  const dyno_store_kv_args args = {
      .blocks = kv->blocks,
      .block_count = kv->block_count,
      .block_tokens = DYNO_KV_BLOCK_TOKENS,
      .first_position = lane->pass->position,
      .key = lane->workspace->key,
      .value = lane->workspace->value,
      .m = lane->m,
      .kv_heads = lane->model->config->kv_heads,
      .head_size = lane->model->config->head_dim,
  };
  uint64_t begin = dyno_lane_clock(lane);
  kernel->run.store_kv(&args, lane->first, lane->last);
  dyno_lane_done(lane, DYNO_PROBE_STORE_KV, kernel, begin);
}

/* A token's heads are few: the query's are shared out, and one thread takes the keys. */
static void rotate_and_store(const dyno_lane *lane, const dyno_kv_layer *kv)
{
  const dyno_model_config *config = lane->model->config;
  dyno_workspace *w = lane->workspace;
  size_t head0 = 0, head1 = config->heads;
  if (lane->m == 1)
    dyno_partition(&head0, &head1, config->heads, 1, lane->thread, lane->threads);
  rotate(lane, w->query, config->heads, head0, head1);
  if (lane->m == 1 && lane->thread != lane->threads - 1)
    return;
  rotate(lane, w->key, config->kv_heads, 0, config->kv_heads);
  store(lane, kv);
}

/* The bytes of keys and values that rows [row0, row1) of one head read, and the multiply-adds. */
static void count_attention(const dyno_attention_args *args, dyno_dtype format, size_t row0,
                            size_t row1, uint64_t *bytes, uint64_t *macs)
{
  size_t row_bytes = dyno_kv_vector_bytes(dyno_row_bytes(format, 1), args->head_size);
  size_t seen_to = 0;
  for (size_t row = row0; row < row1; row++) {
    size_t t = row % args->m, end = args->first_position + t + 1;
    size_t begin = args->window != 0 && end > args->window ? end - args->window : 0;
    if (row == row0 || t == 0)
      seen_to = begin;
    *bytes += 2 * row_bytes * (end - (begin > seen_to ? begin : seen_to));
    *macs += 2 * args->head_size * (args->heads / args->kv_heads) * (end - begin);
    seen_to = end;
  }
}

static void attend_rows(const dyno_lane *lane, const dyno_attention_args *args, size_t row0,
                        size_t row1)
{
  const dyno_kernel *kernel = lane->model->kernels.attention.kernel;
  uint64_t begin = dyno_lane_clock(lane), bytes = 0, macs = 0;
  kernel->run.attention(args, row0, row1);
  if (lane->pass->probe == NULL)
    return;
  count_attention(args, kernel->activation, row0, row1, &bytes, &macs);
  dyno_lane_tell(lane, DYNO_PROBE_ATTENTION, kernel, begin, bytes, macs);
}

/* The last queries are claimed first, because they see most. */
static void attend_claimed(dyno_lane *lane, const dyno_attention_args *args)
{
  size_t step = dyno_lane_claim_step(lane), parts = (args->m + QUERIES - 1) / QUERIES;
  for (;;) {
    size_t claimed = dyno_lane_claim(lane, step, 0);
    if (claimed >= parts * args->kv_heads)
      return;
    size_t head = claimed % args->kv_heads, part = parts - 1 - claimed / args->kv_heads;
    size_t query1 = (part + 1) * QUERIES < args->m ? (part + 1) * QUERIES : args->m;
    attend_rows(lane, args, head * args->m + part * QUERIES, head * args->m + query1);
  }
}

static void attend(dyno_lane *lane, const dyno_layer *layer, const dyno_kv_layer *kv)
{
  const dyno_model_config *config = lane->model->config;
  const dyno_attention_args args = {
      .output = lane->workspace->attended,
      .query = lane->workspace->query,
      .blocks = (const void *const *)kv->blocks,
      .block_count = kv->block_count,
      .block_tokens = DYNO_KV_BLOCK_TOKENS,
      .first_position = lane->pass->position,
      .sinks = layer->sinks,
      .scale = 1.0f / sqrtf((float)config->head_dim),
      .m = lane->m,
      .heads = config->heads,
      .kv_heads = config->kv_heads,
      .head_size = config->head_dim,
      .window = layer->window,
      .scratch = lane->own->attention_scratch,
  };
  attend_claimed(lane, &args);
}

static void project_output(dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_linear *linear = &layer->attention_output;
  dyno_workspace *w = lane->workspace;
  size_t bounds[2];
  const dyno_matmul matmul = dyno_dense_matmul(linear, w->projected, w->attended,
                                               lane->stream->quantized, lane->m, bounds);
  if (linear->activation == DYNO_A8) {
    dyno_lane_quantize(lane, lane->stream->quantized, w->attended, linear->k, lane->first,
                       lane->last, 0, linear->k);
    dyno_lane_meet_tokens(lane);
  }
  dyno_lane_show(lane, &(dyno_probe_rows){.op = DYNO_PROBE_ATTENTION_OUTPUT,
                                          .layer = (size_t)lane->layer,
                                          .rows = w->attended,
                                          .count = lane->m,
                                          .k = linear->k,
                                          .rounded = linear->activation == DYNO_A8
                                                         ? lane->stream->quantized
                                                         : NULL});
  dyno_lane_matmul(lane, DYNO_PROBE_ATTENTION_OUTPUT, &matmul, 1);
}

void dyno_lane_attend(dyno_lane *lane, const dyno_layer *layer, const dyno_kv_layer *kv)
{
  project_inputs(lane, layer);
  dyno_lane_meet(lane);
  rotate_and_store(lane, kv);
  dyno_lane_meet(lane);
  attend(lane, layer, kv);
  dyno_lane_meet(lane);
  project_output(lane, layer);
}
