/* Operands of the quantize family. */
#include "kernels/check/instance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/base/kv_block.h"

/* --- weights --- */

typedef struct weight_operands {
  const float *input[DYNO_VIEW_COUNT];
  const float *importance[DYNO_VIEW_COUNT]; /* of fit_weight */
} weight_operands;

static bool weight_known(const dyno_problem *problem)
{
  const dyno_dtype_info *format = dyno_dtype_get(problem->weight);
  return format != NULL && format->block_to_float != NULL;
}

static const float *input_of(dyno_instance *instance, const float **input, size_t count)
{
  float *values = dyno_instance_alloc(instance, count * sizeof *values);
  dyno_fill_floats(values, count, instance->input, DYNO_PART_ACTIVATION, &instance->rng);
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    input[view] = dyno_instance_input(instance, (dyno_view)view, "input", values,
                                      count * sizeof *values, sizeof *values);
  input[DYNO_VIEW_REFERENCE] = input[DYNO_VIEW_TWIN] = input[DYNO_VIEW_FLUSH];
  return values;
}

static void weight_build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  const dyno_dtype_info *format = dyno_dtype_get(problem->weight);
  weight_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  input_of(instance, operands->input, problem->n * problem->k);

  size_t row_bytes = dyno_row_bytes(problem->weight, problem->k), units = problem->n * row_bytes;
  dyno_check_output *output = dyno_instance_outputs(instance, 1);
  dyno_instance_place(instance, output, "output byte ", DYNO_UNIT_BYTE, units, row_bytes,
                      format->block_elements == 1 ? format->block_bytes : 1);
  for (size_t u = 0; u < units; u++) {
    output->row[u] = (uint32_t)(u / row_bytes);
    output->token[u] = 0;
  }
  dyno_instance_all_rows(instance, problem->n, 1);
}

static void weight_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                       size_t row0, size_t row1)
{
  (void)token0;
  (void)token1;
  const weight_operands *operands = instance->operands;
  dyno_quantize_weight_args args = {
      .output = instance->outputs[0].place[view]->data,
      .input = operands->input[view],
      .n = instance->problem.n,
      .k = instance->problem.k,
  };
  instance->kernels[view]->run.quantize_weight(&args, row0, row1);
}

/* Squares, as means of squared activations are; now and then none that is not 0. */
static void fit_build(dyno_instance *instance)
{
  weight_build(instance);
  weight_operands *operands = instance->operands;
  size_t k = instance->problem.k;
  float *values = dyno_instance_alloc(instance, k * sizeof *values);
  bool none = dyno_rng_below(&instance->rng, 16) == 0;
  dyno_fill_floats(values, k, DYNO_INPUT_NORMAL, DYNO_PART_ACTIVATION, &instance->rng);
  for (size_t i = 0; i < k; i++)
    values[i] *= none ? 0 : values[i];
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    operands->importance[view] = dyno_instance_input(instance, (dyno_view)view, "importance",
                                                     values, k * sizeof *values, sizeof *values);
  operands->importance[DYNO_VIEW_REFERENCE] = operands->importance[DYNO_VIEW_TWIN] =
      operands->importance[DYNO_VIEW_FLUSH];
}

static void fit_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                    size_t row0, size_t row1)
{
  (void)token0;
  (void)token1;
  const weight_operands *operands = instance->operands;
  dyno_fit_weight_args args = {
      .output = instance->outputs[0].place[view]->data,
      .input = operands->input[view],
      .importance = operands->importance[view],
      .n = instance->problem.n,
      .k = instance->problem.k,
  };
  instance->kernels[view]->run.fit_weight(&args, row0, row1);
}

/* A variant that is not exact may round a tie, or a scale, the other way: then an element moves by
 * one step of its block and the scale's last bit. Steps as shares of the largest magnitude in the
 * block: of Q8_0 1/127, of Q5_0 1/16, of the 4-bit formats 1/8 (Q4_1 spreads 15 steps over twice
 * the magnitude), of MXFP4 1/2 (from 4 to 6 of a scale that may also double). */
static double step_share(dyno_dtype dtype)
{
  switch (dtype) {
  case DYNO_Q8_0:
    return 1.0 / 127;
  case DYNO_Q5_0:
    return 1.0 / 16;
  case DYNO_MXFP4:
    return 1.0 / 2;
  case DYNO_F32:
    return 0x1p-23;
  case DYNO_F16:
    return 0x1p-10;
  case DYNO_BF16:
    return 0x1p-7;
  case DYNO_Q6_K:
    return 1.0 / 32;
  default:
    return 2.0 / 15;
  }
}

static void compare_values(dyno_instance *instance, const char *name, size_t row, size_t column,
                           const float *got, const float *want, double bound)
{
  double off = fabs((double)*got - (double)*want);
  dyno_instance_note(instance, off == 0 ? 0 : off / bound);
  if (off <= bound)
    return;
  char element[64];
  snprintf(element, sizeof element, "%s[%zu][%zu]", name, row, column);
  dyno_instance_fail_element(instance, element, (double)*got, (double)*want, bound,
                             "the reference has");
}

