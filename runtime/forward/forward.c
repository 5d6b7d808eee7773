/* The model as OpenAI's gpt_oss/torch/model.py computes it. */
#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/clock.h"
#include "kernels/elementwise/rope.h"
#include "runtime/forward/experts.h"

static void embed(dyno_workspace *w, const dyno_model *model, const dyno_crew *crew,
                  const int32_t *tokens, size_t m)
{
  uint64_t begin_ns = dyno_begin_op(crew);
  const dyno_tensor *table = model->embedding;
  for (size_t t = 0; t < m; t++) {
    const uint8_t *row = (const uint8_t *)table->data + (size_t)tokens[t] * table->row_bytes;
    dyno_row_to_float(w->residual + t * table->k, row, table->dtype, table->k);
  }
  if (crew->probe != NULL)
    dyno_end_op(crew, DYNO_PROBE_EMBEDDING, NULL, 0, begin_ns, dyno_clock_ns(),
                m * table->row_bytes, 0);
}

/* The activations as the matrices that share them want them: all of one format. */
static const void *prepare(dyno_workspace *w, const dyno_model *model, const dyno_crew *crew,
                           const dyno_linear *linear, const float *values, size_t m)
{
  if (linear->activation == DYNO_F32)
    return values;
  const dyno_quantize_activation_args args = {w->quantized, values, m, linear->k};
  dyno_run_quantize_activation(crew, DYNO_PROBE_QUANTIZE, model->kernels.quantize_activation.kernel,
                               &args);
  return w->quantized;
}

static void project(dyno_workspace *w, const dyno_model *model, const dyno_crew *crew,
                    dyno_probe_op op, const dyno_linear *linear, float *output, const float *values,
                    size_t m)
{
  dyno_run_linear(crew, op, linear, output, prepare(w, model, crew, linear, values, m), m);
}

static void normalize(dyno_workspace *w, const dyno_model *model, const dyno_crew *crew,
                      dyno_probe_op op, const float *weight, const float *values, size_t m)
{
  const dyno_rmsnorm_args args = {
      .output = w->normalized,
      .input = values,
      .weight = weight,
      .epsilon = model->config->rms_epsilon,
      .m = m,
      .k = model->config->d_model,
  };
  dyno_run_rmsnorm(crew, op, model->kernels.rmsnorm.kernel, &args);
}

static void rotate(dyno_workspace *w, const dyno_model *model, const dyno_crew *crew, float *values,
                   size_t heads, size_t m)
{
  const dyno_rope_args args = {
      .values = values,
      .stride = heads * model->config->head_dim,
      .cosine = w->cosine,
      .sine = w->sine,
      .m = m,
      .heads = heads,
      .head_size = model->config->head_dim,
  };
  dyno_run_rope(crew, DYNO_PROBE_ROPE, model->kernels.rope.kernel, &args);
}

static void attend(dyno_workspace *w, dyno_kv_layer *kv, const dyno_model *model,
                   const dyno_layer *layer, const dyno_crew *crew, size_t m, size_t position)
{
  const dyno_model_config *config = model->config;
  const dyno_store_kv_args store = {
      .blocks = kv->blocks,
      .block_count = kv->block_count,
      .block_tokens = DYNO_KV_BLOCK_TOKENS,
      .first_position = position,
      .key = w->key,
      .value = w->value,
      .m = m,
      .kv_heads = config->kv_heads,
      .head_size = config->head_dim,
  };
  dyno_run_store_kv(crew, DYNO_PROBE_STORE_KV, model->kernels.store_kv.kernel, &store);
  const dyno_attention_args attention = {
      .output = w->attended,
      .query = w->query,
      .blocks = (const void *const *)kv->blocks,
      .block_count = kv->block_count,
      .block_tokens = DYNO_KV_BLOCK_TOKENS,
      .first_position = position,
      .sinks = layer->sinks,
      .scale = 1.0f / sqrtf((float)config->head_dim),
      .m = m,
      .heads = config->heads,
      .kv_heads = config->kv_heads,
      .head_size = config->head_dim,
      .window = layer->window,
  };
  dyno_run_attention(crew, DYNO_PROBE_ATTENTION, model->kernels.attention.kernel, &attention,
                     w->attention_scratch, w->attention_scratch_bytes);
}

static void add_to_residual(dyno_workspace *w, const dyno_crew *crew, const float *values,
                            size_t count)
{
  uint64_t begin_ns = dyno_begin_op(crew);
  for (size_t i = 0; i < count; i++)
    w->residual[i] += values[i];
  if (crew->probe != NULL)
    dyno_end_op(crew, DYNO_PROBE_ATTENTION_RESIDUAL, NULL, 0, begin_ns, dyno_clock_ns(), 0, 0);
}

static void run_layer(dyno_workspace *w, dyno_kv_layer *kv, const dyno_model *model,
                      const dyno_layer *layer, const dyno_crew *crew, size_t m, size_t position)
{
  const dyno_model_config *config = model->config;

  normalize(w, model, crew, DYNO_PROBE_ATTENTION_NORM, layer->attention_norm, w->residual, m);
  project(w, model, crew, DYNO_PROBE_ATTENTION_QKV, &layer->query, w->query, w->normalized, m);
  project(w, model, crew, DYNO_PROBE_ATTENTION_QKV, &layer->key, w->key, w->normalized, m);
  project(w, model, crew, DYNO_PROBE_ATTENTION_QKV, &layer->value, w->value, w->normalized, m);
  rotate(w, model, crew, w->query, config->heads, m);
  rotate(w, model, crew, w->key, config->kv_heads, m);
  attend(w, kv, model, layer, crew, m, position);
  project(w, model, crew, DYNO_PROBE_ATTENTION_OUTPUT, &layer->attention_output, w->projected,
          w->attended, m);
  add_to_residual(w, crew, w->projected, m * config->d_model);

  normalize(w, model, crew, DYNO_PROBE_MOE_NORM, layer->ffn_norm, w->residual, m);
  project(w, model, crew, DYNO_PROBE_ROUTER, &layer->router, w->router_logits, w->normalized, m);
  dyno_forward_experts(w, model, layer, crew, m);
}

void dyno_forward(dyno_workspace *w, dyno_kv *kv, const dyno_model *model, dyno_pool *pool,
                  const dyno_probe *probe, const int32_t *tokens, size_t m, size_t position)
{
  dyno_crew crew = {pool, probe, -1, m};
  embed(w, model, &crew, tokens, m);
  dyno_rope_tables(w->cosine, w->sine, model->inverse_frequency, model->config->head_dim / 2,
                   model->rope_scale, position, m);
  for (size_t i = 0; i < model->config->layers; i++) {
    crew.layer = (int)i;
    run_layer(w, &kv->layers[i], model, &model->layers[i], &crew, m, position);
  }
}

void dyno_forward_logits(float *logits, dyno_workspace *w, const dyno_model *model, dyno_pool *pool,
                         const dyno_probe *probe, size_t first, size_t count)
{
  const dyno_crew crew = {pool, probe, -1, count};
  const float *hidden = w->residual + first * model->config->d_model;
  normalize(w, model, &crew, DYNO_PROBE_OUTPUT_NORM, model->output_norm, hidden, count);
  project(w, model, &crew, DYNO_PROBE_HEAD, &model->head, logits, w->normalized, count);
}
