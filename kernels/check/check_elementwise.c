/* Operands of the elementwise family. Where the output may be an input, SHIFTED sometimes makes
 * it one. */
#include "kernels/check/instance.h"

#include <math.h>
#include <string.h>

static bool known(const dyno_problem *problem)
{
  (void)problem;
  return true;
}

static dyno_problem slice(const dyno_instance *instance, size_t token0, size_t token1)
{
  dyno_problem problem = instance->problem;
  problem.m = token1 - token0;
  return problem;
}

static float *random_floats(dyno_instance *instance, size_t count, dyno_input_part part)
{
  float *values = dyno_instance_alloc(instance, count * sizeof *values);
  dyno_fill_floats(values, count, instance->input, part, &instance->rng);
  return values;
}

static const float *float_input(dyno_instance *instance, dyno_view view, const char *name,
                                const float *values, size_t count)
{
  return dyno_instance_input(instance, view, name, values, count * sizeof *values, sizeof *values);
}

/* One output of m rows of floats. */
static dyno_check_output *float_output(dyno_instance *instance, size_t columns)
{
  size_t units = instance->problem.m * columns;
  dyno_check_output *output = dyno_instance_outputs(instance, 1);
  dyno_instance_place(instance, output, "output", DYNO_UNIT_FLOAT, units, columns, sizeof(float));
  for (size_t u = 0; u < units; u++)
    output->row[u] = output->token[u] = (uint32_t)(u / columns);
  dyno_instance_all_rows(instance, instance->problem.m, instance->problem.m);
  return output;
}

static float *output_at(const dyno_instance *instance, dyno_view view, size_t unit)
{
  return (float *)(void *)instance->outputs[0].place[view]->data + unit;
}

/* --- RMSNorm --- */

typedef struct rmsnorm_operands {
  dyno_rmsnorm_args args[DYNO_VIEW_COUNT]; /* input NULL: the output */
} rmsnorm_operands;

static const double *rmsnorm_bounds(dyno_instance *instance, const float *input,
                                    const float *weight, double epsilon)
{
  size_t k = instance->problem.k, m = instance->problem.m;
  double *bound = dyno_instance_alloc(instance, m * k * sizeof *bound);
  for (size_t t = 0; t < m; t++) {
    double squares = 0, largest = 0;
    for (size_t i = 0; i < k; i++)
      squares += (double)input[t * k + i] * (double)input[t * k + i];
    for (size_t i = 0; i < k; i++)
      largest = fmax(largest, fabs((double)weight[i]));
    double root = sqrt(squares / (double)k + epsilon);
    for (size_t i = 0; i < k; i++)
      bound[t * k + i] = dyno_bound_rmsnorm(
          instance->tolerance, k, (double)input[t * k + i] * (double)weight[i] / root, largest);
  }
  return bound;
}

static void rmsnorm_build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  size_t k = problem->k, count = problem->m * k;
  rmsnorm_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  const float *input = random_floats(instance, count, DYNO_PART_ACTIVATION);
  const float *weight = random_floats(instance, k, DYNO_PART_WEIGHT);
  dyno_check_output *output = float_output(instance, k);
  bool in_place = dyno_rng_below(&instance->rng, 2) != 0;
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    operands->args[view] = (dyno_rmsnorm_args){
        .input = float_input(instance, (dyno_view)view, "input", input, count),
        .weight = float_input(instance, (dyno_view)view, "weight", weight, k),
        .epsilon = 1e-5f,
        .k = k,
    };
  operands->args[DYNO_VIEW_REFERENCE] = operands->args[DYNO_VIEW_FLUSH];
  operands->args[DYNO_VIEW_TWIN] = operands->args[DYNO_VIEW_FLUSH];
  if (in_place) {
    operands->args[DYNO_VIEW_SHIFTED].input = NULL;
    output->initial[DYNO_VIEW_SHIFTED] = (const unsigned char *)input;
  }
  if (dyno_instance_has_bounds(instance))
    output->bound = rmsnorm_bounds(instance, input, weight, (double)1e-5f);
}

static void rmsnorm_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                        size_t row0, size_t row1)
{
  const rmsnorm_operands *operands = instance->operands;
  dyno_rmsnorm_args args = operands->args[view];
  args.output = output_at(instance, view, token0 * args.k);
  args.input = args.input == NULL ? args.output : args.input + token0 * args.k;
  args.m = token1 - token0;
  instance->kernels[view]->run.rmsnorm(&args, row0, row1);
}

const dyno_operation dyno_operation_rmsnorm = {
    .known = known,
    .build = rmsnorm_build,
    .run = rmsnorm_run,
    .slice = slice,
    .rows_follow_tokens = true,
};

/* --- rotary embedding --- */

typedef struct rope_operands {
  dyno_rope_args args[DYNO_VIEW_COUNT];
} rope_operands;

