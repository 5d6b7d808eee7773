#include "runtime/forward/workspace.h"

#include "kernels/base/a8.h"

enum { LINE = 64, PAGE = 4096 };

/* Steps of a layer that hand numbers out (shares.h), and those after the layers. */
enum { CLAIM_STEPS_PER_LAYER = 6, CLAIM_STEPS_AFTER = 1 };

/* Memory that is counted first, with base NULL, and handed out in a second walk. */
typedef struct arena {
  char *base;
  size_t used;
} arena;

static void *take(arena *from, size_t bytes)
{
  void *taken = from->base == NULL ? NULL : from->base + from->used;
  from->used += (bytes + LINE - 1) / LINE * LINE;
  return taken;
}

/* What a thread touches first shall be on its node: on pages of its own. */
static void start_page(arena *from)
{
  from->used = (from->used + PAGE - 1) / PAGE * PAGE;
}

static size_t max_size(size_t a, size_t b)
{
  return a > b ? a : b;
}

/* Whether the experts of any layer take their input, or their down matrices theirs, in a format. */
static bool experts_take(const dyno_model *model, dyno_dtype format, bool down)
{
  for (size_t i = 0; i < model->config->layers; i++) {
    const dyno_layer *layer = &model->layers[i];
    if (down ? layer->down.activation == format
             : layer->gate.activation == format || layer->up.activation == format)
      return true;
  }
  return false;
}

static void lay_out_stream(dyno_stream *stream, arena *from, const dyno_model *model, size_t m)
{
  const dyno_model_config *config = model->config;
  size_t d = config->d_model, rows = m * config->experts_per_token;
  size_t widest = max_size(config->heads * config->head_dim, d);
  stream->residual = take(from, m * d * sizeof(float));
  stream->normalized = take(from, m * d * sizeof(float));
  stream->quantized = take(from, m * dyno_a8_row_bytes(widest));
  stream->cosine = take(from, m * config->head_dim / 2 * sizeof(float));
  stream->sine = take(from, m * config->head_dim / 2 * sizeof(float));
  stream->expert = take(from, rows * sizeof *stream->expert);
  stream->expert_weight = take(from, rows * sizeof *stream->expert_weight);
  stream->expert_input =
      experts_take(model, DYNO_F32, false) ? take(from, rows * d * sizeof(float)) : NULL;
  stream->expert_quantized =
      experts_take(model, DYNO_A8, false) ? take(from, rows * dyno_a8_row_bytes(d)) : NULL;
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
  return kernel->scratch_bytes(&problem);
}

static void lay_out_own(dyno_own *own, arena *from, const dyno_model *model, size_t scratch_bytes,
                        const dyno_stream *shared)
{
  const dyno_model_config *config = model->config;
  size_t experts = config->experts;
  start_page(from);
  if (shared != NULL)
    own->stream = *shared;
  else
    lay_out_stream(&own->stream, from, model, 1);
  own->row_of = take(from, model->batch * config->experts_per_token * sizeof *own->row_of);
  own->group_begin = take(from, (experts + 1) * sizeof *own->group_begin);
  own->group_expert = take(from, experts * sizeof *own->group_expert);
  dyno_group_pointers *const pointers[] = {&own->gate, &own->up, &own->down};
  for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
    pointers[i]->weight = take(from, experts * sizeof *pointers[i]->weight);
    pointers[i]->bias = take(from, experts * sizeof *pointers[i]->bias);
  }
  own->attention_scratch = take(from, scratch_bytes);
}