static void weight_compare(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  const dyno_dtype_info *format = dyno_dtype_get(problem->weight);
  const unsigned char *got = instance->outputs[0].whole;
  const unsigned char *want = instance->outputs[0].place[DYNO_VIEW_REFERENCE]->data;
  size_t blocks = problem->n * problem->k / format->block_elements;
  for (size_t b = 0; b < blocks; b++) {
    float a[DYNO_MAX_BLOCK_ELEMENTS], r[DYNO_MAX_BLOCK_ELEMENTS];
    format->block_to_float(a, got + b * format->block_bytes);
    format->block_to_float(r, want + b * format->block_bytes);
    double largest = 0;
    for (size_t i = 0; i < format->block_elements; i++)
      largest = fmax(largest, fabs((double)r[i]));
    double bound = largest * (step_share(problem->weight) + 0x1p-10) + 0x1p-133;
    for (size_t i = 0; i < format->block_elements; i++) {
      size_t element = b * format->block_elements + i;
      compare_values(instance, "output", element / problem->k, element % problem->k, &a[i], &r[i],
                     bound);
    }
  }
}

const dyno_operation dyno_operation_quantize_weight = {
    .known = weight_known,
    .build = weight_build,
    .run = weight_run,
    .compare = weight_compare,
};

/* Always exact: another choice of scales would be another file. */
const dyno_operation dyno_operation_fit_weight = {
    .known = weight_known,
    .build = fit_build,
    .run = fit_run,
};

/* --- activations --- */

typedef struct activation_operands {
  const float *input[DYNO_VIEW_COUNT];
  const float *values;
} activation_operands;

static bool activation_known(const dyno_problem *problem)
{
  return problem->activation == DYNO_A8;
}

static void activation_build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  size_t k = problem->k, row_bytes = dyno_a8_row_bytes(k), units = problem->m * row_bytes;
  activation_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  operands->values = input_of(instance, operands->input, problem->m * k);

  dyno_check_output *output = dyno_instance_outputs(instance, 1);
  dyno_instance_place(instance, output, "output byte ", DYNO_UNIT_BYTE, units, row_bytes, 64);
  bool *free = dyno_instance_alloc(instance, units * sizeof *free);
  size_t scales = dyno_a8_scales_offset(k), sums = dyno_a8_sums_offset(k);
  size_t plane = k / DYNO_A8_BLOCK * 4;
  for (size_t u = 0; u < units; u++) {
    size_t at = u % row_bytes;
    output->row[u] = output->token[u] = (uint32_t)(u / row_bytes);
    free[u] = (at >= k && at < scales) || (at >= scales + plane && at < sums) || at >= sums + plane;
  }
  output->free = free;
  dyno_instance_all_rows(instance, problem->m, problem->m);
}

static dyno_problem token_slice(const dyno_instance *instance, size_t token0, size_t token1)
{
  dyno_problem problem = instance->problem;
  problem.m = token1 - token0;
  return problem;
}

static void activation_run(const dyno_instance *instance, dyno_view view, size_t token0,
                           size_t token1, size_t row0, size_t row1)
{
  const activation_operands *operands = instance->operands;
  size_t k = instance->problem.k;
  dyno_quantize_activation_args args = {
      .output = instance->outputs[0].place[view]->data + token0 * dyno_a8_row_bytes(k),
      .input = operands->input[view] + token0 * k,
      .m = token1 - token0,
      .k = k,
  };
  /* Rows that are taken apart are taken apart by columns too, the last ones first. */
  size_t middle = row1 - row0 < args.m ? k / DYNO_A8_BLOCK / 2 * DYNO_A8_BLOCK : 0;
  for (int part = 1; part >= 0; part--) {
    args.column0 = part == 1 ? middle : 0;
    args.column1 = part == 1 ? k : middle;
    instance->kernels[view]->run.quantize_activation(&args, row0, row1);
  }
}

/* Not exact: the scale within a few roundings of the reference's, each quant within half a step
 * of the input, and the sum exactly that of the quants. */
static void activation_compare(dyno_instance *instance)
{
  const activation_operands *operands = instance->operands;
  size_t k = instance->problem.k, row_bytes = dyno_a8_row_bytes(k);
  for (size_t t = 0; t < instance->problem.m; t++) {
    const unsigned char *got = instance->outputs[0].whole + t * row_bytes;
    const unsigned char *want =
        instance->outputs[0].place[DYNO_VIEW_REFERENCE]->data + t * row_bytes;
    const int8_t *quants = dyno_a8_quants(got);
    for (size_t b = 0; b < k / DYNO_A8_BLOCK; b++) {
      const float *scale = &dyno_a8_scales(got, k)[b], *other = &dyno_a8_scales(want, k)[b];
      compare_values(instance, "scale", t, b, scale, other,
                     2 * dyno_gamma(4) * fabs((double)*other) + 0x1p-149);
      int32_t sum = 0;
      for (size_t i = b * DYNO_A8_BLOCK; i < (b + 1) * DYNO_A8_BLOCK; i++) {
        float value = *scale * (float)quants[i];
        sum += quants[i];
        /* A denormal scale is itself rounded by up to half of 2^-149, 127 times over. */
        compare_values(instance, "value", t, i, &value, &operands->values[t * k + i],
                       (0.5 + 0x1p-12) * fabs((double)*scale) + 0x1p-142);
      }
      if (dyno_a8_sums(got, k)[b] != sum)
        dyno_instance_fail(instance, "sums[%zu][%zu] is %d, but its quants add up to %d", t, b,
                           dyno_a8_sums(got, k)[b], sum);
    }
  }
}

