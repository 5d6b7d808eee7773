#include "kernels/cost.h"

#include "kernels/base/kv_block.h"
#include "kernels/sampling/screen.h"

static const double float_bytes = sizeof(float);

static double rows_bytes(dyno_dtype dtype, size_t rows, size_t k)
{
  return (double)rows * (double)dyno_row_bytes(dtype, k);
}

/* Of keys or values. */
static double vectors_bytes(dyno_dtype dtype, size_t count, size_t k)
{
  return (double)count * (double)dyno_kv_vector_bytes(dyno_row_bytes(dtype, 1), k);
}

static dyno_cost matmul(const dyno_kernel *kernel, const dyno_problem *problem)
{
  const dyno_layout *layout = dyno_kernel_layout(kernel);
  double m = (double)problem->m, n = (double)problem->n, k = (double)problem->k;
  return (dyno_cost){
      .macs = m * n * k,
      .bytes_weight =
          (double)problem->groups * (double)layout->bytes(layout, problem->n, problem->k),
      .bytes_activation = rows_bytes(problem->activation, problem->m, problem->k),
      .bytes_output = m * n * float_bytes,
  };
}

/* Query t of m sees n - m + t + 1 positions, the window at most. */
static double positions_seen(const dyno_problem *problem)
{
  double m = (double)problem->m, n = (double)problem->n, window = (double)problem->window;
  double first = n - m + 1; /* seen by the first query; each next one sees one more */
  if (problem->window == 0 || n <= window)
    return m * (first + n) / 2;
  if (first >= window)
    return m * window;
  double growing = window - first;
  return growing * (first + window - 1) / 2 + (m - growing) * window;
}

static dyno_cost attention(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double width = (double)problem->heads * (double)problem->k;
  size_t touched = problem->n;
  if (problem->m == 0)
    touched = 0;
  else if (problem->window != 0 && problem->m + problem->window - 1 < touched)
    touched = problem->m + problem->window - 1;
  return (dyno_cost){
      .macs = 2 * width * positions_seen(problem),
      .bytes_activation =
          (double)problem->m * width * float_bytes +
          2 * vectors_bytes(problem->activation, touched * problem->kv_heads, problem->k),
      .bytes_output = (double)problem->m * width * float_bytes,
  };
}

static dyno_cost quantize_weight(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double elements = (double)problem->n * (double)problem->k;
  return (dyno_cost){
      .macs = elements,
      .bytes_activation = elements * float_bytes,
      .bytes_output = rows_bytes(problem->weight, problem->n, problem->k),
  };
}

/* A block has few candidates, but which ones and how many is not the problem's affair. */
static dyno_cost fit_weight(const dyno_kernel *kernel, const dyno_problem *problem)
{
  dyno_cost cost = quantize_weight(kernel, problem);
  cost.bytes_weight = (double)problem->k * float_bytes;
  return cost;
}

static dyno_cost quantize_activation(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double elements = (double)problem->m * (double)problem->k;
  return (dyno_cost){
      .macs = elements,
      .bytes_activation = elements * float_bytes,
      .bytes_output = rows_bytes(problem->activation, problem->m, problem->k),
  };
}

static dyno_cost store_kv(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  size_t vectors = 2 * problem->m * problem->kv_heads;
  double elements = (double)vectors * (double)problem->k;
  return (dyno_cost){
      .macs = elements,
      .bytes_activation = elements * float_bytes,
      .bytes_output = vectors_bytes(problem->activation, vectors, problem->k),
  };
}

static dyno_cost rmsnorm(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double elements = (double)problem->m * (double)problem->k;
  return (dyno_cost){
      .macs = 2 * elements,
      .bytes_weight = (double)problem->k * float_bytes,
      .bytes_activation = elements * float_bytes,
      .bytes_output = elements * float_bytes,
  };
}

static dyno_cost rope(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double elements = (double)problem->m * (double)problem->heads * (double)problem->k;
  double tables = (double)problem->m * (double)problem->k; /* cosine and sine, half of k each */
  return (dyno_cost){
      .macs = 2 * elements,
      .bytes_activation = (elements + tables) * float_bytes,
      .bytes_output = elements * float_bytes,
  };
}

static dyno_cost swiglu(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double elements = (double)problem->m * (double)problem->k;
  return (dyno_cost){
      .macs = elements,
      .bytes_activation = 2 * elements * float_bytes,
      .bytes_output = elements * float_bytes,
  };
}

static dyno_cost choose(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  double elements = (double)problem->m * (double)problem->n;
  return (dyno_cost){
      .macs = elements,
      .bytes_activation = elements * float_bytes,
      .bytes_output =
          (double)problem->m * (double)problem->k * (double)(sizeof(int32_t) + sizeof(float)),
  };
}

static dyno_cost screen(const dyno_kernel *kernel, const dyno_problem *problem)
{
  (void)kernel;
  return (dyno_cost){
      .macs = (double)problem->n * (double)problem->k,
      .bytes_weight = (double)dyno_screen_bytes(problem->n, problem->k),
      .bytes_activation = rows_bytes(DYNO_A8, 1, problem->k),
      .bytes_output = 2 * (double)problem->n * float_bytes,
  };
}

static dyno_cost (*const costs[DYNO_OP_COUNT])(const dyno_kernel *, const dyno_problem *) = {
    [DYNO_OP_MATMUL] = matmul,
    [DYNO_OP_ATTENTION] = attention,
    [DYNO_OP_QUANTIZE_WEIGHT] = quantize_weight,
    [DYNO_OP_FIT_WEIGHT] = fit_weight,
    [DYNO_OP_QUANTIZE_ACTIVATION] = quantize_activation,
    [DYNO_OP_STORE_KV] = store_kv,
    [DYNO_OP_RMSNORM] = rmsnorm,
    [DYNO_OP_ROPE] = rope,
    [DYNO_OP_SWIGLU] = swiglu,
    [DYNO_OP_ROUTER] = choose,
    [DYNO_OP_TOP_K] = choose,
    [DYNO_OP_SCREEN] = screen,
};

dyno_cost dyno_kernel_cost(const dyno_kernel *kernel, const dyno_problem *problem)
{
  return costs[problem->op](kernel, problem);
}

double dyno_cost_bytes(const dyno_cost *cost)
{
  return cost->bytes_weight + cost->bytes_activation + cost->bytes_output;
}
