/* Operands of a benchmark: of every op and layout, in several copies, inside their memory. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/operands.h"
#include "kernels/registry.h"

enum { COPIES = 3, THREADS = 2 };

/* Small sizes that leave tails: rows that fill no panel, a group without tokens, a ring of KV
 * blocks that has wrapped. */
static const char *const shapes[DYNO_OP_COUNT] = {
    [DYNO_OP_MATMUL] = "m=2 n=37 k=256 groups=3",
    [DYNO_OP_ATTENTION] = "m=3 n=300 k=64 heads=8 kv_heads=2 window=70",
    [DYNO_OP_QUANTIZE_WEIGHT] = "n=5 k=256",
    [DYNO_OP_FIT_WEIGHT] = "n=5 k=256",
    [DYNO_OP_QUANTIZE_ACTIVATION] = "m=3 k=96",
    [DYNO_OP_STORE_KV] = "m=70 k=64 kv_heads=2",
    [DYNO_OP_RMSNORM] = "m=3 k=100",
    [DYNO_OP_ROPE] = "m=3 k=64 heads=5",
    [DYNO_OP_SWIGLU] = "m=3 k=100",
    [DYNO_OP_ROUTER] = "m=3 n=32 k=4",
    [DYNO_OP_TOP_K] = "m=2 n=1000 k=5",
    [DYNO_OP_SCREEN] = "n=100 k=96",
};

static dyno_problem problem_of(const dyno_kernel *kernel)
{
  char text[256];
  dyno_problem problem;
  dyno_error error = {0};
  snprintf(text, sizeof text, "%s %s", dyno_op_name(kernel->op), shapes[kernel->op]);
  cr_assert(dyno_problem_parse(&problem, text, &error) == DYNO_OK, "%s", error.message);
  problem.weight = kernel->weight;
  problem.activation = kernel->activation;
  cr_assert(dyno_problem_check(&problem, &error) == DYNO_OK, "%s", error.message);
  return problem;
}

static void run_in_parts(const dyno_operands *operands, const dyno_kernel *kernel,
                         const dyno_problem *problem, size_t copy)
{
  size_t rows = dyno_problem_rows(problem);
  size_t granule = dyno_operands_granule(problem, dyno_kernel_layout(kernel));
  unsigned thread = 0;
  for (size_t row = 0; row < rows; row += granule, thread = (thread + 1) % THREADS)
    dyno_operands_run(operands, kernel, copy, row, rows - row < granule ? rows : row + granule,
                      thread);
}

/* Every copy gives the same: what is streamed and written is alike in all copies, and what is
 * there once is what another copy has left. */
static void try_kernel(const dyno_kernel *kernel)
{
  dyno_problem problem = problem_of(kernel);
  const dyno_layout *layout = dyno_kernel_layout(kernel);
  size_t scratch = kernel->scratch_bytes == NULL ? 0 : kernel->scratch_bytes(&problem);
  dyno_operands_size size;
  dyno_error error = {0};
  cr_assert(dyno_operands_measure(&size, &problem, layout, scratch, THREADS, &error) == DYNO_OK,
            "%s: %s", kernel->name, error.message);
  size_t bytes = COPIES * size.streamed + size.fixed;
  char *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  char *filled = malloc(bytes), *once = malloc(bytes);
  dyno_operands *operands;
  cr_assert(dyno_operands_open(&operands, &problem, layout, scratch, THREADS, memory, COPIES, 7,
                               &error) == DYNO_OK,
            "%s: %s", kernel->name, error.message);
  cr_assert(dyno_operands_streamed(operands) == memory);
  cr_assert(memcmp(memory, memory + size.streamed, size.streamed) == 0, "%s: copies differ",
            kernel->name);
  memcpy(filled, memory, bytes);
  run_in_parts(operands, kernel, &problem, 1);
  cr_assert(memcmp(filled, memory, bytes) != 0, "%s wrote nothing", kernel->name);
  cr_assert(memcmp(filled, memory, size.streamed) == 0, "%s wrote to another copy", kernel->name);
  memcpy(once, memory, bytes);
  for (size_t copy = 0; copy < COPIES; copy += 2)
    dyno_operands_run(operands, kernel, copy, 0, dyno_problem_rows(&problem), 0);
  for (size_t copy = 0; copy < COPIES; copy++)
    cr_assert(memcmp(memory + copy * size.streamed, once + size.streamed, size.streamed) == 0,
              "%s: copy %zu came out differently", kernel->name, copy);
  dyno_operands_close(&operands);
  cr_assert(operands == NULL);
  free(memory);
  free(filled);
  free(once);
}

