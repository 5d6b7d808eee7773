#include "runtime/forward/forward.h"

#include "kernels/base/a8.h"

/* A member of the workspace and the bytes it needs. */
typedef struct part {
  void **member;
  size_t bytes;
} part;

static size_t max_size(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t attention_scratch_bytes(const dyno_model *model, size_t capacity)
{
  const dyno_kernel *kernel = model->kernels.attention.kernel;
  const dyno_model_config *config = model->config;
  if (kernel->scratch_bytes == NULL)
    return 0;
  const dyno_problem problem = {
      .op = DYNO_OP_ATTENTION,
      .activation = model->kv_dtype,
      .m = model->batch,
      .n = capacity,
      .k = config->head_dim,
      .heads = config->heads,
      .kv_heads = config->kv_heads,
  };
  return (kernel->scratch_bytes(&problem) + 63) & ~(size_t)63;
}

dyno_status dyno_workspace_open(dyno_workspace *workspace, const dyno_model *model, size_t capacity,
                                unsigned threads, dyno_error *error)
{
  const dyno_model_config *config = model->config;
  size_t m = model->batch, rows = m * config->experts_per_token;
  size_t q = config->heads * config->head_dim, kv = config->kv_heads * config->head_dim;
  size_t d = config->d_model, ff = config->d_ff, experts = config->experts;
  size_t token_bytes = max_size(d * sizeof(float), dyno_a8_row_bytes(d));
  *workspace =
      (dyno_workspace){.attention_scratch_bytes = attention_scratch_bytes(model, capacity)};
  dyno_workspace *w = workspace;
  const part parts[] = {
      {(void **)&w->residual, m * d * sizeof(float)},
      {(void **)&w->normalized, m * d * sizeof(float)},
      {(void **)&w->query, m * q * sizeof(float)},
      {(void **)&w->key, m * kv * sizeof(float)},
      {(void **)&w->value, m * kv * sizeof(float)},
      {(void **)&w->attended, m * q * sizeof(float)},
      {(void **)&w->projected, m * d * sizeof(float)},
      {(void **)&w->cosine, m * config->head_dim / 2 * sizeof(float)},
      {(void **)&w->sine, m * config->head_dim / 2 * sizeof(float)},
      {(void **)&w->router_logits, m * experts * sizeof(float)},
      {(void **)&w->expert, rows * sizeof(int32_t)},
      {(void **)&w->expert_weight, rows * sizeof(float)},
      {(void **)&w->row_of, rows * sizeof(size_t)},
      {&w->expert_input, rows * token_bytes},
      {(void **)&w->gate, rows * ff * sizeof(float)},
      {(void **)&w->up, rows * ff * sizeof(float)},
      {(void **)&w->expert_output, rows * d * sizeof(float)},
      {&w->quantized,
       max_size(m * dyno_a8_row_bytes(max_size(q, d)), rows * dyno_a8_row_bytes(ff))},
      {(void **)&w->group_begin, (experts + 1) * sizeof(size_t)},
      {(void **)&w->group_expert, experts * sizeof(size_t)},
      {(void **)&w->group_weight, experts * sizeof(void *)},
      {(void **)&w->group_bias, experts * sizeof(float *)},
      {&w->attention_scratch, threads * w->attention_scratch_bytes},
  };
  size_t total = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    total += (parts[i].bytes + 63) & ~(size_t)63;
  dyno_status status = dyno_buffer_open(&workspace->buffer, total, error);
  if (status != DYNO_OK) {
    *workspace = (dyno_workspace){0};
    return status;
  }
  char *next = workspace->buffer.data;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    *parts[i].member = next;
    next += (parts[i].bytes + 63) & ~(size_t)63;
  }
  return DYNO_OK;
}

void dyno_workspace_close(dyno_workspace *workspace)
{
  dyno_buffer_close(&workspace->buffer);
  *workspace = (dyno_workspace){0};
}
