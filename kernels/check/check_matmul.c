/* Operands of matmul: weights packed into each kernel's layout from the same rows, activations,
 * groups; and the proof that the layout itself keeps its promises. */
#include "kernels/check/instance.h"

#include <math.h>
#include <string.h>

#include "kernels/base/a8.h"

/* Above this many weights, only some rows of each matrix exist and are computed: its first ones,
 * some in the middle, and the last. */
enum { DENSE_WEIGHTS = 1 << 19 };
enum { MOST_WINDOWS = 3 };

typedef struct matmul_operands {
  dyno_matmul_args args[DYNO_VIEW_COUNT]; /* output is filled in by run */
  dyno_range windows[MOST_WINDOWS];       /* rows of each matrix that exist */
  size_t window_count, window_rows;
  size_t granule; /* where every kernel may cut */
  size_t *group_begin;
  size_t *slice_begin;  /* [groups + 1], for run to fill in */
  unsigned char **rows; /* [groups]: the rows of all windows, one after the other */
  float *bias;          /* [groups][n]; NULL when there is none */
  void *activation;
  size_t activation_bytes; /* of all tokens */
} matmul_operands;

static bool known(const dyno_problem *problem)
{
  return dyno_layout_rows(problem->weight) != NULL &&
         (problem->activation == DYNO_F32 || problem->activation == DYNO_A8);
}

/* A divisor of both is wanted of every range, so a multiple of both. */
static size_t common_multiple(size_t a, size_t b)
{
  size_t multiple = a;
  while (multiple % b != 0)
    multiple += a;
  return multiple;
}

static void choose_windows(dyno_instance *instance, matmul_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  operands->granule = 1;
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++)
    if (instance->kernels[view] != NULL)
      operands->granule = common_multiple(operands->granule,
                                          dyno_kernel_layout(instance->kernels[view])->row_granule);
  size_t n = problem->n, granule = operands->granule;
  size_t some = (20 + granule - 1) / granule * granule;
  bool dense = n * problem->k * problem->groups <= DENSE_WEIGHTS || n < 8 * some;
  if (dense) {
    operands->windows[0] = (dyno_range){0, n};
    operands->window_count = 1;
  } else {
    size_t middle = n / 2 / granule * granule, last = (n - 1) / granule * granule;
    operands->windows[0] = (dyno_range){0, some};
    operands->windows[1] = (dyno_range){middle, middle + granule};
    operands->windows[2] = (dyno_range){last - granule, n};
    operands->window_count = 3;
  }
  for (size_t w = 0; w < operands->window_count; w++)
    operands->window_rows += operands->windows[w].end - operands->windows[w].begin;
  if (dense) {
    dyno_instance_all_rows(instance, n * problem->groups, problem->m);
    return;
  }
  instance->rows = n * problem->groups;
  instance->tokens = problem->m;
  instance->range_count = problem->groups * operands->window_count;
  instance->ranges = dyno_instance_alloc(instance, instance->range_count * sizeof(dyno_range));
  for (size_t r = 0; r < instance->range_count; r++) {
    dyno_range window = operands->windows[r % operands->window_count];
    size_t first = r / operands->window_count * n;
    instance->ranges[r] = (dyno_range){first + window.begin, first + window.end};
  }
}

/* Tokens to groups: evenly, all to the first or last one, or by chance, so that there are empty
 * groups at either end and between. */
static void assign_tokens(dyno_instance *instance, matmul_operands *operands)
{
  size_t groups = instance->problem.groups, m = instance->problem.m;
  size_t *begin = dyno_instance_alloc(instance, (groups + 1) * sizeof *begin);
  size_t way = dyno_rng_below(&instance->rng, 8);
  for (size_t t = 0; t < m; t++) {
    size_t group = way == 0   ? 0
                   : way == 1 ? groups - 1
                   : way == 2 ? t * groups / m
                              : dyno_rng_below(&instance->rng, groups);
    begin[group + 1]++;
  }
  for (size_t g = 0; g < groups; g++)
    begin[g + 1] += begin[g];
  operands->group_begin = begin;
  operands->slice_begin = dyno_instance_alloc(instance, (groups + 1) * sizeof *begin);
}

static void make_rows(dyno_instance *instance, matmul_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  size_t bytes = operands->window_rows * dyno_row_bytes(problem->weight, problem->k);
  operands->rows = dyno_instance_alloc(instance, problem->groups * sizeof *operands->rows);
  for (size_t g = 0; g < problem->groups; g++) {
    operands->rows[g] = dyno_instance_alloc(instance, bytes);
    dyno_fill_rows(operands->rows[g], problem->weight, operands->window_rows, problem->k,
                   instance->input, DYNO_PART_WEIGHT, &instance->rng);
  }
  if (dyno_rng_below(&instance->rng, 4) == 0)
    return;
  size_t count = problem->groups * problem->n;
  operands->bias = dyno_instance_alloc(instance, count * sizeof *operands->bias);
  dyno_fill_floats(operands->bias, count, instance->input, DYNO_PART_ACTIVATION, &instance->rng);
}

