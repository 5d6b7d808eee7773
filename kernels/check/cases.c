#include "kernels/check/cases.h"

#include <stdlib.h>

#include "kernels/check/rng.h"

typedef struct case_list {
  dyno_cases *cases;
  const dyno_kernel *kernel;
  dyno_rng rng;
  bool quick;
} case_list;

static void add(case_list *list, dyno_problem problem)
{
  dyno_cases *cases = list->cases;
  const dyno_kernel *kernel = list->kernel;
  problem.op = kernel->op;
  problem.weight = kernel->weight;
  problem.activation = kernel->activation;
  if (dyno_problem_check(&problem, NULL) != DYNO_OK ||
      (kernel->supports != NULL && !kernel->supports(&problem)))
    return;
  for (size_t i = 0; i < cases->count; i++)
    if (dyno_problem_equal(&cases->problems[i], &problem))
      return;
  if (cases->count == cases->capacity) {
    size_t capacity = cases->capacity == 0 ? 256 : 2 * cases->capacity;
    dyno_problem *longer = realloc(cases->problems, capacity * sizeof *longer);
    if (longer == NULL) {
      cases->out_of_memory = true;
      return;
    }
    cases->problems = longer;
    cases->capacity = capacity;
  }
  cases->problems[cases->count++] = problem;
}

/* The sizes a dimension is swept through: 1 to 130, or the edges of every vector width. */
enum { LAST_SIZE = 130 };
static size_t next_size(const case_list *list, size_t size)
{
  static const size_t edges[] = {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,
                                 17, 31, 32, 33, 63, 64, 65, 127, 129, LAST_SIZE + 1};
  if (!list->quick)
    return size + 1;
  size_t i = 0;
  while (edges[i] <= size)
    i++;
  return edges[i];
}

#define FOR_SIZES(size, list) for (size_t size = 1; size <= LAST_SIZE; size = next_size(list, size))

static size_t random_from(case_list *list, size_t low, size_t high)
{
  return low + dyno_rng_below(&list->rng, high - low + 1);
}

/* k comes in whole blocks of the weights and the activations. */
static size_t matmul_step(const dyno_kernel *kernel)
{
  size_t weight = dyno_dtype_get(kernel->weight)->block_elements;
  size_t activation = dyno_dtype_get(kernel->activation)->block_elements;
  return weight > activation ? weight : activation;
}

static void list_matmul(case_list *list)
{
  size_t step = matmul_step(list->kernel), some = step == 1 ? 37 : step;
  size_t few = step > 32 ? 5 : 19; /* rows; blocks of 256 take long */
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = 1, .n = size, .k = 2 * some, .groups = 1});
    add(list, (dyno_problem){.m = size, .n = few, .k = some, .groups = 1});
    if (size * step <= 8192)
      add(list, (dyno_problem){.m = 1, .n = few - 2, .k = size * step, .groups = 1});
    if (!list->quick)
      add(list, (dyno_problem){.m = 3, .n = size, .k = some, .groups = 2});
    if (!list->quick || size < 20)
      add(list, (dyno_problem){.m = size, .n = 5, .k = some, .groups = 4});
  }
  for (size_t i = 0; i < (list->quick ? 4 : 60); i++) {
    dyno_problem problem = {.groups = random_from(list, 1, 8)};
    problem.m = random_from(list, 1, 40);
    problem.n = random_from(list, 1, 150);
    problem.k = step * random_from(list, 1, step > 32 ? 4 : step > 1 ? 16 : 300);
    add(list, problem);
  }
  /* Rows so long that a tile cannot have them whole. */
  for (size_t m = 1; m <= 17; m += 4)
    add(list, (dyno_problem){.m = m, .n = few, .k = 9472, .groups = 1});
  if (!list->quick)
    add(list, (dyno_problem){.m = 67, .n = few, .k = 1280, .groups = 1});
  /* gpt-oss-20b: attention, router, experts and head; of the large ones, some rows. */
  static const dyno_problem real[] = {
      {.m = 1, .n = 4096, .k = 2880, .groups = 1},   {.m = 4, .n = 2880, .k = 2880, .groups = 4},
      {.m = 7, .n = 512, .k = 2880, .groups = 1},    {.m = 1, .n = 2880, .k = 4096, .groups = 1},
      {.m = 2, .n = 32, .k = 2880, .groups = 1},     {.m = 4, .n = 5760, .k = 2880, .groups = 4},
      {.m = 1, .n = 201088, .k = 2880, .groups = 1}, {.m = 64, .n = 2880, .k = 2880, .groups = 32},
  };
  size_t count = list->quick ? 2 : sizeof real / sizeof *real;
  for (size_t i = 0; i < count; i++) {
    dyno_problem problem = real[i];
    problem.k = problem.k / step * step; /* 2880 is no multiple of 256 */
    add(list, problem);
  }
}

