#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/operands_internal.h"
#include "kernels/base/a8.h"
#include "kernels/base/kv_block.h"
#include "kernels/check/inputs.h"

/* Sizes saturate: what cannot be counted is too large for any machine. */
static size_t times(size_t a, size_t b)
{
  size_t product;
  return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static size_t plus(size_t a, size_t b)
{
  size_t sum;
  return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

static size_t aligned(size_t bytes, size_t alignment)
{
  size_t last = plus(bytes, alignment - 1);
  return last == SIZE_MAX ? SIZE_MAX : last / alignment * alignment;
}

/* The arrays of a problem, and what they are made of. */
typedef struct description {
  const dyno_problem *problem;
  const dyno_layout *layout;
  operand_array arrays[MOST_ARRAYS];
  size_t count;
  size_t part_count, part_bytes;
} description;

static void add(description *to, operand_array added)
{
  to->arrays[to->count++] = added;
}

static void add_floats(description *to, size_t rows, size_t columns, bool streamed)
{
  add(to, (operand_array){.bytes = times(times(rows, columns), sizeof(float)),
                          .streamed = streamed,
                          .fill = FILL_FLOATS,
                          .rows = rows,
                          .columns = columns});
}

static void add_output(description *to, size_t count, size_t element_bytes, bool streamed)
{
  add(to, (operand_array){
              .bytes = times(count, element_bytes), .streamed = streamed, .fill = FILL_ZERO});
}

/* Streamed parts that kernels get an array of pointers to. */
static void add_parts(description *to, size_t count, size_t part_bytes, operand_array parts)
{
  to->part_count = count;
  to->part_bytes = part_bytes;
  parts.bytes = times(count, part_bytes);
  parts.streamed = true;
  add(to, parts);
}

static size_t matrix_alignment(const dyno_layout *layout)
{
  return layout->alignment > 64 ? layout->alignment : 64;
}

static void describe_matmul(description *to)
{
  const dyno_problem *p = to->problem;
  /* A layout counts its bytes without looking out for overflow; 2^52 elements are safe. */
  bool countable = times(p->n, p->k) < (size_t)1 << 52;
  size_t bytes = countable ? to->layout->bytes(to->layout, p->n, p->k) : SIZE_MAX;
  add_parts(
      to, p->groups, aligned(bytes, matrix_alignment(to->layout)),
      (operand_array){.fill = FILL_PACKED, .dtype = p->weight, .rows = p->n, .columns = p->k});
  if (p->activation == DYNO_A8)
    add(to, (operand_array){.bytes = times(p->m, dyno_a8_row_bytes(p->k)),
                            .fill = FILL_A8,
                            .rows = p->m,
                            .columns = p->k});
  else
    add_floats(to, p->m, p->k, false);
  add_floats(to, p->groups, p->n, false);
  add_output(to, times(p->m, p->n), sizeof(float), false);
}

static void add_kv_blocks(description *to, size_t tokens, operand_fill fill)
{
  const dyno_problem *p = to->problem;
  size_t blocks = tokens / DYNO_OPERANDS_BLOCK_TOKENS + 1;
  size_t rows = times(2 * DYNO_OPERANDS_BLOCK_TOKENS, p->kv_heads);
  size_t vector_bytes = dyno_kv_vector_bytes(dyno_row_bytes(p->activation, 1), p->k);
  add_parts(to, blocks, aligned(times(rows, vector_bytes), 64),
            (operand_array){.fill = fill, .dtype = p->activation, .rows = rows, .columns = p->k});
}

/* Positions that a window hides are overwritten, as a runtime does it: the blocks form a ring,
 * with a block to spare, since the oldest one is only partly hidden. */
static void describe_attention(description *to)
{
  const dyno_problem *p = to->problem;
  size_t seen = p->window == 0 ? p->n : p->window + p->m + DYNO_OPERANDS_BLOCK_TOKENS;
  size_t width = times(p->heads, p->k);
  add_kv_blocks(to, seen < p->n ? seen : p->n, FILL_ROWS);
  add_floats(to, p->m, width, false);
  add_floats(to, 1, p->heads, false);
  add_output(to, times(p->m, width), sizeof(float), false);
}

static void describe_quantize_weight(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->n, p->k, true);
  add_output(to, p->n, dyno_row_bytes(p->weight, p->k), true);
}

/* The importance comes last, so that the others have the places of quantize_weight. */
static void describe_fit_weight(description *to)
{
  describe_quantize_weight(to);
  add_floats(to, 1, to->problem->k, false);
}

static void describe_quantize_activation(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->m, p->k, true);
  add_output(to, p->m, dyno_a8_row_bytes(p->k), true);
}

