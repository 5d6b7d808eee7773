/* Operands of attention: queries, and a KV cache in blocks in which the slots that no query sees
 * hold NaNs or nonsense. */
#include "kernels/check/instance.h"

#include <math.h>
#include <string.h>

#include "kernels/base/hadamard.h"
#include "kernels/base/kv_block.h"

typedef struct attention_operands {
  dyno_attention_args args[DYNO_VIEW_COUNT]; /* output and scratch are filled in by run */
  dyno_guarded *scratch[DYNO_VIEW_COUNT];    /* NULL where a kernel needs none */
  unsigned char **blocks;                    /* the contents */
  float *query, *sinks;                      /* sinks may be NULL */
  size_t block_bytes;
} attention_operands;

static bool known(const dyno_problem *problem)
{
  return problem->activation == DYNO_F32 || problem->activation == DYNO_BF16 ||
         problem->activation == DYNO_F16 || problem->activation == DYNO_I8;
}

/* Positions that some query sees are [first_seen, n). */
static size_t first_seen(const dyno_problem *problem)
{
  size_t first_position = problem->n - problem->m;
  return problem->window != 0 && first_position + 1 > problem->window
             ? first_position + 1 - problem->window
             : 0;
}

/* Blocks of few or many tokens; with a window a ring, sometimes without a slot to spare. */
static void choose_blocks(dyno_instance *instance, dyno_attention_args *args)
{
  static const size_t sizes[] = {16, 32, 64, 16, 48, 16};
  const dyno_problem *problem = &instance->problem;
  size_t seen = problem->n - first_seen(problem);
  args->block_tokens = sizes[dyno_rng_below(&instance->rng, sizeof sizes / sizeof *sizes)];
  if (args->block_tokens * 128 < seen)
    args->block_tokens = 128;
  args->block_count =
      (seen + args->block_tokens - 1) / args->block_tokens + dyno_rng_below(&instance->rng, 2);
}

static dyno_kv_shape kv_shape(const attention_operands *operands, const dyno_problem *problem)
{
  const dyno_attention_args *args = &operands->args[DYNO_VIEW_FLUSH];
  return (dyno_kv_shape){dyno_row_bytes(problem->activation, 1), args->block_tokens,
                         problem->kv_heads, problem->k};
}

/* An element of the key, or value, of a KV head at a position. */
static unsigned char *element_at(const attention_operands *operands, const dyno_problem *problem,
                                 bool value, size_t kv_head, size_t position, size_t i)
{
  const dyno_attention_args *args = &operands->args[DYNO_VIEW_FLUSH];
  const dyno_kv_shape shape = kv_shape(operands, problem);
  unsigned char *block = operands->blocks[position / args->block_tokens % args->block_count];
  size_t slot = position % args->block_tokens;
  return block + (value ? dyno_kv_value_at(&shape, kv_head, slot, i)
                        : dyno_kv_key_at(&shape, kv_head, slot, i));
}

/* The scale of that key or value, in INT8. */
static unsigned char *scale_at(const attention_operands *operands, const dyno_problem *problem,
                               bool value, size_t kv_head, size_t position)
{
  const dyno_attention_args *args = &operands->args[DYNO_VIEW_FLUSH];
  const dyno_kv_shape shape = kv_shape(operands, problem);
  unsigned char *block = operands->blocks[position / args->block_tokens % args->block_count];
  return block + dyno_kv_scale_at(&shape, kv_head, position % args->block_tokens) +
         (value ? dyno_kv_plane_bytes(&shape) : 0);
}

/* An element as a number; of INT8 as the float that its product with the scale is. */
static float number_at(const attention_operands *operands, const dyno_problem *problem, bool value,
                       size_t kv_head, size_t position, size_t i)
{
  const unsigned char *element = element_at(operands, problem, value, kv_head, position, i);
  float number, scale;
  if (problem->activation == DYNO_I8) {
    memcpy(&scale, scale_at(operands, problem, value, kv_head, position), sizeof scale);
    return scale * (float)(int8_t)*element;
  }
  dyno_row_to_float(&number, element, problem->activation, 1);
  return number;
}