static const double *rope_bounds(dyno_instance *instance, const float *values, const float *cosine,
                                 const float *sine, size_t units, size_t stride)
{
  const dyno_problem *problem = &instance->problem;
  size_t half = problem->k / 2;
  double *bound = dyno_instance_alloc(instance, units * sizeof *bound);
  for (size_t t = 0; t < problem->m; t++)
    for (size_t pair = 0; pair < problem->heads * half; pair++) {
      size_t i = t * half + pair % half;
      size_t x = t * stride + pair / half * problem->k + pair % half, y = x + half;
      double c = fabs((double)cosine[i]), s = fabs((double)sine[i]);
      double a = fabs((double)values[x]), b = fabs((double)values[y]);
      bound[x] = dyno_bound_rope(instance->tolerance, a * c + b * s);
      bound[y] = dyno_bound_rope(instance->tolerance, b * c + a * s);
    }
  return bound;
}

static void rope_build(dyno_instance *instance)
{
  static const size_t paddings[4] = {0, 0, 1, 40};
  const dyno_problem *problem = &instance->problem;
  size_t m = problem->m, half = problem->k / 2, width = problem->heads * problem->k;
  size_t stride = width + paddings[dyno_rng_below(&instance->rng, 4)];
  size_t units = (m - 1) * stride + width;
  rope_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  const float *values = random_floats(instance, units, DYNO_PART_ACTIVATION);
  float *cosine = dyno_instance_alloc(instance, m * half * sizeof *cosine);
  float *sine = dyno_instance_alloc(instance, m * half * sizeof *sine);
  for (size_t i = 0; i < m * half; i++) {
    float angle = 4 * dyno_rng_uniform(&instance->rng);
    cosine[i] = 1.3f * cosf(angle);
    sine[i] = 1.3f * sinf(angle);
  }
  dyno_check_output *output = dyno_instance_outputs(instance, 1);
  dyno_instance_place(instance, output, "values", DYNO_UNIT_FLOAT, units, stride, sizeof(float));
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++) {
    if (view <= DYNO_VIEW_SHIFTED)
      operands->args[view] = (dyno_rope_args){
          .stride = stride,
          .cosine = float_input(instance, (dyno_view)view, "cosine", cosine, m * half),
          .sine = float_input(instance, (dyno_view)view, "sine", sine, m * half),
          .heads = problem->heads,
          .head_size = problem->k,
      };
    else
      operands->args[view] = operands->args[DYNO_VIEW_FLUSH];
    output->initial[view] = (const unsigned char *)values;
  }
  for (size_t u = 0; u < units; u++)
    if (u % stride < width)
      output->row[u] = output->token[u] = (uint32_t)(u / stride);
  if (dyno_instance_has_bounds(instance))
    output->bound = rope_bounds(instance, values, cosine, sine, units, stride);
  dyno_instance_all_rows(instance, m, m);
}

static void rope_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                     size_t row0, size_t row1)
{
  const rope_operands *operands = instance->operands;
  dyno_rope_args args = operands->args[view];
  args.values = output_at(instance, view, token0 * args.stride);
  args.cosine += token0 * (args.head_size / 2);
  args.sine += token0 * (args.head_size / 2);
  args.m = token1 - token0;
  instance->kernels[view]->run.rope(&args, row0, row1);
}

const dyno_operation dyno_operation_rope = {
    .known = known,
    .build = rope_build,
    .run = rope_run,
    .slice = slice,
    .rows_follow_tokens = true,
};

/* --- SwiGLU --- */

typedef struct swiglu_operands {
  dyno_swiglu_args args[DYNO_VIEW_COUNT]; /* gate or up NULL: the output */
} swiglu_operands;

/* Those of gpt-oss. */
static const float swiglu_alpha = 1.702f, swiglu_limit = 7;

static const double *swiglu_bounds(dyno_instance *instance, const float *gate, const float *up,
                                   size_t count)
{
  double *bound = dyno_instance_alloc(instance, count * sizeof *bound);
  double limit = (double)swiglu_limit;
  for (size_t i = 0; i < count; i++)
    bound[i] = dyno_bound_swiglu(instance->tolerance, fmin((double)gate[i], limit),
                                 fmax(-limit, fmin((double)up[i], limit)), (double)swiglu_alpha);
  return bound;
}