static void describe_store_kv(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->m, times(p->kv_heads, p->k), true);
  add_floats(to, p->m, times(p->kv_heads, p->k), true);
  add_kv_blocks(to, p->m, FILL_ZERO);
}

static void describe_rmsnorm(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->m, p->k, true);
  add_output(to, times(p->m, p->k), sizeof(float), true);
  add_floats(to, 1, p->k, false);
}

static void describe_rope(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->m, times(p->heads, p->k), true);
  add_floats(to, p->m, p->k / 2, false);
  add_floats(to, p->m, p->k / 2, false);
}

static void describe_swiglu(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->m, p->k, true);
  add_floats(to, p->m, p->k, true);
  add_output(to, times(p->m, p->k), sizeof(float), true);
}

static void describe_choice(description *to)
{
  const dyno_problem *p = to->problem;
  add_floats(to, p->m, p->n, true);
  add_output(to, times(p->m, p->k), sizeof(int32_t), true);
  add_output(to, times(p->m, p->k), sizeof(float), true);
}

static void describe_screen(description *to)
{
  const dyno_problem *p = to->problem;
  bool countable = times(p->n, p->k) < (size_t)1 << 52;
  add(to, (operand_array){.bytes = countable ? dyno_screen_bytes(p->n, p->k) : SIZE_MAX,
                          .streamed = true,
                          .fill = FILL_SCREEN,
                          .rows = p->n,
                          .columns = p->k});
  add(to,
      (operand_array){.bytes = dyno_screen_query_bytes(p->k), .fill = FILL_QUERY, .columns = p->k});
  add_output(to, p->n, sizeof(float), false);
  add_output(to, p->n, sizeof(float), false);
}

static void (*const describe_op[DYNO_OP_COUNT])(description *) = {
    [DYNO_OP_MATMUL] = describe_matmul,
    [DYNO_OP_ATTENTION] = describe_attention,
    [DYNO_OP_QUANTIZE_WEIGHT] = describe_quantize_weight,
    [DYNO_OP_FIT_WEIGHT] = describe_fit_weight,
    [DYNO_OP_QUANTIZE_ACTIVATION] = describe_quantize_activation,
    [DYNO_OP_STORE_KV] = describe_store_kv,
    [DYNO_OP_RMSNORM] = describe_rmsnorm,
    [DYNO_OP_ROPE] = describe_rope,
    [DYNO_OP_SWIGLU] = describe_swiglu,
    [DYNO_OP_ROUTER] = describe_choice,
    [DYNO_OP_TOP_K] = describe_choice,
    [DYNO_OP_SCREEN] = describe_screen,
};

/* Whether operands of these formats can be made: activations are floats or A8, KV is whatever
 * has rows of its own, and so are weights. */