/* A query times a key is about as large as the square root of the head size, before the scale. */
static void fill_cache(dyno_instance *instance, attention_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  size_t bytes = dyno_row_bytes(problem->activation, 1);
  unsigned char *vector = dyno_instance_alloc(instance, problem->k * bytes);
  for (size_t p = first_seen(problem); p < problem->n; p++)
    for (size_t head = 0; head < problem->kv_heads; head++)
      for (unsigned value = 0; value < 2; value++) {
        dyno_fill_rows(vector, problem->activation, 1, problem->k, instance->input,
                       value ? DYNO_PART_ACTIVATION : DYNO_PART_WEIGHT, &instance->rng);
        for (size_t i = 0; i < problem->k; i++)
          memcpy(element_at(operands, problem, value, head, p, i), vector + i * bytes, bytes);
        if (problem->activation != DYNO_I8)
          continue;
        float scale = dyno_random_scale(instance->input, &instance->rng);
        memcpy(scale_at(operands, problem, value, head, p), &scale, sizeof scale);
      }
}

static void make_operands(dyno_instance *instance, attention_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  dyno_attention_args *args = &operands->args[DYNO_VIEW_FLUSH];
  choose_blocks(instance, args);
  *args = (dyno_attention_args){
      .block_count = args->block_count,
      .block_tokens = args->block_tokens,
      .first_position = problem->n - problem->m,
      .scale = 1 / sqrtf((float)problem->k),
      .m = problem->m,
      .heads = problem->heads,
      .kv_heads = problem->kv_heads,
      .head_size = problem->k,
      .window = problem->window,
  };
  size_t queries = problem->m * problem->heads * problem->k;
  operands->query = dyno_instance_alloc(instance, queries * sizeof(float));
  dyno_fill_floats(operands->query, queries, instance->input, DYNO_PART_ACTIVATION, &instance->rng);
  if (dyno_rng_below(&instance->rng, 4) != 0) {
    operands->sinks = dyno_instance_alloc(instance, problem->heads * sizeof(float));
    dyno_fill_floats(operands->sinks, problem->heads, instance->input, DYNO_PART_ACTIVATION,
                     &instance->rng);
  }
  const dyno_kv_shape shape = kv_shape(operands, problem);
  operands->block_bytes = dyno_kv_block_bytes(&shape);
  operands->blocks = dyno_instance_alloc(instance, args->block_count * sizeof *operands->blocks);
  for (size_t b = 0; b < args->block_count; b++) {
    operands->blocks[b] = dyno_instance_alloc(instance, operands->block_bytes);
    memset(operands->blocks[b], 0xff, operands->block_bytes);
  }
  fill_cache(instance, operands);
}

/* Gives the slots that nobody sees other contents: a finite but enormous number. */
static void spoil_unseen(dyno_instance *instance, attention_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  const dyno_attention_args *args = &operands->args[DYNO_VIEW_FLUSH];
  size_t slots = args->block_count * args->block_tokens, seen = problem->n - first_seen(problem);
  for (size_t p = problem->n; p < problem->n + slots - seen; p++)
    for (size_t head = 0; head < problem->kv_heads; head++)
      for (unsigned value = 0; value < 2; value++) {
        for (size_t i = 0; i < problem->k; i++)
          memset(element_at(operands, problem, value, head, p, i), 0x7e,
                 dyno_row_bytes(problem->activation, 1));
        if (problem->activation == DYNO_I8)
          memset(scale_at(operands, problem, value, head, p), 0x7e, sizeof(float));
      }
}

static size_t scratch_bytes(const dyno_kernel *kernel, const dyno_problem *problem)
{
  return kernel->scratch_bytes == NULL ? 0 : kernel->scratch_bytes(problem);
}

static void lay_out(dyno_instance *instance, attention_operands *operands, dyno_view view)
{
  const dyno_problem *problem = &instance->problem;
  dyno_attention_args *args = &operands->args[view];
  const dyno_kernel *kernel = instance->kernels[view];
  *args = operands->args[DYNO_VIEW_FLUSH];
  if (kernel->scratch_bytes != NULL)
    operands->scratch[view] = dyno_instance_buffer(
        instance, view, "scratch", (scratch_bytes(kernel, problem) + 63) / 64 * 64, 64, true);
  if (view == DYNO_VIEW_REFERENCE || view == DYNO_VIEW_TWIN)
    return;
  if (view == DYNO_VIEW_SHIFTED)
    spoil_unseen(instance, operands);
  args->query =
      dyno_instance_input(instance, view, "query", operands->query,
                          problem->m * problem->heads * problem->k * sizeof(float), sizeof(float));
  if (operands->sinks != NULL)
    args->sinks = dyno_instance_input(instance, view, "sinks", operands->sinks,
                                      problem->heads * sizeof(float), sizeof(float));
  const void **blocks = dyno_instance_alloc(instance, args->block_count * sizeof *blocks);
  for (size_t b = 0; b < args->block_count; b++)
    blocks[b] = dyno_instance_input(instance, view, "KV block", operands->blocks[b],
                                    operands->block_bytes, 64);
  args->blocks = dyno_instance_input(instance, view, "block pointers", blocks,
                                     args->block_count * sizeof *blocks, sizeof *blocks);
}