const dyno_operation dyno_operation_quantize_activation = {
    .known = activation_known,
    .build = activation_build,
    .run = activation_run,
    .slice = token_slice,
    .compare = activation_compare,
    .rows_follow_tokens = true,
};

/* --- the KV cache --- */

typedef struct store_operands {
  dyno_store_kv_args args[DYNO_VIEW_COUNT];
} store_operands;

static bool store_known(const dyno_problem *problem)
{
  const dyno_dtype_info *format = dyno_dtype_get(problem->activation);
  return format != NULL && format->block_elements == 1 &&
         (format->block_to_float != NULL || problem->activation == DYNO_I8);
}

static void own_bytes(dyno_check_output *output, size_t at, size_t bytes, size_t t)
{
  for (size_t u = at; u < at + bytes; u++)
    output->row[u] = output->token[u] = (uint32_t)t;
}

/* Marks the bytes of token t's vectors. */
static void own_slot(dyno_instance *instance, const dyno_store_kv_args *args,
                     const dyno_kv_shape *shape, size_t t)
{
  size_t position = args->first_position + t, slot = position % args->block_tokens;
  dyno_check_output *output = &instance->outputs[position / args->block_tokens % args->block_count];
  for (size_t head = 0; head < shape->kv_heads; head++)
    for (size_t i = 0; i < shape->head_size; i++) {
      own_bytes(output, dyno_kv_key_at(shape, head, slot, i), shape->element_bytes, t);
      own_bytes(output, dyno_kv_value_at(shape, head, slot, i), shape->element_bytes, t);
    }
  for (size_t head = 0; head < shape->kv_heads && shape->element_bytes == 1; head++) {
    size_t scale = dyno_kv_scale_at(shape, head, slot);
    own_bytes(output, scale, sizeof(float), t);
    own_bytes(output, scale + dyno_kv_plane_bytes(shape), sizeof(float), t);
  }
}

static void store_build(dyno_instance *instance)
{
  static const size_t sizes[] = {16, 32, 48, 64};
  const dyno_problem *problem = &instance->problem;
  store_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  dyno_store_kv_args args = {
      .block_tokens = sizes[dyno_rng_below(&instance->rng, sizeof sizes / sizeof *sizes)],
      .first_position = dyno_rng_below(&instance->rng, 1000),
      .m = problem->m,
      .kv_heads = problem->kv_heads,
      .head_size = problem->k,
  };
  /* Sometimes the first and the last token meet in one block, around the ring. */
  args.block_count =
      (problem->m + args.block_tokens - 1) / args.block_tokens + dyno_rng_below(&instance->rng, 3);
  const dyno_kv_shape shape = {dyno_row_bytes(problem->activation, 1), args.block_tokens,
                               problem->kv_heads, problem->k};
  size_t block_bytes = dyno_kv_block_bytes(&shape);
  dyno_check_output *outputs = dyno_instance_outputs(instance, args.block_count);
  for (size_t b = 0; b < args.block_count; b++)
    dyno_instance_place(instance, &outputs[b], "block byte ", DYNO_UNIT_BYTE, block_bytes,
                        DYNO_KV_DWORD, 64);
  for (size_t t = 0; t < problem->m; t++)
    own_slot(instance, &args, &shape, t);

  const float *keys[DYNO_VIEW_COUNT], *values[DYNO_VIEW_COUNT];
  size_t count = problem->m * problem->kv_heads * problem->k;
  input_of(instance, keys, count);
  input_of(instance, values, count);
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++) {
    if (instance->kernels[view] == NULL)
      continue;
    void **blocks = dyno_instance_alloc(instance, args.block_count * sizeof *blocks);
    for (size_t b = 0; b < args.block_count; b++)
      blocks[b] = outputs[b].place[view]->data;
    args.blocks = dyno_instance_input(instance, (dyno_view)view, "block pointers", blocks,
                                      args.block_count * sizeof *blocks, sizeof *blocks);
    args.key = keys[view];
    args.value = values[view];
    operands->args[view] = args;
  }
  dyno_instance_all_rows(instance, problem->m, problem->m);
}

static void store_run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                      size_t row0, size_t row1)
{
  const store_operands *operands = instance->operands;
  dyno_store_kv_args args = operands->args[view];
  args.key += token0 * args.kv_heads * args.head_size;
  args.value += token0 * args.kv_heads * args.head_size;
  args.first_position += token0;
  args.m = token1 - token0;
  instance->kernels[view]->run.store_kv(&args, row0, row1);
}

const dyno_operation dyno_operation_store_kv = {
    .known = store_known,
    .build = store_build,
    .run = store_run,
    .slice = token_slice,
    .rows_follow_tokens = true,
};