static bool known_formats(const dyno_problem *problem)
{
  const dyno_dtype_info *weight = dyno_dtype_get(problem->weight);
  const dyno_dtype_info *activation = dyno_dtype_get(problem->activation);
  switch (problem->op) {
  case DYNO_OP_MATMUL:
    return weight->block_to_float != NULL &&
           (problem->activation == DYNO_F32 || problem->activation == DYNO_A8);
  case DYNO_OP_QUANTIZE_WEIGHT:
  case DYNO_OP_FIT_WEIGHT:
    return weight->block_to_float != NULL;
  case DYNO_OP_QUANTIZE_ACTIVATION:
    return problem->activation == DYNO_A8;
  case DYNO_OP_ATTENTION:
  case DYNO_OP_STORE_KV:
    return problem->activation == DYNO_I8 ||
           (activation->block_to_float != NULL && problem->k % activation->block_elements == 0);
  default:
    return true;
  }
}

/* Describes the arrays and gives each its place. */
static dyno_status describe(description *to, dyno_operands_size *size, size_t scratch,
                            dyno_error *error)
{
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, to->problem);
  *size = (dyno_operands_size){0, scratch};
  if (!known_formats(to->problem))
    return dyno_fail(error, DYNO_ERROR_UNSUPPORTED, "%s: no operands of these formats can be made",
                     text);
  describe_op[to->problem->op](to);
  for (size_t i = 0; i < to->count; i++) {
    size_t *end = to->arrays[i].streamed ? &size->streamed : &size->fixed;
    to->arrays[i].offset = *end;
    *end = plus(*end, aligned(to->arrays[i].bytes, 64));
  }
  size_t alignment = to->layout != NULL ? matrix_alignment(to->layout) : 64;
  size->streamed = aligned(size->streamed, alignment);
  if (size->streamed == SIZE_MAX || size->fixed == SIZE_MAX)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: too large for any memory", text);
  return DYNO_OK;
}

static size_t all_scratch(size_t scratch_bytes, unsigned threads)
{
  return times(aligned(scratch_bytes, 64), threads);
}

dyno_status dyno_operands_measure(dyno_operands_size *size, const dyno_problem *problem,
                                  const dyno_layout *layout, size_t scratch_bytes, unsigned threads,
                                  dyno_error *error)
{
  description described = {.problem = problem, .layout = layout};
  return describe(&described, size, all_scratch(scratch_bytes, threads), error);
}

size_t dyno_operands_granule(const dyno_problem *problem, const dyno_layout *layout)
{
  if (layout == NULL)
    return problem->op == DYNO_OP_SCREEN ? DYNO_SCREEN_ROWS : 1;
  /* Granules count from the first row of each group. */
  return problem->groups == 1 || problem->n % layout->row_granule == 0 ? layout->row_granule
                                                                       : problem->n;
}