static void lay_out(dyno_workspace *w, arena *from, const dyno_model *model, size_t capacity)
{
  const dyno_model_config *config = model->config;
  size_t m = model->batch, rows = m * config->experts_per_token;
  size_t q = config->heads * config->head_dim, kv = config->kv_heads * config->head_dim;
  size_t d = config->d_model, ff = config->d_ff;
  size_t scratch_bytes = attention_scratch_bytes(model, capacity);
  lay_out_stream(&w->shared, from, model, m);
  w->query = take(from, m * q * sizeof(float));
  w->key = take(from, m * kv * sizeof(float));
  w->value = take(from, m * kv * sizeof(float));
  w->attended = take(from, m * q * sizeof(float));
  w->projected = take(from, m * d * sizeof(float));
  w->router_logits = take(from, m * config->experts * sizeof(float));
  w->gate = take(from, rows * ff * sizeof(float));
  w->up = take(from, rows * ff * sizeof(float));
  w->activated =
      experts_take(model, DYNO_A8, true) ? take(from, rows * dyno_a8_row_bytes(ff)) : NULL;
  w->expert_output = take(from, rows * d * sizeof(float));
  for (unsigned t = 0; t < w->threads; t++)
    lay_out_own(&w->own[t], from, model, scratch_bytes, t == 0 ? &w->shared : NULL);
}

static void count_peers(dyno_workspace *w, const dyno_pool *pool)
{
  for (unsigned t = 0; t < w->threads; t++) {
    dyno_own *own = &w->own[t];
    own->node = dyno_pool_node(pool, t);
    for (unsigned other = 0; other < w->threads; other++)
      own->peers += dyno_pool_node(pool, other) == own->node;
  }
}

static dyno_status out_of_memory(size_t bytes, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "workspace: no memory for %zu bytes", bytes);
}

static void *allocate(dyno_workspace *w, size_t count, size_t bytes)
{
  return dyno_allocate_zeroed(w->allocator, count * bytes, LINE, DYNO_PURPOSE_WORKSPACE);
}

dyno_status dyno_workspace_open(dyno_workspace *workspace, const dyno_model *model, size_t capacity,
                                const dyno_pool *pool, dyno_allocator *allocator, dyno_error *error)
{
  dyno_workspace *w = workspace;
  *w = (dyno_workspace){
      .allocator = allocator,
      .pool = pool,
      .threads = dyno_pool_threads(pool),
      .nodes = dyno_pool_nodes(pool),
      .claim_steps = model->config->layers * CLAIM_STEPS_PER_LAYER + CLAIM_STEPS_AFTER,
  };
  w->own = allocate(w, w->threads, sizeof *w->own);
  w->claims = allocate(w, w->claim_steps * w->nodes, sizeof *w->claims);
  dyno_status status = DYNO_OK;
  if (w->own == NULL || w->claims == NULL)
    status = out_of_memory(w->claim_steps * w->nodes * sizeof *w->claims, error);
  if (status == DYNO_OK)
    status = dyno_barrier_open(&w->barrier, w->threads, dyno_pool_kind_of(pool), error);
  arena memory = {0};
  if (status == DYNO_OK) {
    count_peers(w, pool);
    lay_out(w, &memory, model, capacity);
    w->memory = dyno_allocate(allocator, memory.used,
                              memory.used < DYNO_HUGE_PAGE / 2 ? PAGE : DYNO_HUGE_PAGE,
                              DYNO_PURPOSE_WORKSPACE);
    if (w->memory == NULL)
      status = out_of_memory(memory.used, error);
  }
  if (status != DYNO_OK) {
    dyno_workspace_close(w);
    return status;
  }
  memory = (arena){w->memory, 0};
  lay_out(w, &memory, model, capacity);
  return DYNO_OK;
}

void dyno_workspace_start(dyno_workspace *workspace)
{
  for (size_t i = 0; i < workspace->claim_steps * workspace->nodes; i++)
    atomic_store_explicit(&workspace->claims[i], 0, memory_order_relaxed);
}

void dyno_workspace_close(dyno_workspace *workspace)
{
  dyno_barrier_close(&workspace->barrier);
  if (workspace->allocator != NULL) {
    dyno_release(workspace->allocator, workspace->memory);
    dyno_release(workspace->allocator, workspace->own);
    dyno_release(workspace->allocator, workspace->claims);
  }
  *workspace = (dyno_workspace){0};
}