static void make_activation(dyno_instance *instance, matmul_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  bool a8 = problem->activation == DYNO_A8;
  size_t row_bytes = a8 ? dyno_a8_row_bytes(problem->k) : problem->k * sizeof(float);
  operands->activation_bytes = problem->m * row_bytes;
  operands->activation = dyno_instance_alloc(instance, operands->activation_bytes);
  if (a8)
    dyno_fill_a8(operands->activation, problem->m, problem->k, instance->input, &instance->rng);
  else
    dyno_fill_floats(operands->activation, problem->m * problem->k, instance->input,
                     DYNO_PART_ACTIVATION, &instance->rng);
}

/* Packs a window in one go, or (SHIFTED) granule by granule from its end. */
static void pack_window(dyno_instance *instance, dyno_view view, const dyno_layout *layout,
                        void *packed, const unsigned char *rows, dyno_range window)
{
  const dyno_problem *problem = &instance->problem;
  size_t row_bytes = dyno_row_bytes(problem->weight, problem->k);
  size_t count = window.end - window.begin;
  const unsigned char *source =
      dyno_instance_input(instance, view, "rows to pack", rows, count * row_bytes, 1);
  size_t step = view == DYNO_VIEW_SHIFTED ? layout->row_granule : count;
  for (size_t done = (count - 1) / step * step;; done -= step) {
    size_t end = done + step < count ? done + step : count;
    layout->pack(layout, packed, source + done * row_bytes, problem->n, problem->k,
                 window.begin + done, window.begin + end);
    if (done == 0)
      return;
  }
}

static const void *pack_group(dyno_instance *instance, const matmul_operands *operands,
                              dyno_view view, size_t group)
{
  const dyno_problem *problem = &instance->problem;
  const dyno_layout *layout = dyno_kernel_layout(instance->kernels[view]);
  size_t bytes = layout->bytes(layout, problem->n, problem->k);
  dyno_guarded *packed = dyno_instance_buffer(instance, view, "weight", bytes, layout->alignment,
                                              operands->window_count == 1);
  dyno_instance_step(instance, "packing group %zu into %s", group, layout->name);
  const unsigned char *rows = operands->rows[group];
  for (size_t w = 0; w < operands->window_count; w++) {
    dyno_range window = operands->windows[w];
    pack_window(instance, view, layout, packed->data, rows, window);
    rows += (window.end - window.begin) * dyno_row_bytes(problem->weight, problem->k);
  }
  ptrdiff_t offset;
  if (!dyno_guarded_intact(packed, &offset))
    dyno_instance_fail(instance, "layout %s: pack wrote to byte %td of %zu", layout->name, offset,
                       bytes);
  if (!dyno_guarded_protect(packed))
    dyno_child_give_up(instance->child, DYNO_ERROR_MEMORY, "cannot protect weights");
  return packed->data;
}

/* The operands of one view. The reference and the twin share all but the weights with FLUSH. */
static void lay_out(dyno_instance *instance, matmul_operands *operands, dyno_view view)
{
  const dyno_problem *problem = &instance->problem;
  dyno_matmul_args *args = &operands->args[view];
  size_t groups = problem->groups;
  const void **weight = dyno_instance_alloc(instance, groups * sizeof *weight);
  for (size_t g = 0; g < groups; g++)
    weight[g] = pack_group(instance, operands, view, g);
  if (view == DYNO_VIEW_REFERENCE || view == DYNO_VIEW_TWIN)
    *args = operands->args[DYNO_VIEW_FLUSH];
  args->weight = dyno_instance_input(instance, view, "weight pointers", weight,
                                     groups * sizeof *weight, sizeof *weight);
  if (view == DYNO_VIEW_REFERENCE || view == DYNO_VIEW_TWIN)
    return;
  bool a8 = problem->activation == DYNO_A8;
  if (a8)
    dyno_pad_a8(operands->activation, problem->m, problem->k,
                view == DYNO_VIEW_FLUSH ? 0xff : 0x5a);
  args->activation = dyno_instance_input(instance, view, "activation", operands->activation,
                                         operands->activation_bytes, a8 ? 64 : sizeof(float));
  args->group_begin =
      dyno_instance_input(instance, view, "group_begin", operands->group_begin,
                          (groups + 1) * sizeof *operands->group_begin, sizeof(size_t));
  if (operands->bias != NULL) {
    const float **bias = dyno_instance_alloc(instance, groups * sizeof *bias);
    for (size_t g = 0; g < groups; g++)
      bias[g] = dyno_instance_input(instance, view, "bias", operands->bias + g * problem->n,
                                    problem->n * sizeof(float), sizeof(float));
    args->bias = dyno_instance_input(instance, view, "bias pointers", bias, groups * sizeof *bias,
                                     sizeof *bias);
  }
  args->groups = groups;
  args->m = problem->m;
  args->n = problem->n;
  args->k = problem->k;
}