/* Packs some rows over and over: what they hold does not matter, where they lie does. */
static dyno_status fill_packed(const dyno_operands *operands, const operand_array *array,
                               void *data, dyno_rng *rng, dyno_error *error)
{
  const dyno_layout *layout = operands->layout;
  size_t n = array->rows, k = array->columns;
  size_t tile = aligned(64, layout->row_granule);
  void *rows = malloc(times(tile, dyno_row_bytes(array->dtype, k)));
  if (rows == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu rows of %zu weights", tile, k);
  dyno_fill_rows(rows, array->dtype, tile, k, DYNO_INPUT_NORMAL, DYNO_PART_WEIGHT, rng);
  for (size_t n0 = 0; n0 < n; n0 += tile)
    layout->pack(layout, data, rows, n, k, n0, n - n0 < tile ? n : n0 + tile);
  free(rows);
  for (size_t group = 1; group < operands->problem.groups; group++)
    memcpy((char *)data + group * operands->part_bytes, data, operands->part_bytes);
  return DYNO_OK;
}

/* One panel, over and over. */
static dyno_status fill_screen(const operand_array *array, void *data, dyno_rng *rng,
                               dyno_error *error)
{
  size_t k = array->columns, panel_bytes = dyno_screen_panel_bytes(k);
  float *values = malloc(times(times(DYNO_SCREEN_ROWS + 1, k), sizeof *values));
  if (values == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for 16 rows of %zu weights", k);
  float *dither = values + DYNO_SCREEN_ROWS * k;
  dyno_screen_dither(dither, k);
  dyno_fill_floats(values, DYNO_SCREEN_ROWS * k, DYNO_INPUT_NORMAL, DYNO_PART_WEIGHT, rng);
  dyno_screen_pack(data, values, DYNO_SCREEN_ROWS, k, dither);
  for (size_t at = panel_bytes; at < array->bytes; at += panel_bytes)
    memcpy((char *)data + at, data, panel_bytes);
  free(values);
  return DYNO_OK;
}

static dyno_status fill_query(dyno_operands *operands, const operand_array *array, void *data,
                              dyno_rng *rng, dyno_error *error)
{
  size_t k = array->columns;
  void *row = aligned_alloc(64, aligned(dyno_a8_row_bytes(k) + 1, 64));
  float *dither = calloc(k + 1, sizeof *dither);
  dyno_status status = row != NULL && dither != NULL
                           ? DYNO_OK
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for %zu columns", k);
  if (status == DYNO_OK) {
    dyno_fill_a8(row, 1, k, DYNO_INPUT_NORMAL, rng);
    dyno_screen_dither(dither, k);
    dyno_screen_query_make(&operands->query, data, row, NULL, k, DYNO_TOLERANCE_F32, dither);
  }
  free(row);
  free(dither);
  return status;
}

/* Of the keys and values of a block in INT8, whose bytes are random. */
static void fill_scales(const dyno_problem *problem, char *block, dyno_rng *rng)
{
  const dyno_kv_shape shape = {1, DYNO_OPERANDS_BLOCK_TOKENS, problem->kv_heads, problem->k};
  for (size_t head = 0; head < shape.kv_heads; head++)
    for (size_t slot = 0; slot < shape.block_tokens; slot++)
      for (size_t value = 0; value < 2; value++) {
        float scale = dyno_random_scale(DYNO_INPUT_NORMAL, rng);
        memcpy(block + dyno_kv_scale_at(&shape, head, slot) + value * dyno_kv_plane_bytes(&shape),
               &scale, sizeof scale);
      }
}

static dyno_status fill_array(dyno_operands *operands, const operand_array *array, void *data,
                              dyno_rng *rng, dyno_error *error)
{
  switch (array->fill) {
  case FILL_ZERO:
    memset(data, 0, array->bytes);
    return DYNO_OK;
  case FILL_FLOATS:
    dyno_fill_floats(data, array->rows * array->columns, DYNO_INPUT_NORMAL, DYNO_PART_ACTIVATION,
                     rng);
    return DYNO_OK;
  case FILL_A8:
    dyno_fill_a8(data, array->rows, array->columns, DYNO_INPUT_NORMAL, rng);
    dyno_pad_a8(data, array->rows, array->columns, 0);
    return DYNO_OK;
  case FILL_ROWS:
    dyno_fill_rows(data, array->dtype, array->rows, array->columns, DYNO_INPUT_NORMAL,
                   DYNO_PART_WEIGHT, rng);
    if (array->dtype == DYNO_I8)
      fill_scales(&operands->problem, data, rng);
    for (size_t part = 1; part < operands->part_count; part++)
      memcpy((char *)data + part * operands->part_bytes, data, operands->part_bytes);
    return DYNO_OK;
  case FILL_PACKED:
    return fill_packed(operands, array, data, rng, error);
  case FILL_SCREEN:
    return fill_screen(array, data, rng, error);
  case FILL_QUERY:
    return fill_query(operands, array, data, rng, error);
  }
  return DYNO_OK;
}

/* Angles to a rotation: rotating in place again and again must keep the length. */
static void make_rotation(const dyno_operands *operands)
{
  float *cosine = (float *)(void *)(operands->fixed + operands->arrays[ROPE_COSINE].offset);
  float *sine = (float *)(void *)(operands->fixed + operands->arrays[ROPE_SINE].offset);
  size_t count = operands->problem.m * (operands->problem.k / 2);
  for (size_t i = 0; i < count; i++) {
    sine[i] = sinf(cosine[i]);
    cosine[i] = cosf(cosine[i]);
  }
}

static dyno_status fill_all(dyno_operands *operands, uint64_t seed, dyno_error *error)
{
  dyno_rng rng = {seed};
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < operands->array_count && status == DYNO_OK; i++) {
    const operand_array *array = &operands->arrays[i];
    char *base = array->streamed ? operands->streamed : operands->fixed;
    status = fill_array(operands, array, base + array->offset, &rng, error);
  }
  if (operands->problem.op == DYNO_OP_ROPE)
    make_rotation(operands);
  for (size_t copy = 1; copy < operands->copies && status == DYNO_OK; copy++)
    memcpy(operands->streamed + copy * operands->size.streamed, operands->streamed,
           operands->size.streamed);
  return status;
}

/* The arrays of pointers and offsets that go with the data. */
static bool make_pointers(dyno_operands *operands)
{
  const dyno_problem *problem = &operands->problem;
  size_t groups = problem->op == DYNO_OP_MATMUL ? problem->groups : 0;
  operands->parts = calloc(times(operands->copies, operands->part_count) + 1, sizeof(void *));
  operands->biases = calloc(groups + 1, sizeof(float *));
  operands->group_begin = calloc(groups + 1, sizeof(size_t));
  if (operands->parts == NULL || operands->biases == NULL || operands->group_begin == NULL)
    return false;
  for (size_t copy = 0; copy < operands->copies; copy++)
    for (size_t part = 0; part < operands->part_count; part++) {
      size_t array = problem->op == DYNO_OP_STORE_KV ? STORE_KV : 0;
      operands->parts[copy * operands->part_count + part] =
          operands->streamed + copy * operands->size.streamed + operands->arrays[array].offset +
          part * operands->part_bytes;
    }
  for (size_t group = 0; group < groups; group++) {
    operands->biases[group] =
        (const float *)(const void *)(operands->fixed + operands->arrays[MATMUL_BIAS].offset) +
        group * problem->n;
    /* Tokens are spread evenly, as by a router without favourites. */
    operands->group_begin[group + 1] = (group + 1) * problem->m / groups;
  }
  return true;
}

dyno_status dyno_operands_open(dyno_operands **operands, const dyno_problem *problem,
                               const dyno_layout *layout, size_t scratch_bytes, unsigned threads,
                               void *memory, size_t copies, uint64_t seed, dyno_error *error)
{
  description described = {.problem = problem, .layout = layout};
  dyno_operands_size size;
  size_t scratch = all_scratch(scratch_bytes, threads);
  *operands = NULL;
  dyno_status status = describe(&described, &size, scratch, error);
  if (status != DYNO_OK)
    return status;
  dyno_operands *made = calloc(1, sizeof *made);
  if (made == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  made->problem = *problem;
  made->layout = layout;
  memcpy(made->arrays, described.arrays, sizeof made->arrays);
  made->array_count = described.count;
  made->size = size;
  made->copies = copies;
  made->streamed = memory;
  made->scratch = made->streamed + copies * size.streamed;
  made->fixed = made->scratch; /* offsets of fixed arrays begin after the scratch */
  made->scratch_bytes = aligned(scratch_bytes, 64);
  made->part_count = described.part_count;
  made->part_bytes = described.part_bytes;
  if (!make_pointers(made))
    status = dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK)
    status = fill_all(made, seed, error);
  if (status != DYNO_OK)
    dyno_operands_close(&made);
  *operands = made;
  return status;
}

void dyno_operands_close(dyno_operands **operands)
{
  if (*operands == NULL)
    return;
  free((*operands)->parts);
  free((*operands)->biases);
  free((*operands)->group_begin);
  free(*operands);
  *operands = NULL;
}

const void *dyno_operands_streamed(const dyno_operands *operands)
{
  return operands->streamed;
}