static void swiglu_build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  size_t count = problem->m * problem->k;
  swiglu_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  float *gate = random_floats(instance, count, DYNO_PART_ACTIVATION);
  float *up = random_floats(instance, count, DYNO_PART_ACTIVATION);
  for (size_t i = 0; i < count; i++) { /* beyond the limit, too */
    gate[i] *= 4;
    up[i] *= 4;
  }
  dyno_check_output *output = float_output(instance, problem->k);
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    operands->args[view] = (dyno_swiglu_args){
        .gate = float_input(instance, (dyno_view)view, "gate", gate, count),
        .up = float_input(instance, (dyno_view)view, "up", up, count),
        .alpha = swiglu_alpha,
        .limit = swiglu_limit,
        .k = problem->k,
    };
  operands->args[DYNO_VIEW_REFERENCE] = operands->args[DYNO_VIEW_FLUSH];
  operands->args[DYNO_VIEW_TWIN] = operands->args[DYNO_VIEW_FLUSH];
  size_t alias = dyno_rng_below(&instance->rng, 3);
  if (alias == 1) {
    operands->args[DYNO_VIEW_SHIFTED].gate = NULL;
    output->initial[DYNO_VIEW_SHIFTED] = (const unsigned char *)gate;
  } else if (alias == 2) {
    operands->args[DYNO_VIEW_SHIFTED].up = NULL;
    output->initial[DYNO_VIEW_SHIFTED] = (const unsigned char *)up;
  }
  if (dyno_instance_has_bounds(instance))
    output->bound = swiglu_bounds(instance, gate, up, count);
}

static void swiglu_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                       size_t row0, size_t row1)
{
  const swiglu_operands *operands = instance->operands;
  dyno_swiglu_args args = operands->args[view];
  args.output = output_at(instance, view, token0 * args.k);
  args.gate = args.gate == NULL ? args.output : args.gate + token0 * args.k;
  args.up = args.up == NULL ? args.output : args.up + token0 * args.k;
  args.m = token1 - token0;
  instance->kernels[view]->run.swiglu(&args, row0, row1);
}

const dyno_operation dyno_operation_swiglu = {
    .known = known,
    .build = swiglu_build,
    .run = swiglu_run,
    .slice = slice,
    .rows_follow_tokens = true,
};

/* --- router --- */

typedef struct router_operands {
  dyno_router_args args[DYNO_VIEW_COUNT];
} router_operands;

/* The experts are the same to the bit in every class, because comparing does not round; so the
 * bound of the weights may be taken from the sorted logits. */
static const double *router_bounds(dyno_instance *instance, const float *logits)
{
  size_t experts = instance->problem.n, chosen = instance->problem.k;
  double *bound = dyno_instance_alloc(instance, instance->problem.m * chosen * sizeof *bound);
  double *sorted = dyno_instance_alloc(instance, experts * sizeof *sorted);
  for (size_t t = 0; t < instance->problem.m; t++) {
    for (size_t i = 0; i < experts; i++) {
      double value = (double)logits[t * experts + i];
      size_t at = i;
      for (; at > 0 && sorted[at - 1] < value; at--)
        sorted[at] = sorted[at - 1];
      sorted[at] = value;
    }
    double sum = 0;
    for (size_t c = 0; c < chosen; c++)
      sum += exp(sorted[c] - sorted[0]);
    for (size_t c = 0; c < chosen; c++)
      bound[t * chosen + c] = dyno_bound_softmax(instance->tolerance, chosen, sorted[0] - sorted[c],
                                                 exp(sorted[c] - sorted[0]) / sum);
  }
  return bound;
}

static void router_build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  size_t experts = problem->n, chosen = problem->k, units = problem->m * chosen;
  router_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  const float *logits = random_floats(instance, problem->m * experts, DYNO_PART_ACTIVATION);
  dyno_check_output *outputs = dyno_instance_outputs(instance, 2);
  dyno_instance_place(instance, &outputs[0], "weight", DYNO_UNIT_FLOAT, units, chosen, 4);
  dyno_instance_place(instance, &outputs[1], "expert", DYNO_UNIT_INT32, units, chosen, 4);
  for (size_t u = 0; u < units; u++)
    for (size_t o = 0; o < 2; o++)
      outputs[o].row[u] = outputs[o].token[u] = (uint32_t)(u / chosen);
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    operands->args[view] = (dyno_router_args){
        .logits = float_input(instance, (dyno_view)view, "logits", logits, problem->m * experts),
        .experts = experts,
        .chosen = chosen,
    };
  operands->args[DYNO_VIEW_REFERENCE] = operands->args[DYNO_VIEW_FLUSH];
  operands->args[DYNO_VIEW_TWIN] = operands->args[DYNO_VIEW_FLUSH];
  if (dyno_instance_has_bounds(instance))
    outputs[0].bound = router_bounds(instance, logits);
  dyno_instance_all_rows(instance, problem->m, problem->m);
}

static void router_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                       size_t row0, size_t row1)
{
  const router_operands *operands = instance->operands;
  dyno_router_args args = operands->args[view];
  args.weight = output_at(instance, view, token0 * args.chosen);
  args.expert = (int32_t *)(void *)instance->outputs[1].place[view]->data + token0 * args.chosen;
  args.logits += token0 * args.experts;
  args.m = token1 - token0;
  instance->kernels[view]->run.router(&args, row0, row1);
}

const dyno_operation dyno_operation_router = {
    .known = known,
    .build = router_build,
    .run = router_run,
    .slice = slice,
    .rows_follow_tokens = true,
};