/* Two layouts of one name must have the same bytes, since files and kernels go by the name. */
static void check_same_layout(dyno_instance *instance, const unsigned char *packed,
                              const unsigned char *rows)
{
  const dyno_problem *problem = &instance->problem;
  const dyno_layout *layout = dyno_kernel_layout(instance->kernels[DYNO_VIEW_FLUSH]);
  const dyno_layout *other = instance->same_layout;
  if (other == NULL || other->dtype != layout->dtype)
    return;
  size_t bytes = layout->bytes(layout, problem->n, problem->k);
  bool same = other->bytes(other, problem->n, problem->k) == bytes &&
              other->row_granule == layout->row_granule && other->alignment <= layout->alignment;
  if (same) {
    dyno_guarded *again = dyno_instance_buffer(instance, DYNO_VIEW_REFERENCE, "weight packed again",
                                               bytes, layout->alignment, true);
    other->pack(other, again->data, rows, problem->n, problem->k, 0, problem->n);
    same = memcmp(again->data, packed, bytes) == 0;
  }
  if (!same)
    dyno_instance_fail(instance,
                       "layout %s: another layout of that name, which is in use here, packs "
                       "differently: give it a name, or a version, of its own",
                       layout->name);
}

static void check_layout(dyno_instance *instance, const matmul_operands *operands)
{
  const dyno_problem *problem = &instance->problem;
  const dyno_layout *layout = dyno_kernel_layout(instance->kernels[DYNO_VIEW_FLUSH]);
  if (operands->window_count != 1)
    return;
  size_t bytes = layout->bytes(layout, problem->n, problem->k);
  if (bytes % layout->alignment != 0)
    dyno_instance_fail(instance, "layout %s: its %zu bytes are not a multiple of its alignment %zu",
                       layout->name, bytes, layout->alignment);
  size_t row_bytes = problem->n * dyno_row_bytes(problem->weight, problem->k);
  dyno_guarded *rows =
      dyno_instance_buffer(instance, DYNO_VIEW_FLUSH, "unpacked rows", row_bytes, 1, true);
  for (size_t g = 0; g < problem->groups; g++) {
    const unsigned char *packed = operands->args[DYNO_VIEW_FLUSH].weight[g];
    const unsigned char *other = operands->args[DYNO_VIEW_SHIFTED].weight[g];
    if (memcmp(packed, other, bytes) != 0)
      dyno_instance_fail(instance,
                         "layout %s: packing again, by parts and into other memory, gives other "
                         "bytes: it leaves some unwritten, or depends on the order",
                         layout->name);
    check_same_layout(instance, packed, operands->rows[g]);
    dyno_instance_step(instance, "unpacking group %zu from %s", g, layout->name);
    size_t half = problem->n / 2;
    layout->unpack(layout, (unsigned char *)rows->data + half * (row_bytes / problem->n), packed,
                   problem->n, problem->k, half, problem->n);
    layout->unpack(layout, rows->data, packed, problem->n, problem->k, 0, half);
    if (memcmp(rows->data, operands->rows[g], row_bytes) != 0)
      dyno_instance_fail(instance, "layout %s: unpacking does not give the rows back",
                         layout->name);
  }
  ptrdiff_t offset;
  if (!dyno_guarded_intact(rows, &offset))
    dyno_instance_fail(instance, "layout %s: unpack wrote to byte %td of %zu", layout->name, offset,
                       row_bytes);
}

/* Token t's activations as floats. */
static void decode_activation(float *values, const matmul_operands *operands,
                              const dyno_problem *problem, size_t t)
{
  if (problem->activation == DYNO_F32) {
    memcpy(values, (const float *)operands->activation + t * problem->k,
           problem->k * sizeof *values);
    return;
  }
  const unsigned char *row =
      (const unsigned char *)operands->activation + t * dyno_a8_row_bytes(problem->k);
  const int8_t *quants = dyno_a8_quants(row);
  const float *scales = dyno_a8_scales(row, problem->k);
  for (size_t j = 0; j < problem->k; j++)
    values[j] = scales[j / DYNO_A8_BLOCK] * (float)quants[j];
}

static dyno_product_sums sum_magnitudes(const float *weights, const float *values, size_t k)
{
  dyno_product_sums sums = {.terms = k};
  for (size_t j = 0; j < k; j++) {
    double w = (double)weights[j], x = fabs((double)values[j]);
    sums.magnitude += w * x;
    sums.weight_magnitude += w;
    sums.operand_magnitude += x;
  }
  return sums;
}

