/* The model as OpenAI's gpt_oss/torch/model.py computes it. */
#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/elementwise/rope.h"
#include "runtime/forward/experts.h"

static void embed(dyno_workspace *w, const dyno_model *model, const int32_t *tokens, size_t m)
{
  const dyno_tensor *table = model->embedding;
  for (size_t t = 0; t < m; t++) {
    const uint8_t *row = (const uint8_t *)table->data + (size_t)tokens[t] * table->row_bytes;
    dyno_row_to_float(w->residual + t * table->k, row, table->dtype, table->k);
  }
}

/* The activations as the matrices that share them want them: all of one format. */
static const void *prepare(dyno_workspace *w, const dyno_model *model, dyno_pool *pool,
                           const dyno_linear *linear, const float *values, size_t m)
{
  if (linear->activation == DYNO_F32)
    return values;
  const dyno_quantize_activation_args args = {w->quantized, values, m, linear->k};
  dyno_run_quantize_activation(pool, model->kernels.quantize_activation.kernel, &args);
  return w->quantized;
}

static void project(dyno_workspace *w, const dyno_model *model, dyno_pool *pool,
                    const dyno_linear *linear, float *output, const float *values, size_t m)
{
  dyno_run_linear(pool, linear, output, prepare(w, model, pool, linear, values, m), m);
}

static void normalize(dyno_workspace *w, const dyno_model *model, dyno_pool *pool,
                      const float *weight, const float *values, size_t m)
{
  const dyno_rmsnorm_args args = {
      .output = w->normalized,
      .input = values,
      .weight = weight,
      .epsilon = model->config->rms_epsilon,
      .m = m,
      .k = model->config->d_model,
  };
  dyno_run_rmsnorm(pool, model->kernels.rmsnorm.kernel, &args);
}

static void rotate(dyno_workspace *w, const dyno_model *model, dyno_pool *pool, float *values,
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
  dyno_run_rope(pool, model->kernels.rope.kernel, &args);
}

static void attend(dyno_workspace *w, dyno_kv_layer *kv, const dyno_model *model,
                   const dyno_layer *layer, dyno_pool *pool, size_t m, size_t position)
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
  dyno_run_store_kv(pool, model->kernels.store_kv.kernel, &store);
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
  dyno_run_attention(pool, model->kernels.attention.kernel, &attention, w->attention_scratch,
                     w->attention_scratch_bytes);
}

static void add_to_residual(dyno_workspace *w, const float *values, size_t count)
{
  for (size_t i = 0; i < count; i++)
    w->residual[i] += values[i];
}

static void run_layer(dyno_workspace *w, dyno_kv_layer *kv, const dyno_model *model,
                      const dyno_layer *layer, dyno_pool *pool, size_t m, size_t position)
{
  const dyno_model_config *config = model->config;

  normalize(w, model, pool, layer->attention_norm, w->residual, m);
  project(w, model, pool, &layer->query, w->query, w->normalized, m);
  project(w, model, pool, &layer->key, w->key, w->normalized, m);
  project(w, model, pool, &layer->value, w->value, w->normalized, m);
  rotate(w, model, pool, w->query, config->heads, m);
  rotate(w, model, pool, w->key, config->kv_heads, m);
  attend(w, kv, model, layer, pool, m, position);
  project(w, model, pool, &layer->attention_output, w->projected, w->attended, m);
  add_to_residual(w, w->projected, m * config->d_model);

  normalize(w, model, pool, layer->ffn_norm, w->residual, m);
  project(w, model, pool, &layer->router, w->router_logits, w->normalized, m);
  dyno_forward_experts(w, model, layer, pool, m);
}

void dyno_forward(dyno_workspace *w, dyno_kv *kv, const dyno_model *model, dyno_pool *pool,
                  const int32_t *tokens, size_t m, size_t position)
{
  embed(w, model, tokens, m);
  dyno_rope_tables(w->cosine, w->sine, model->inverse_frequency, model->config->head_dim / 2,
                   model->rope_scale, position, m);
  for (size_t i = 0; i < model->config->layers; i++)
    run_layer(w, &kv->layers[i], model, &model->layers[i], pool, m, position);
}

void dyno_forward_logits(float *logits, dyno_workspace *w, const dyno_model *model, dyno_pool *pool,
                         size_t first, size_t count)
{
  const float *hidden = w->residual + first * model->config->d_model;
  normalize(w, model, pool, model->output_norm, hidden, count);
  project(w, model, pool, &model->head, logits, w->normalized, count);
}