static void list_attention(case_list *list)
{
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = 1, .n = size, .k = 64, .heads = 4, .kv_heads = 2});
    if (list->quick ? size < 40 : size % 8 < 2 || size < 20) /* its time grows with the square */
      add(list, (dyno_problem){.m = size, .n = size, .k = 64, .heads = 1, .kv_heads = 1});
    add(list,
        (dyno_problem){.m = size, .n = size + 5, .k = 64, .heads = 2, .kv_heads = 2, .window = 16});
    add(list, (dyno_problem){.m = 2, .n = 150, .k = 64, .heads = 4, .kv_heads = 1, .window = size});
    add(list, (dyno_problem){.m = 2, .n = 9, .k = size, .heads = 3, .kv_heads = 1});
  }
  for (size_t i = 0; i < (list->quick ? 4 : 60); i++) {
    dyno_problem problem = {.k = random_from(list, 0, 1) != 0 ? 64 : 8 * random_from(list, 1, 16)};
    problem.kv_heads = random_from(list, 1, 3);
    problem.heads = problem.kv_heads * random_from(list, 1, 8 / problem.kv_heads);
    problem.m = random_from(list, 1, 12);
    problem.n = problem.m + random_from(list, 0, 200);
    problem.window = random_from(list, 0, 1) != 0 ? 0 : random_from(list, 1, 140);
    add(list, problem);
  }
  static const dyno_problem real[] = {
      {.m = 1, .n = 4096, .k = 64, .heads = 64, .kv_heads = 8, .window = 128},
      {.m = 1, .n = 300, .k = 64, .heads = 8, .kv_heads = 1},
      {.m = 1, .n = 700, .k = 64, .heads = 64, .kv_heads = 8},
      {.m = 1, .n = 4096, .k = 64, .heads = 8, .kv_heads = 1},
      {.m = 64, .n = 192, .k = 64, .heads = 8, .kv_heads = 1, .window = 128},
      {.m = 32, .n = 300, .k = 64, .heads = 8, .kv_heads = 1},
  };
  for (size_t i = 0; i < (list->quick ? 2 : sizeof real / sizeof *real); i++)
    add(list, real[i]);
}

static void list_quantize_weight(case_list *list)
{
  size_t step = dyno_dtype_get(list->kernel->weight)->block_elements;
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.n = size, .k = step == 1 ? 37 : 2 * step});
    add(list, (dyno_problem){.n = 3, .k = size * step});
  }
  for (size_t i = 0; i < (list->quick ? 8 : 60); i++)
    add(list, (dyno_problem){.n = random_from(list, 1, 40),
                             .k = step * random_from(list, 1, step > 1 ? 20 : 500)});
  add(list, (dyno_problem){.n = 40, .k = 2880 / step * step});
  add(list, (dyno_problem){.n = 20, .k = 4096});
}

static void list_quantize_activation(case_list *list)
{
  size_t step = dyno_dtype_get(list->kernel->activation)->block_elements;
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = size, .k = 2 * step});
    add(list, (dyno_problem){.m = 2, .k = size * step});
  }
  for (size_t i = 0; i < (list->quick ? 8 : 60); i++)
    add(list, (dyno_problem){.m = random_from(list, 1, 40), .k = step * random_from(list, 1, 20)});
  add(list, (dyno_problem){.m = 33, .k = 2880});
  add(list, (dyno_problem){.m = 3, .k = 4096});
}