/* Row `row` of a group's matrix, whose magnitudes are given, times the group's tokens. */
static void bound_row(const dyno_instance *instance, double *bound, size_t stride,
                      const float *weights, const float *activations, size_t group, size_t row)
{
  const dyno_problem *problem = &instance->problem;
  const matmul_operands *operands = instance->operands;
  double bias = operands->bias == NULL ? 0 : fabs((double)operands->bias[group * problem->n + row]);
  for (size_t t = operands->group_begin[group]; t < operands->group_begin[group + 1]; t++) {
    dyno_product_sums sums = sum_magnitudes(weights, activations + t * problem->k, problem->k);
    sums.magnitude += bias;
    sums.integer = problem->activation == DYNO_A8;
    bound[t * stride + row] = dyno_bound_products(instance->tolerance, &sums);
  }
}

static const double *make_bounds(dyno_instance *instance, const matmul_operands *operands,
                                 size_t units, size_t stride)
{
  const dyno_problem *problem = &instance->problem;
  double *bound = dyno_instance_alloc(instance, units * sizeof *bound);
  float *activations = dyno_instance_alloc(instance, problem->m * problem->k * sizeof(float));
  float *weights = dyno_instance_alloc(instance, problem->k * sizeof *weights);
  size_t row_bytes = dyno_row_bytes(problem->weight, problem->k);
  for (size_t t = 0; t < problem->m; t++)
    decode_activation(activations + t * problem->k, operands, problem, t);
  for (size_t g = 0; g < problem->groups; g++) {
    const unsigned char *row = operands->rows[g];
    for (size_t w = 0; w < operands->window_count; w++)
      for (size_t i = operands->windows[w].begin; i < operands->windows[w].end; i++) {
        dyno_row_magnitude(weights, row, problem->weight, problem->k);
        bound_row(instance, bound, stride, weights, activations, g, i);
        row += row_bytes;
      }
  }
  return bound;
}

static void make_output(dyno_instance *instance, matmul_operands *operands)
{
  static const size_t paddings[4] = {0, 0, 1, 19};
  const dyno_problem *problem = &instance->problem;
  size_t stride = problem->n + paddings[dyno_rng_below(&instance->rng, 4)];
  size_t units = (problem->m - 1) * stride + problem->n;
  dyno_check_output *output = dyno_instance_outputs(instance, 1);
  dyno_instance_place(instance, output, "output", DYNO_UNIT_FLOAT, units, stride, sizeof(float));
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++)
    operands->args[view].output_stride = stride;
  for (size_t g = 0; g < problem->groups; g++)
    for (size_t t = operands->group_begin[g]; t < operands->group_begin[g + 1]; t++)
      for (size_t w = 0; w < operands->window_count; w++)
        for (size_t i = operands->windows[w].begin; i < operands->windows[w].end; i++) {
          output->row[t * stride + i] = (uint32_t)(g * problem->n + i);
          output->token[t * stride + i] = (uint32_t)t;
        }
  if (dyno_instance_has_bounds(instance))
    output->bound = make_bounds(instance, operands, units, stride);
}

static void build(dyno_instance *instance)
{
  matmul_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  choose_windows(instance, operands);
  assign_tokens(instance, operands);
  make_rows(instance, operands);
  make_activation(instance, operands);
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++)
    if (instance->kernels[view] != NULL)
      lay_out(instance, operands, (dyno_view)view);
  check_layout(instance, operands);
  make_output(instance, operands);
}

static size_t clamp(size_t value, size_t low, size_t high)
{
  return value < low ? low : value > high ? high : value;
}

static void run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                size_t row0, size_t row1)
{
  const matmul_operands *operands = instance->operands;
  dyno_matmul_args args = operands->args[view];
  args.output = (float *)(void *)instance->outputs[0].place[view]->data;
  if (token0 != 0 || token1 != args.m) {
    for (size_t g = 0; g <= args.groups; g++)
      operands->slice_begin[g] = clamp(operands->group_begin[g], token0, token1) - token0;
    args.group_begin = operands->slice_begin;
    args.output += token0 * args.output_stride;
    args.activation = (const char *)args.activation + operands->activation_bytes / args.m * token0;
    args.m = token1 - token0;
  }
  instance->kernels[view]->run.matmul(&args, row0, row1);
}

static dyno_problem slice(const dyno_instance *instance, size_t token0, size_t token1)
{
  dyno_problem problem = instance->problem;
  problem.m = token1 - token0;
  return problem;
}

static bool may_cut(const dyno_instance *instance, size_t row)
{
  const matmul_operands *operands = instance->operands;
  return row % instance->problem.n % operands->granule == 0;
}

const dyno_operation dyno_operation_matmul = {
    .known = known,
    .build = build,
    .run = run,
    .slice = slice,
    .may_cut = may_cut,
};
