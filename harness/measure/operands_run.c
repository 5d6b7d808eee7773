#include <math.h>

#include "harness/measure/operands_internal.h"

/* One run of a kernel. */
typedef struct call {
  const dyno_operands *operands;
  const dyno_kernel *kernel;
  size_t copy, row0, row1;
  unsigned thread;
} call;

static void *at(const dyno_operands *operands, size_t index, size_t copy)
{
  const operand_array *wanted = &operands->arrays[index];
  char *base =
      wanted->streamed ? operands->streamed + copy * operands->size.streamed : operands->fixed;
  return base + wanted->offset;
}

static void run_matmul(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_matmul_args args = {
      .output = at(o, MATMUL_OUTPUT, 0),
      .output_stride = o->problem.n,
      .weight = (const void *const *)o->parts + c->copy * o->part_count,
      .activation = at(o, MATMUL_ACTIVATION, 0),
      .bias = o->biases,
      .group_begin = o->group_begin,
      .groups = o->problem.groups,
      .m = o->problem.m,
      .n = o->problem.n,
      .k = o->problem.k,
  };
  c->kernel->run.matmul(&args, c->row0, c->row1);
}

static void run_attention(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_attention_args args = {
      .output = at(o, ATTENTION_OUTPUT, 0),
      .query = at(o, ATTENTION_QUERY, 0),
      .blocks = (const void *const *)o->parts + c->copy * o->part_count,
      .block_count = o->part_count,
      .block_tokens = DYNO_OPERANDS_BLOCK_TOKENS,
      .first_position = o->problem.n - o->problem.m,
      .sinks = at(o, ATTENTION_SINKS, 0),
      .scale = 1 / sqrtf((float)o->problem.k),
      .m = o->problem.m,
      .heads = o->problem.heads,
      .kv_heads = o->problem.kv_heads,
      .head_size = o->problem.k,
      .window = o->problem.window,
      .scratch = o->scratch + c->thread * o->scratch_bytes,
  };
  c->kernel->run.attention(&args, c->row0, c->row1);
}

static void run_quantize_weight(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_quantize_weight_args args = {
      .output = at(o, QUANTIZE_OUTPUT, c->copy),
      .input = at(o, QUANTIZE_INPUT, c->copy),
      .n = o->problem.n,
      .k = o->problem.k,
  };
  c->kernel->run.quantize_weight(&args, c->row0, c->row1);
}

static void run_fit_weight(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_fit_weight_args args = {
      .output = at(o, QUANTIZE_OUTPUT, c->copy),
      .input = at(o, QUANTIZE_INPUT, c->copy),
      .importance = at(o, FIT_IMPORTANCE, c->copy),
      .n = o->problem.n,
      .k = o->problem.k,
  };
  c->kernel->run.fit_weight(&args, c->row0, c->row1);
}

static void run_quantize_activation(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_quantize_activation_args args = {
      .output = at(o, QUANTIZE_OUTPUT, c->copy),
      .input = at(o, QUANTIZE_INPUT, c->copy),
      .m = o->problem.m,
      .k = o->problem.k,
      .column1 = o->problem.k,
  };
  c->kernel->run.quantize_activation(&args, c->row0, c->row1);
}

static void run_store_kv(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_store_kv_args args = {
      .blocks = o->parts + c->copy * o->part_count,
      .block_count = o->part_count,
      .block_tokens = DYNO_OPERANDS_BLOCK_TOKENS,
      .key = at(o, STORE_KEY, c->copy),
      .value = at(o, STORE_VALUE, c->copy),
      .m = o->problem.m,
      .kv_heads = o->problem.kv_heads,
      .head_size = o->problem.k,
  };
  c->kernel->run.store_kv(&args, c->row0, c->row1);
}

static void run_rmsnorm(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_rmsnorm_args args = {
      .output = at(o, RMSNORM_OUTPUT, c->copy),
      .input = at(o, RMSNORM_INPUT, c->copy),
      .weight = at(o, RMSNORM_WEIGHT, 0),
      .epsilon = 1e-5f,
      .m = o->problem.m,
      .k = o->problem.k,
  };
  c->kernel->run.rmsnorm(&args, c->row0, c->row1);
}

static void run_rope(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_rope_args args = {
      .values = at(o, ROPE_VALUES, c->copy),
      .stride = o->problem.heads * o->problem.k,
      .cosine = at(o, ROPE_COSINE, 0),
      .sine = at(o, ROPE_SINE, 0),
      .m = o->problem.m,
      .heads = o->problem.heads,
      .head_size = o->problem.k,
  };
  c->kernel->run.rope(&args, c->row0, c->row1);
}

static void run_swiglu(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_swiglu_args args = {
      .output = at(o, SWIGLU_OUTPUT, c->copy),
      .gate = at(o, SWIGLU_GATE, c->copy),
      .up = at(o, SWIGLU_UP, c->copy),
      .alpha = 1.702f,
      .limit = 7,
      .m = o->problem.m,
      .k = o->problem.k,
  };
  c->kernel->run.swiglu(&args, c->row0, c->row1);
}

static void run_router(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_router_args args = {
      .expert = at(o, CHOICE_INDEX, c->copy),
      .weight = at(o, CHOICE_VALUE, c->copy),
      .logits = at(o, CHOICE_VALUES, c->copy),
      .m = o->problem.m,
      .experts = o->problem.n,
      .chosen = o->problem.k,
  };
  c->kernel->run.router(&args, c->row0, c->row1);
}

static void run_top_k(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_top_k_args args = {
      .index = at(o, CHOICE_INDEX, c->copy),
      .value = at(o, CHOICE_VALUE, c->copy),
      .values = at(o, CHOICE_VALUES, c->copy),
      .m = o->problem.m,
      .n = o->problem.n,
      .chosen = o->problem.k,
  };
  c->kernel->run.top_k(&args, c->row0, c->row1);
}

static void run_screen(const call *c)
{
  const dyno_operands *o = c->operands;
  const dyno_screen_args args = {
      .lower = at(o, SCREEN_LOWER, 0),
      .upper = at(o, SCREEN_UPPER, 0),
      .screen = at(o, SCREEN_PANELS, c->copy),
      .quants = o->query.quants,
      .scales = o->query.scales,
      .offsets = o->query.offsets,
      .energies = o->query.energies,
      .spread = o->query.spread,
      .margin = o->query.margin,
      .n = o->problem.n,
      .k = o->problem.k,
  };
  c->kernel->run.screen(&args, c->row0, c->row1);
}

void dyno_operands_run(const dyno_operands *operands, const dyno_kernel *kernel, size_t copy,
                       size_t row0, size_t row1, unsigned thread)
{
  static void (*const runs[DYNO_OP_COUNT])(const call *) = {
      [DYNO_OP_MATMUL] = run_matmul,
      [DYNO_OP_ATTENTION] = run_attention,
      [DYNO_OP_QUANTIZE_WEIGHT] = run_quantize_weight,
      [DYNO_OP_FIT_WEIGHT] = run_fit_weight,
      [DYNO_OP_QUANTIZE_ACTIVATION] = run_quantize_activation,
      [DYNO_OP_STORE_KV] = run_store_kv,
      [DYNO_OP_RMSNORM] = run_rmsnorm,
      [DYNO_OP_ROPE] = run_rope,
      [DYNO_OP_SWIGLU] = run_swiglu,
      [DYNO_OP_ROUTER] = run_router,
      [DYNO_OP_TOP_K] = run_top_k,
      [DYNO_OP_SCREEN] = run_screen,
  };
  const call run = {operands, kernel, copy, row0, row1, thread};
  runs[operands->problem.op](&run);
}
