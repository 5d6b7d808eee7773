/* Operands of the sampling family. What it returns is chosen, not computed: always exact. */
#include "kernels/check/instance.h"

typedef struct top_k_operands {
  dyno_top_k_args args[DYNO_VIEW_COUNT];
} top_k_operands;

static bool known(const dyno_problem *problem)
{
  return problem->k <= problem->n;
}

static dyno_problem slice(const dyno_instance *instance, size_t token0, size_t token1)
{
  dyno_problem problem = instance->problem;
  problem.m = token1 - token0;
  return problem;
}

static void build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  size_t count = problem->m * problem->n, units = problem->m * problem->k;
  top_k_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  float *values = dyno_instance_alloc(instance, count * sizeof *values);
  dyno_fill_floats(values, count, instance->input, DYNO_PART_ACTIVATION, &instance->rng);
  if (instance->input == DYNO_INPUT_UNIFORM) /* many ties, and zeros of both signs */
    for (size_t i = 0; i < count; i++)
      values[i] = (float)(int)(4 * values[i]) * (i % 2 != 0 ? -1.0f : 1.0f);
  dyno_check_output *outputs = dyno_instance_outputs(instance, 2);
  dyno_instance_place(instance, &outputs[0], "index", DYNO_UNIT_INT32, units, problem->k, 4);
  dyno_instance_place(instance, &outputs[1], "value", DYNO_UNIT_FLOAT, units, problem->k, 4);
  for (size_t u = 0; u < units; u++)
    for (size_t o = 0; o < 2; o++)
      outputs[o].row[u] = outputs[o].token[u] = (uint32_t)(u / problem->k);
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    operands->args[view] = (dyno_top_k_args){
        .values = dyno_instance_input(instance, (dyno_view)view, "values", values,
                                      count * sizeof *values, sizeof *values),
        .n = problem->n,
        .chosen = problem->k,
    };
  operands->args[DYNO_VIEW_REFERENCE] = operands->args[DYNO_VIEW_FLUSH];
  operands->args[DYNO_VIEW_TWIN] = operands->args[DYNO_VIEW_FLUSH];
  dyno_instance_all_rows(instance, problem->m, problem->m);
}

static void run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                size_t row0, size_t row1)
{
  const top_k_operands *operands = instance->operands;
  dyno_top_k_args args = operands->args[view];
  args.index = (int32_t *)(void *)instance->outputs[0].place[view]->data + token0 * args.chosen;
  args.value = (float *)(void *)instance->outputs[1].place[view]->data + token0 * args.chosen;
  args.values += token0 * args.n;
  args.m = token1 - token0;
  instance->kernels[view]->run.top_k(&args, row0, row1);
}

const dyno_operation dyno_operation_top_k = {
    .known = known,
    .build = build,
    .run = run,
    .slice = slice,
    .rows_follow_tokens = true,
    .special_is_defined = true,
};
