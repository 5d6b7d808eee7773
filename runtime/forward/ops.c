#include "runtime/forward/ops.h"

#include <assert.h>

#include "kernels/base/clock.h"

uint64_t dyno_begin_op(const dyno_crew *crew)
{
  return crew->probe == NULL ? 0 : dyno_clock_ns();
}

void dyno_end_op(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                 unsigned thread, uint64_t begin, uint64_t end, uint64_t bytes, uint64_t macs)
{
  crew->probe->event(crew->probe->context, &(dyno_probe_event){
                                               .op = dyno_probe_op_name(op),
                                               .layer = crew->layer,
                                               .thread = thread,
                                               .kernel = kernel,
                                               .begin_ns = begin,
                                               .end_ns = end,
                                               .bytes = bytes,
                                               .macs = macs,
                                               .tokens = crew->tokens,
                                           });
}

/* Ops whose rows are all alike: any contiguous share of them is a task. */
typedef struct row_job {
  const dyno_crew *crew;
  dyno_probe_op op;
  const dyno_kernel *kernel;
  const void *args;
  size_t rows;
} row_job;

static void call_kernel(const dyno_kernel *kernel, const void *args, size_t begin, size_t end)
{
  switch (kernel->op) {
  case DYNO_OP_QUANTIZE_ACTIVATION:
    kernel->run.quantize_activation(args, begin, end);
    break;
  case DYNO_OP_STORE_KV:
    kernel->run.store_kv(args, begin, end);
    break;
  case DYNO_OP_RMSNORM:
    kernel->run.rmsnorm(args, begin, end);
    break;
  case DYNO_OP_ROPE:
    kernel->run.rope(args, begin, end);
    break;
  case DYNO_OP_SWIGLU:
    kernel->run.swiglu(args, begin, end);
    break;
  case DYNO_OP_ROUTER:
    kernel->run.router(args, begin, end);
    break;
  default:
    assert(false && "an op of rows");
  }
}

static void row_task(void *context, unsigned thread, unsigned threads)
{
  const row_job *job = context;
  size_t begin, end;
  dyno_partition(&begin, &end, job->rows, 1, thread, threads);
  uint64_t begin_ns = dyno_begin_op(job->crew);
  call_kernel(job->kernel, job->args, begin, end);
  if (job->crew->probe != NULL)
    dyno_end_op(job->crew, job->op, job->kernel, thread, begin_ns, dyno_clock_ns(), 0, 0);
}

/* Less work than this is done by the caller alone: waking the others would take longer. */
enum { SMALLEST_SHARED_WORK = 16384 };

static void run_rows(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                     const void *args, size_t rows, size_t elements)
{
  row_job job = {crew, op, kernel, args, rows};
  if (elements < SMALLEST_SHARED_WORK || rows < 2)
    row_task(&job, 0, 1);
  else
    dyno_pool_run(crew->pool, row_task, &job);
}

void dyno_run_quantize_activation(const dyno_crew *crew, dyno_probe_op op,
                                  const dyno_kernel *kernel,
                                  const dyno_quantize_activation_args *args)
{
  run_rows(crew, op, kernel, args, args->m, args->m * args->k);
}

void dyno_run_rmsnorm(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                      const dyno_rmsnorm_args *args)
{
  run_rows(crew, op, kernel, args, args->m, args->m * args->k);
}

void dyno_run_rope(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                   const dyno_rope_args *args)
{
  run_rows(crew, op, kernel, args, args->m, args->m * args->heads * args->head_size);
}

void dyno_run_swiglu(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                     const dyno_swiglu_args *args)
{
  run_rows(crew, op, kernel, args, args->m, args->m * args->k);
}

void dyno_run_router(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                     const dyno_router_args *args)
{
  run_rows(crew, op, kernel, args, args->m, args->m * args->experts);
}

void dyno_run_store_kv(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                       const dyno_store_kv_args *args)
{
  run_rows(crew, op, kernel, args, args->m, 2 * args->m * args->kv_heads * args->head_size);
}

typedef struct attention_job {
  const dyno_crew *crew;
  dyno_probe_op op;
  const dyno_kernel *kernel;
  const dyno_attention_args *args;
  char *scratch;
  size_t scratch_bytes;
} attention_job;

/* Bytes and multiply-adds of the rows [begin, end): keys and values are counted once for each head,
 * and multiplied once for each query that sees them. */
static void count_attention(uint64_t *bytes, uint64_t *macs, const attention_job *job, size_t begin,
                            size_t end)
{
  const dyno_attention_args *args = job->args;
  size_t row = dyno_row_bytes(job->kernel->activation, args->head_size);
  size_t heads = args->heads / args->kv_heads, seen_from = 0, counted_to = 0;
  for (size_t i = begin; i < end; i++) {
    size_t t = i % args->m, last = args->first_position + t + 1;
    size_t first = args->window != 0 && last > args->window ? last - args->window : 0;
    if (i == begin || t == 0)
      counted_to = first;
    seen_from = first;
    *bytes += 2 * row * (last - (counted_to > seen_from ? counted_to : seen_from));
    *macs += 2 * args->head_size * heads * (last - first);
    counted_to = last;
  }
}

