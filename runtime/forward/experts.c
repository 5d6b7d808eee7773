#include "runtime/forward/experts.h"

#include <string.h>

#include "kernels/base/a8.h"
#include "runtime/forward/ops.h"
#include "runtime/forward/prefetch.h"

/* Gate and up values that are worked on together, small enough to stay in a level-2 cache until
 * they have been activated. */
enum { ACTIVATED_TOGETHER = 32768 };

static void choose_experts(const dyno_lane *lane)
{
  const dyno_model_config *config = lane->model->config;
  const dyno_kernel *kernel = lane->model->kernels.router.kernel;
  const dyno_router_args args = {
      .expert = lane->stream->expert,
      .weight = lane->stream->expert_weight,
      .logits = lane->workspace->router_logits,
      .m = lane->m,
      .experts = config->experts,
      .chosen = config->experts_per_token,
  };
  uint64_t begin = dyno_lane_clock(lane);
  kernel->run.router(&args, lane->first, lane->last);
  dyno_lane_done(lane, DYNO_PROBE_ROUTER_TOP_K, kernel, begin);
}

/* The experts of all tokens to stream->expert, from the normalized rows of our own. */
static void route(dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_linear *router = &layer->router;
  const dyno_stream *stream = lane->stream;
  float *logits = lane->workspace->router_logits;
  size_t bounds[2];
  if (lane->m == 1) {
    const dyno_matmul matmul =
        dyno_dense_matmul(router, logits, stream->normalized, stream->quantized, 1, bounds);
    dyno_lane_matmul(lane, DYNO_PROBE_ROUTER, &matmul, 1);
    dyno_lane_meet(lane);
    choose_experts(lane);
    return;
  }
  if (lane->first < lane->last) {
    const dyno_matmul matmul = dyno_dense_matmul(
        router, logits + lane->first * router->n, stream->normalized + lane->first * router->k,
        (const char *)stream->quantized + lane->first * dyno_a8_row_bytes(router->k),
        lane->last - lane->first, bounds);
    dyno_lane_matmul_own(lane, DYNO_PROBE_ROUTER, &matmul);
  }
  choose_experts(lane);
  dyno_lane_meet(lane);
}

/* Sorts the (token, expert) pairs by expert, tokens in order within each (a counting sort), and
 * notes where each pair went. Only experts that have tokens make a group. */
static void group_by_expert(const dyno_lane *lane)
{
  const dyno_model_config *config = lane->model->config;
  const int32_t *expert = lane->stream->expert;
  dyno_own *own = lane->own;
  size_t pairs = lane->m * config->experts_per_token, row = 0;
  uint64_t begin_ns = dyno_lane_clock(lane);
  size_t *next = own->group_expert; /* row of an expert's next pair, for a while */
  memset(next, 0, config->experts * sizeof *next);
  for (size_t i = 0; i < pairs; i++)
    next[expert[i]]++;
  for (size_t e = 0; e < config->experts; e++) {
    size_t count = next[e];
    next[e] = row;
    row += count;
  }
  for (size_t i = 0; i < pairs; i++)
    own->row_of[i] = next[expert[i]]++;

  own->groups = 0;
  own->group_begin[0] = 0;
  for (size_t e = 0; e < config->experts; e++) {
    size_t end = next[e]; /* groups <= e: what is written below has been read */
    if (end == own->group_begin[own->groups])
      continue;
    own->group_expert[own->groups++] = e;
    own->group_begin[own->groups] = end;
  }
  dyno_lane_done(lane, DYNO_PROBE_MOE_GROUP, NULL, begin_ns);
}

static void gather_rows(const dyno_lane *lane, void *output, const void *input, size_t row_bytes)
{
  size_t chosen = lane->model->config->experts_per_token;
  for (size_t i = lane->first * chosen; i < lane->last * chosen; i++)
    memcpy((char *)output + lane->own->row_of[i] * row_bytes,
           (const char *)input + i / chosen * row_bytes, row_bytes);
}

/* Copies each of our tokens' activations to its experts' rows. */
static void gather(const dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_linear *gate = &layer->gate, *up = &layer->up;
  const dyno_stream *stream = lane->stream;
  uint64_t begin = dyno_lane_clock(lane);
  if (gate->activation == DYNO_F32 || up->activation == DYNO_F32)
    gather_rows(lane, stream->expert_input, stream->normalized, gate->k * sizeof(float));
  if (gate->activation == DYNO_A8 || up->activation == DYNO_A8)
    gather_rows(lane, stream->expert_quantized, stream->quantized, dyno_a8_row_bytes(gate->k));
  dyno_lane_done(lane, DYNO_PROBE_MOE_GATHER, NULL, begin);
}