static void list_store_kv(case_list *list)
{
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = size, .k = 64, .kv_heads = 2});
    add(list, (dyno_problem){.m = 3, .k = size, .kv_heads = 3});
    add(list, (dyno_problem){.m = 1, .k = 8, .kv_heads = size});
  }
  add(list, (dyno_problem){.m = 1, .k = 64, .kv_heads = 8});
  add(list, (dyno_problem){.m = 64, .k = 64, .kv_heads = 8});
}

static void list_rows(case_list *list)
{
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = size, .k = 37});
    add(list, (dyno_problem){.m = 2, .k = size});
  }
  for (size_t i = 0; i < (list->quick ? 4 : 60); i++)
    add(list, (dyno_problem){.m = random_from(list, 1, 20), .k = random_from(list, 1, 700)});
  add(list, (dyno_problem){.m = 1, .k = 2880});
  add(list, (dyno_problem){.m = 33, .k = 2880});
}

static void list_rope(case_list *list)
{
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = size, .k = 64, .heads = 2});
    add(list, (dyno_problem){.m = 2, .k = 2 * size, .heads = 3});
    add(list, (dyno_problem){.m = 1, .k = 64, .heads = size});
  }
  add(list, (dyno_problem){.m = 1, .k = 64, .heads = 64});
  add(list, (dyno_problem){.m = 33, .k = 64, .heads = 72});
}

static void list_choices(case_list *list)
{
  static const size_t chosen[] = {1, 2, 4, 8, 50};
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.m = 3, .n = size, .k = size});
    add(list, (dyno_problem){.m = 2, .n = size, .k = chosen[size % 5]});
    add(list, (dyno_problem){.m = size, .n = 32, .k = 4});
  }
  for (size_t i = 0; i < (list->quick ? 4 : 60); i++) {
    size_t n = random_from(list, 1, 1000);
    add(list, (dyno_problem){.m = random_from(list, 1, 5),
                             .n = n,
                             .k = random_from(list, 1, n < 60 ? n : 60)});
  }
  add(list, (dyno_problem){.m = 1, .n = 128, .k = 4});
  if (list->kernel->op != DYNO_OP_TOP_K)
    return;
  add(list, (dyno_problem){.m = 1, .n = 201088, .k = 1});
  if (!list->quick)
    add(list, (dyno_problem){.m = 2, .n = 201088, .k = 20});
}

static void list_screen(case_list *list)
{
  FOR_SIZES(size, list)
  {
    add(list, (dyno_problem){.n = size, .k = 96});
    add(list, (dyno_problem){.n = 21, .k = 32 * size});
  }
  for (size_t i = 0; i < (list->quick ? 4 : 60); i++)
    add(list, (dyno_problem){.n = random_from(list, 1, 150), .k = 32 * random_from(list, 1, 16)});
  add(list, (dyno_problem){.n = 40, .k = 2880});
}

static void (*const listers[DYNO_OP_COUNT])(case_list *) = {
    [DYNO_OP_MATMUL] = list_matmul,
    [DYNO_OP_ATTENTION] = list_attention,
    [DYNO_OP_QUANTIZE_WEIGHT] = list_quantize_weight,
    [DYNO_OP_FIT_WEIGHT] = list_quantize_weight,
    [DYNO_OP_QUANTIZE_ACTIVATION] = list_quantize_activation,
    [DYNO_OP_STORE_KV] = list_store_kv,
    [DYNO_OP_RMSNORM] = list_rows,
    [DYNO_OP_ROPE] = list_rope,
    [DYNO_OP_SWIGLU] = list_rows,
    [DYNO_OP_ROUTER] = list_choices,
    [DYNO_OP_TOP_K] = list_choices,
    [DYNO_OP_SCREEN] = list_screen,
};

void dyno_cases_list(dyno_cases *cases, const dyno_kernel *kernel, uint64_t seed, bool quick)
{
  case_list list = {.cases = cases, .kernel = kernel, .rng = {seed}, .quick = quick};
  *cases = (dyno_cases){0};
  listers[kernel->op](&list);
}

void dyno_cases_free(dyno_cases *cases)
{
  free(cases->problems);
  *cases = (dyno_cases){0};
}
