#include "runtime/forward/experts.h"

#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/clock.h"

/* Sorts the (token, expert) pairs by expert, tokens in order within each (a counting sort), and
 * notes where each pair went. Only experts that have tokens make a group. */
static dyno_expert_groups group_by_expert(dyno_workspace *w, const dyno_model_config *config,
                                          size_t m)
{
  size_t pairs = m * config->experts_per_token, groups = 0, row = 0;
  for (size_t e = 0; e < config->experts; e++) {
    size_t begin = row;
    for (size_t i = 0; i < pairs; i++)
      if (w->expert[i] == (int32_t)e)
        w->row_of[i] = row++;
    if (row == begin)
      continue;
    w->group_begin[groups] = begin;
    w->group_expert[groups++] = e;
  }
  w->group_begin[groups] = row;
  return (dyno_expert_groups){w->group_begin, w->group_weight, w->group_bias, w->group_expert,
                              groups};
}

/* Copies each token's activations to its rows. They are rounded once per token, before. */
static void gather(dyno_workspace *w, const dyno_model *model, const dyno_linear *linear,
                   const dyno_crew *crew, size_t m)
{
  const char *rows = (const char *)w->normalized;
  size_t row_bytes = linear->k * sizeof(float), chosen = model->config->experts_per_token;
  if (linear->activation == DYNO_A8) {
    const dyno_quantize_activation_args args = {w->quantized, w->normalized, m, linear->k};
    dyno_run_quantize_activation(crew, DYNO_PROBE_QUANTIZE,
                                 model->kernels.quantize_activation.kernel, &args);
    rows = w->quantized;
    row_bytes = dyno_a8_row_bytes(linear->k);
  }
  uint64_t begin_ns = dyno_begin_op(crew);
  for (size_t i = 0; i < m * chosen; i++)
    memcpy((char *)w->expert_input + w->row_of[i] * row_bytes, rows + i / chosen * row_bytes,
           row_bytes);
  if (crew->probe != NULL)
    dyno_end_op(crew, DYNO_PROBE_MOE_GATHER, NULL, 0, begin_ns, dyno_clock_ns(), 0, 0);
}

/* residual += weight * output over the token's experts, in the order the router chose them. */
static void combine(dyno_workspace *w, const dyno_model_config *config, const dyno_crew *crew,
                    size_t m)
{
  uint64_t begin_ns = dyno_begin_op(crew);
  size_t d = config->d_model, chosen = config->experts_per_token;
  for (size_t t = 0; t < m; t++) {
    float *residual = w->residual + t * d;
    for (size_t j = 0; j < chosen; j++) {
      const float *output = w->expert_output + w->row_of[t * chosen + j] * d;
      float weight = w->expert_weight[t * chosen + j];
      for (size_t i = 0; i < d; i++)
        residual[i] += weight * output[i];
    }
  }
  if (crew->probe != NULL)
    dyno_end_op(crew, DYNO_PROBE_MOE_COMBINE, NULL, 0, begin_ns, dyno_clock_ns(), 0, 0);
}

void dyno_forward_experts(dyno_workspace *w, const dyno_model *model, const dyno_layer *layer,
                          const dyno_crew *crew, size_t m)
{
  const dyno_model_config *config = model->config;
  const dyno_router_args route = {
      .expert = w->expert,
      .weight = w->expert_weight,
      .logits = w->router_logits,
      .m = m,
      .experts = config->experts,
      .chosen = config->experts_per_token,
  };
  dyno_run_router(crew, DYNO_PROBE_ROUTER_TOP_K, model->kernels.router.kernel, &route);
  dyno_expert_groups groups = group_by_expert(w, config, m);
  gather(w, model, &layer->gate, crew, m);
  dyno_run_experts(crew, DYNO_PROBE_MOE_GATE_UP, &layer->gate, w->gate, w->expert_input, &groups);
  dyno_run_experts(crew, DYNO_PROBE_MOE_GATE_UP, &layer->up, w->up, w->expert_input, &groups);

  size_t rows = m * config->experts_per_token;
  const dyno_swiglu_args activate = {
      .output = w->gate,
      .gate = w->gate,
      .up = w->up,
      .alpha = config->swiglu_alpha,
      .limit = config->swiglu_limit,
      .m = rows,
      .k = config->d_ff,
  };
  dyno_run_swiglu(crew, DYNO_PROBE_SWIGLU, model->kernels.swiglu.kernel, &activate);
  const void *activated = w->gate;
  if (layer->down.activation == DYNO_A8) {
    const dyno_quantize_activation_args args = {w->quantized, w->gate, rows, config->d_ff};
    dyno_run_quantize_activation(crew, DYNO_PROBE_QUANTIZE,
                                 model->kernels.quantize_activation.kernel, &args);
    activated = w->quantized;
  }
  dyno_run_experts(crew, DYNO_PROBE_MOE_DOWN, &layer->down, w->expert_output, activated, &groups);
  combine(w, config, crew, m);
}