/* One query head in double: scores, the error each may have, weights; then the bound of each of
 * its outputs,
 *
 *   sum of w E |V|  +  |output| sum of w E  +  2 gamma(2 n + 4) sum of w |V|
 *
 * where w are the weights, divided by their sum, and E the relative error of each. The first two
 * are what the errors of the weights do to numerator and denominator, the last is the rounding
 * of both sums. No correct result is larger than the largest |V|, which caps the bound. */
typedef struct head_work {
  double *score, *error, *weight; /* [n] */
  float *query;                   /* [head_size], rotated where keys are */
  double query_error;             /* that rotating may have made in any of its elements */
} head_work;

/* log2 k additions and a product for each element, whose terms are all of the query's. */
static void rotate_query(head_work *work, size_t k)
{
  double magnitude = 0, additions = 0;
  for (size_t i = 0; i < k; i++)
    magnitude += fabs((double)work->query[i]);
  for (size_t i = 1; i < k; i *= 2)
    additions++;
  work->query_error = 2 * dyno_gamma(additions + 2) * magnitude / sqrt((double)k);
  dyno_hadamard(work->query, k);
}

static void score_head(const dyno_instance *instance, const head_work *work, size_t kv_head,
                       size_t begin, size_t end)
{
  const dyno_problem *problem = &instance->problem;
  const attention_operands *operands = instance->operands;
  double scale = (double)operands->args[DYNO_VIEW_FLUSH].scale;
  for (size_t p = begin; p < end; p++) {
    dyno_product_sums sums = {.terms = problem->k};
    double sum = 0;
    for (size_t i = 0; i < problem->k; i++) {
      double q = (double)work->query[i];
      double key = (double)number_at(operands, problem, false, kv_head, p, i);
      sum += q * key;
      sums.magnitude += fabs(q * key);
      sums.weight_magnitude += fabs(key);
      sums.operand_magnitude += fabs(q);
    }
    work->score[p] = scale * sum;
    work->error[p] = scale * (dyno_bound_products(instance->tolerance, &sums) +
                              work->query_error * sums.weight_magnitude);
  }
}

/* Turns scores into weights, and their errors into relative ones. */
static void weigh_head(const dyno_instance *instance, const head_work *work, size_t head,
                       size_t begin, size_t end)
{
  const attention_operands *operands = instance->operands;
  double largest = operands->sinks == NULL ? -INFINITY : (double)operands->sinks[head];
  size_t rescales = 2;
  double running = -INFINITY;
  for (size_t p = begin; p < end; p++) {
    largest = fmax(largest, work->score[p]);
    rescales += work->score[p] > running;
    running = fmax(running, work->score[p]);
  }
  rescales += (end - begin) / 64; /* merging what was computed apart */
  double sum = operands->sinks == NULL ? 0 : exp((double)operands->sinks[head] - largest);
  for (size_t p = begin; p < end; p++) {
    work->weight[p] = exp(work->score[p] - largest);
    sum += work->weight[p];
  }
  for (size_t p = begin; p < end; p++) {
    work->weight[p] /= sum;
    work->error[p] = dyno_bound_attention_weight(instance->tolerance, work->error[p],
                                                 work->score[p] - largest, rescales);
  }
}