/* Each row of the sorted tokens times its expert's matrix. */
static dyno_matmul expert_matmul(const dyno_lane *lane, const dyno_linear *linear,
                                 const dyno_group_pointers *pointers, float *output,
                                 const float *values, const void *quantized)
{
  const dyno_own *own = lane->own;
  size_t rows = own->group_begin[own->groups];
  for (size_t g = 0; g < own->groups; g++) {
    pointers->weight[g] = linear->group_weight[own->group_expert[g]];
    if (linear->group_bias != NULL)
      pointers->bias[g] = linear->group_bias[own->group_expert[g]];
  }
  return (dyno_matmul){
      .linear = linear,
      /* One row in every group is what a single token makes. */
      .kernel = rows == own->groups ? linear->decode.kernel : linear->prefill.kernel,
      .args =
          {
              .output = output,
              .output_stride = linear->n,
              .weight = pointers->weight,
              .activation = linear->activation == DYNO_A8 ? quantized : values,
              .bias = linear->group_bias != NULL ? pointers->bias : NULL,
              .group_begin = own->group_begin,
              .groups = own->groups,
              .m = rows,
              .n = linear->n,
              .k = linear->k,
          },
  };
}

/* What a span of the gate and up matrices gave, in the format that the down matrices take. */
static void activate(const dyno_lane *lane, const dyno_layer *layer, const dyno_span *span)
{
  const dyno_model_config *config = lane->model->config;
  const dyno_kernel *kernel = lane->model->kernels.swiglu.kernel;
  const dyno_workspace *w = lane->workspace;
  size_t row0 = lane->own->group_begin[span->group], row1 = lane->own->group_begin[span->group + 1];
  uint64_t begin = dyno_lane_clock(lane);
  for (size_t row = row0; row < row1; row++) {
    size_t first = row * config->d_ff + span->row0;
    const dyno_swiglu_args args = {
        .output = w->gate + first,
        .gate = w->gate + first,
        .up = w->up + first,
        .alpha = config->swiglu_alpha,
        .limit = config->swiglu_limit,
        .m = 1,
        .k = span->row1 - span->row0,
    };
    kernel->run.swiglu(&args, 0, 1);
  }
  dyno_lane_done(lane, DYNO_PROBE_SWIGLU, kernel, begin);
  if (layer->down.activation == DYNO_A8)
    dyno_lane_quantize(lane, w->activated, w->gate, config->d_ff, row0, row1, span->row0,
                       span->row1);
}

static void show_gate_and_up(const dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_model_config *config = lane->model->config;
  bool rounded = layer->gate.activation == DYNO_A8 || layer->up.activation == DYNO_A8;
  dyno_lane_show(lane, &(dyno_probe_rows){.op = DYNO_PROBE_MOE_GATE_UP,
                                          .layer = (size_t)lane->layer,
                                          .rows = lane->stream->normalized,
                                          .count = lane->m,
                                          .k = config->d_model,
                                          .rounded = rounded ? lane->stream->quantized : NULL,
                                          .expert = lane->stream->expert,
                                          .chosen = config->experts_per_token});
}

static void show_down(const dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_own *own = lane->own;
  dyno_lane_show(lane, &(dyno_probe_rows){.op = DYNO_PROBE_MOE_DOWN,
                                          .layer = (size_t)lane->layer,
                                          .rows = lane->workspace->gate,
                                          .count = own->group_begin[own->groups],
                                          .k = layer->down.k,
                                          .rounded = layer->down.activation == DYNO_A8
                                                         ? lane->workspace->activated
                                                         : NULL,
                                          .group_begin = own->group_begin,
                                          .group_expert = own->group_expert,
                                          .groups = own->groups});
}

/* Asks for the beginning of what we read first of some matmuls of the same rows. Where a matrix
 * begins the processor's own prefetcher has nothing to go by yet. For a single token only: with
 * more, the arithmetic takes longer than the reading. */