Test(operands, every_variant_runs_on_them)
{
  dyno_registry *registry;
  dyno_error error = {0};
  size_t tried = 0;
  bool ops[DYNO_OP_COUNT] = {false};
  cr_assert(dyno_registry_open(&registry, &DYNO_REGISTRY_DEFAULTS, &error) == DYNO_OK, "%s",
            error.message);
  for (size_t i = 0; i < dyno_registry_count(registry); i++) {
    const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
    dyno_problem problem = problem_of(kernel);
    if (!dyno_registry_usable(registry, kernel, &problem, NULL))
      continue;
    try_kernel(kernel);
    ops[kernel->op] = true;
    tried++;
  }
  for (size_t op = 0; op < DYNO_OP_COUNT; op++)
    cr_assert(ops[op], "no variant of %s was tried", dyno_op_name((dyno_op)op));
  cr_assert(tried >= 31, "%zu", tried);
  dyno_registry_close(&registry);
}

static dyno_status measure(const char *text, dyno_error *error)
{
  dyno_problem problem;
  dyno_operands_size size;
  cr_assert(dyno_problem_parse(&problem, text, error) == DYNO_OK, "%s", error->message);
  const dyno_layout *layout =
      problem.op == DYNO_OP_MATMUL ? dyno_layout_rows(problem.weight) : NULL;
  return dyno_operands_measure(&size, &problem, layout, 0, 1, error);
}

Test(operands, impossible_ones_are_refused)
{
  dyno_error error = {0};
  cr_assert(measure("matmul weight=f32 activation=f32 m=2147483647 n=2147483647 k=2147483647",
                    &error) == DYNO_ERROR_MEMORY);
  cr_assert(measure("matmul weight=q8_0 activation=a8 m=1 n=2147483647 k=2147483616 "
                    "groups=2147483647",
                    &error) == DYNO_ERROR_MEMORY);
  cr_assert(measure("attention activation=a8 m=1 n=64 k=64 heads=8 kv_heads=8", &error) ==
            DYNO_ERROR_UNSUPPORTED);
  cr_assert(measure("quantize_activation activation=f32 m=1 k=64", &error) ==
            DYNO_ERROR_UNSUPPORTED);
}

Test(operands, granules_count_from_each_group)
{
  dyno_layout panels = *dyno_layout_rows(DYNO_MXFP4);
  panels.row_granule = 16;
  dyno_problem whole = {.op = DYNO_OP_MATMUL, .m = 1, .n = 64, .k = 32, .groups = 4};
  dyno_problem tail = {.op = DYNO_OP_MATMUL, .m = 1, .n = 70, .k = 32, .groups = 4};
  dyno_problem single = {.op = DYNO_OP_MATMUL, .m = 1, .n = 70, .k = 32, .groups = 1};
  dyno_problem attention = {.op = DYNO_OP_ATTENTION, .m = 5, .n = 9, .kv_heads = 2};
  cr_assert(dyno_operands_granule(&whole, &panels) == 16);
  cr_assert(dyno_operands_granule(&tail, &panels) == 70);
  cr_assert(dyno_operands_granule(&single, &panels) == 16);
  cr_assert(dyno_operands_granule(&attention, NULL) == 1);
}