static void bound_head(const dyno_instance *instance, head_work *work, double *bound, size_t t,
                       size_t head)
{
  const dyno_problem *problem = &instance->problem;
  const attention_operands *operands = instance->operands;
  size_t kv_head = head * problem->kv_heads / problem->heads;
  size_t end = problem->n - problem->m + t + 1;
  size_t begin = problem->window != 0 && end > problem->window ? end - problem->window : 0;
  memcpy(work->query, operands->query + (t * problem->heads + head) * problem->k,
         problem->k * sizeof(float));
  if (problem->activation == DYNO_I8)
    rotate_query(work, problem->k);
  score_head(instance, work, kv_head, begin, end);
  weigh_head(instance, work, head, begin, end);

  double denominator_error = 0, rounding = 2 * dyno_gamma(2 * (double)(end - begin) + 4);
  for (size_t p = begin; p < end; p++)
    denominator_error += work->weight[p] * work->error[p];
  for (size_t i = 0; i < problem->k; i++) {
    double numerator_error = 0, output = 0, magnitude = 0, largest = 0;
    for (size_t p = begin; p < end; p++) {
      float value = number_at(operands, problem, true, kv_head, p, i);
      double weighted = work->weight[p] * (double)value;
      output += weighted;
      magnitude += fabs(weighted);
      numerator_error += fabs(weighted) * work->error[p];
      largest = fmax(largest, fabs((double)value));
    }
    double error = numerator_error + fabs(output) * denominator_error + rounding * magnitude;
    /* Weights below the smallest normal float may count as none. */
    error += (double)(end - begin) * 0x1p-125 * (largest + 1);
    bound[i] = fmin(isnan(error) ? INFINITY : error, 2.001 * largest);
  }
}

static const double *make_bounds(dyno_instance *instance, size_t units)
{
  const dyno_problem *problem = &instance->problem;
  double *bound = dyno_instance_alloc(instance, units * sizeof *bound);
  head_work work = {
      .score = dyno_instance_alloc(instance, problem->n * sizeof(double)),
      .error = dyno_instance_alloc(instance, problem->n * sizeof(double)),
      .weight = dyno_instance_alloc(instance, problem->n * sizeof(double)),
      .query = dyno_instance_alloc(instance, problem->k * sizeof(float)),
  };
  for (size_t t = 0; t < problem->m; t++)
    for (size_t head = 0; head < problem->heads; head++)
      bound_head(instance, &work, bound + (t * problem->heads + head) * problem->k, t, head);
  return bound;
}

static void build(dyno_instance *instance)
{
  const dyno_problem *problem = &instance->problem;
  attention_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  make_operands(instance, operands);
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++)
    if (instance->kernels[view] != NULL)
      lay_out(instance, operands, (dyno_view)view);

  size_t columns = problem->heads * problem->k, units = problem->m * columns;
  dyno_check_output *output = dyno_instance_outputs(instance, 1);
  dyno_instance_place(instance, output, "output", DYNO_UNIT_FLOAT, units, columns, sizeof(float));
  for (size_t u = 0; u < units; u++) {
    size_t t = u / columns, head = u % columns / problem->k;
    size_t kv_head = head * problem->kv_heads / problem->heads;
    output->row[u] = (uint32_t)(kv_head * problem->m + t);
    output->token[u] = (uint32_t)t;
  }
  if (dyno_instance_has_bounds(instance))
    output->bound = make_bounds(instance, units);
  dyno_instance_all_rows(instance, problem->kv_heads * problem->m, problem->m);
}

static dyno_problem slice(const dyno_instance *instance, size_t token0, size_t token1)
{
  dyno_problem problem = instance->problem;
  problem.n = problem.n - problem.m + token1;
  problem.m = token1 - token0;
  return problem;
}

static void run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                size_t row0, size_t row1)
{
  const attention_operands *operands = instance->operands;
  const dyno_kernel *kernel = instance->kernels[view];
  dyno_attention_args args = operands->args[view];
  dyno_problem problem = slice(instance, token0, token1);
  size_t token_floats = args.heads * args.head_size;
  args.output = (float *)(void *)instance->outputs[0].place[view]->data + token0 * token_floats;
  args.query += token0 * token_floats;
  args.first_position += token0;
  args.m = token1 - token0;
  const dyno_guarded *scratch = operands->scratch[view];
  if (scratch != NULL) {
    /* Ending where the buffer ends; and nothing may be left in it from the call before. */
    size_t bytes = (scratch_bytes(kernel, &problem) + 63) / 64 * 64;
    memset(scratch->data, scratch->poison, scratch->bytes);
    args.scratch = scratch->data + (scratch->bytes < bytes ? 0 : scratch->bytes - bytes);
  }
  kernel->run.attention(&args, row0, row1);
}

const dyno_operation dyno_operation_attention = {
    .known = known,
    .build = build,
    .run = run,
    .slice = slice,
    .rows_follow_tokens = true,
};