static void prefetch(const dyno_lane *lane, dyno_shares *shares, const dyno_matmul *const *matmuls,
                     size_t count)
{
  dyno_span span;
  if ((lane->workspace->prefetch & DYNO_PREFETCH_EXPERTS) == 0 || lane->m > 1 ||
      !dyno_shares_peek(shares, &span))
    return;
  for (size_t i = 0; i < count; i++) {
    const dyno_matmul_args *args = &matmuls[i]->args;
    const dyno_layout *layout = matmuls[i]->linear->layout;
    size_t matrix = layout->bytes(layout, args->n, args->k);
    size_t begin = matrix * span.row0 / args->n, end = matrix * span.row1 / args->n;
    size_t bytes =
        end - begin < DYNO_PREFETCH_PANEL_BYTES ? end - begin : DYNO_PREFETCH_PANEL_BYTES;
    dyno_prefetch_lines((const char *)args->weight[span.group] + begin, bytes);
    lane->own->panels++;
    lane->own->panel_bytes += bytes;
  }
}

static void multiply_gate_and_up(dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_workspace *w = lane->workspace;
  const dyno_stream *stream = lane->stream;
  const dyno_matmul gate = expert_matmul(lane, &layer->gate, &lane->own->gate, w->gate,
                                         stream->expert_input, stream->expert_quantized);
  const dyno_matmul up = expert_matmul(lane, &layer->up, &lane->own->up, w->up,
                                       stream->expert_input, stream->expert_quantized);
  size_t granule =
      dyno_common_multiple(layer->gate.layout->row_granule, layer->up.layout->row_granule);
  if (layer->down.activation == DYNO_A8)
    granule = dyno_common_multiple(granule, DYNO_A8_BLOCK);
  dyno_shares shares = dyno_shares_of(lane, &gate, 1, granule, ACTIVATED_TOGETHER);
  prefetch(lane, &shares, (const dyno_matmul *const[]){&gate, &up}, 2);
  gather(lane, layer);
  dyno_lane_meet_tokens(lane);
  show_gate_and_up(lane, layer);
  dyno_span span;
  while (dyno_shares_next(&shares, &span)) {
    dyno_lane_matmul_span(lane, DYNO_PROBE_MOE_GATE_UP, &gate, &span);
    dyno_lane_matmul_span(lane, DYNO_PROBE_MOE_GATE_UP, &up, &span);
    activate(lane, layer, &span);
  }
}

/* Begins with what is left of the time until all threads are through with gate and up. */
static void multiply_down(dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_workspace *w = lane->workspace;
  const dyno_matmul down =
      expert_matmul(lane, &layer->down, &lane->own->down, w->expert_output, w->gate, w->activated);
  dyno_shares shares = dyno_shares_of(lane, &down, 1, layer->down.layout->row_granule, 0);
  prefetch(lane, &shares, (const dyno_matmul *const[]){&down}, 1);
  dyno_lane_meet(lane);
  show_down(lane, layer);
  dyno_span span;
  while (dyno_shares_next(&shares, &span))
    dyno_lane_matmul_span(lane, DYNO_PROBE_MOE_DOWN, &down, &span);
}

/* residual += weight * output over the token's experts, in the order the router chose them. */
static void combine(const dyno_lane *lane)
{
  const dyno_model_config *config = lane->model->config;
  const dyno_stream *stream = lane->stream;
  size_t d = config->d_model, chosen = config->experts_per_token;
  uint64_t begin = dyno_lane_clock(lane);
  for (size_t t = lane->first; t < lane->last; t++) {
    float *residual = stream->residual + t * d;
    for (size_t j = 0; j < chosen; j++) {
      const float *output = lane->workspace->expert_output + lane->own->row_of[t * chosen + j] * d;
      float weight = stream->expert_weight[t * chosen + j];
      for (size_t i = 0; i < d; i++)
        residual[i] += weight * output[i];
    }
  }
  dyno_lane_done(lane, DYNO_PROBE_MOE_COMBINE, NULL, begin);
}

void dyno_lane_mix(dyno_lane *lane, const dyno_layer *layer)
{
  const dyno_stream *stream = lane->stream;
  size_t d = lane->model->config->d_model;
  dyno_lane_normalize(lane, DYNO_PROBE_MOE_NORM, layer->ffn_norm, stream->residual);
  if (layer->router.activation == DYNO_A8 || layer->gate.activation == DYNO_A8 ||
      layer->up.activation == DYNO_A8)
    dyno_lane_quantize(lane, stream->quantized, stream->normalized, d, lane->first, lane->last, 0,
                       d);
  route(lane, layer);
  group_by_expert(lane);
  multiply_gate_and_up(lane, layer);
  multiply_down(lane, layer);
  dyno_lane_meet(lane);
  combine(lane);
}