static void attention_task(void *context, unsigned thread, unsigned threads)
{
  const attention_job *job = context;
  dyno_attention_args args = *job->args;
  args.scratch = job->scratch + thread * job->scratch_bytes;
  size_t begin, end;
  dyno_partition(&begin, &end, args.kv_heads * args.m, 1, thread, threads);
  uint64_t begin_ns = dyno_begin_op(job->crew), bytes = 0, macs = 0;
  job->kernel->run.attention(&args, begin, end);
  if (job->crew->probe == NULL)
    return;
  uint64_t end_ns = dyno_clock_ns();
  count_attention(&bytes, &macs, job, begin, end);
  dyno_end_op(job->crew, job->op, job->kernel, thread, begin_ns, end_ns, bytes, macs);
}

void dyno_run_attention(const dyno_crew *crew, dyno_probe_op op, const dyno_kernel *kernel,
                        const dyno_attention_args *args, void *scratch, size_t scratch_bytes)
{
  attention_job job = {crew, op, kernel, args, scratch, scratch_bytes};
  dyno_pool_run(crew->pool, attention_task, &job);
}

typedef struct matmul_job {
  const dyno_crew *crew;
  dyno_probe_op op;
  const dyno_linear *linear;
  const dyno_kernel *kernel;
  const dyno_matmul_args *args;
  size_t granule;
} matmul_job;

/* A row of a group costs its weights, which are read once whatever the tokens, and then the
 * arithmetic for each token. The two are equal at about this many tokens. */
enum { TOKENS_WORTH_A_READ = 8 };

/* Row `share` threads-ths of the way through the work, numbered through the groups and rounded to
 * the granule within its group. */
static size_t split_point(const matmul_job *job, unsigned share, unsigned threads)
{
  const dyno_matmul_args *args = job->args;
  if (share == threads)
    return args->groups * args->n;
  size_t total = (args->m + args->groups * TOKENS_WORTH_A_READ) * args->n;
  size_t left = total / threads * share;
  for (size_t g = 0; g < args->groups; g++) {
    size_t row_cost = args->group_begin[g + 1] - args->group_begin[g] + TOKENS_WORTH_A_READ;
    if (left < row_cost * args->n)
      return g * args->n + left / row_cost / job->granule * job->granule;
    left -= row_cost * args->n;
  }
  return args->groups * args->n;
}

static void count_matmul(uint64_t *bytes, uint64_t *macs, const matmul_job *job, size_t begin,
                         size_t end)
{
  const dyno_matmul_args *args = job->args;
  const dyno_layout *layout = job->linear->layout;
  size_t matrix = layout->bytes(layout, args->n, args->k);
  for (size_t g = 0; g < args->groups; g++) {
    size_t first = g * args->n, last = first + args->n;
    size_t from = begin > first ? begin : first, to = end < last ? end : last;
    if (from >= to)
      continue;
    *bytes += matrix * (to - first) / args->n - matrix * (from - first) / args->n;
    *macs += (to - from) * args->k * (args->group_begin[g + 1] - args->group_begin[g]);
  }
}

static void matmul_task(void *context, unsigned thread, unsigned threads)
{
  const matmul_job *job = context;
  size_t begin = split_point(job, thread, threads);
  size_t end = split_point(job, thread + 1, threads);
  uint64_t begin_ns = dyno_begin_op(job->crew), bytes = 0, macs = 0;
  if (begin < end)
    job->kernel->run.matmul(job->args, begin, end);
  if (job->crew->probe == NULL)
    return;
  uint64_t end_ns = dyno_clock_ns();
  count_matmul(&bytes, &macs, job, begin, end);
  dyno_end_op(job->crew, job->op, job->kernel, thread, begin_ns, end_ns, bytes, macs);
}

static void run_matmul(const dyno_crew *crew, dyno_probe_op op, const dyno_linear *linear,
                       const dyno_matmul_args *args, size_t tokens)
{
  const dyno_kernel *kernel = tokens == 1 ? linear->decode.kernel : linear->prefill.kernel;
  matmul_job job = {crew, op, linear, kernel, args, linear->layout->row_granule};
  dyno_pool_run(crew->pool, matmul_task, &job);
}

void dyno_run_linear(const dyno_crew *crew, dyno_probe_op op, const dyno_linear *linear,
                     float *output, const void *activation, size_t m)
{
  const size_t group_begin[2] = {0, m};
  const dyno_matmul_args args = {
      .output = output,
      .output_stride = linear->n,
      .weight = linear->group_weight,
      .activation = activation,
      .bias = linear->group_bias,
      .group_begin = group_begin,
      .groups = 1,
      .m = m,
      .n = linear->n,
      .k = linear->k,
  };
  run_matmul(crew, op, linear, &args, m);
}

void dyno_run_experts(const dyno_crew *crew, dyno_probe_op op, const dyno_linear *linear,
                      float *output, const void *activation, const dyno_expert_groups *groups)
{
  size_t rows = groups->begin[groups->count];
  for (size_t g = 0; g < groups->count; g++) {
    groups->weight[g] = linear->group_weight[groups->expert[g]];
    if (linear->group_bias != NULL)
      groups->bias[g] = linear->group_bias[groups->expert[g]];
  }
  const dyno_matmul_args args = {
      .output = output,
      .output_stride = linear->n,
      .weight = groups->weight,
      .activation = activation,
      .bias = linear->group_bias != NULL ? groups->bias : NULL,
      .group_begin = groups->begin,
      .groups = groups->count,
      .m = rows,
      .n = linear->n,
      .k = linear->k,
  };
  /* One row in every group is what a single token makes. */
  run_matmul(crew, op, linear, &args, rows == groups->count ? 1 : rows);
}
