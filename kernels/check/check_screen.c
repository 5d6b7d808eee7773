/* Operands of screen: a screen packed from rows, and a query made from a vector, as an engine makes
 * them. The tiers agree to the bit, so there are no bounds. */
#include "kernels/check/instance.h"

#include <string.h>

#include "kernels/base/a8.h"
#include "kernels/sampling/screen.h"

typedef struct screen_operands {
  dyno_screen_args args[DYNO_VIEW_COUNT];
} screen_operands;

static bool known(const dyno_problem *problem)
{
  return problem->k % DYNO_SCREEN_HALF_COLUMNS == 0;
}

static void make_screen(dyno_instance *instance, unsigned char *screen, const float *dither)
{
  size_t n = instance->problem.n, k = instance->problem.k;
  float *rows = dyno_instance_alloc(instance, DYNO_SCREEN_ROWS * k * sizeof *rows);
  for (size_t row = 0; row < n; row += DYNO_SCREEN_ROWS) {
    size_t count = n - row < DYNO_SCREEN_ROWS ? n - row : DYNO_SCREEN_ROWS;
    dyno_fill_floats(rows, count * k, instance->input, DYNO_PART_WEIGHT, &instance->rng);
    dyno_screen_pack(screen + row / DYNO_SCREEN_ROWS * dyno_screen_panel_bytes(k), rows, count, k,
                     dither);
  }
}

/* What no query can be made of, such as a vector of NaNs, is left as far as it came. */
static dyno_screen_query make_query(dyno_instance *instance, const float *dither)
{
  size_t k = instance->problem.k;
  dyno_screen_query query = {0};
  char *row = dyno_instance_alloc(instance, dyno_a8_row_bytes(k));
  void *memory = dyno_instance_alloc(instance, dyno_screen_query_bytes(k));
  dyno_fill_a8(row, 1, k, instance->input, &instance->rng);
  dyno_screen_query_make(&query, memory, row, NULL, k, DYNO_TOLERANCE_F32, dither);
  return query;
}

static dyno_screen_args lay_out(dyno_instance *instance, dyno_view view, const void *screen,
                                const dyno_screen_query *query)
{
  size_t n = instance->problem.n, k = instance->problem.k, blocks = dyno_screen_blocks(k);
  size_t halves = 2 * blocks * sizeof(float);
  return (dyno_screen_args){
      .screen = dyno_instance_input(instance, view, "screen", screen, dyno_screen_bytes(n, k),
                                    DYNO_SCREEN_LINE),
      .quants = dyno_instance_input(instance, view, "quants", query->quants,
                                    blocks * DYNO_SCREEN_COLUMNS, 64),
      .scales = dyno_instance_input(instance, view, "scales", query->scales, halves, 4),
      .offsets = dyno_instance_input(instance, view, "offsets", query->offsets, halves, 4),
      .energies = dyno_instance_input(instance, view, "energies", query->energies, halves / 2, 4),
      .spread = query->spread,
      .margin = query->margin,
      .n = n,
      .k = k,
  };
}

static void build(dyno_instance *instance)
{
  size_t n = instance->problem.n, k = instance->problem.k;
  screen_operands *operands = dyno_instance_alloc(instance, sizeof *operands);
  instance->operands = operands;
  float *dither = dyno_instance_alloc(instance, k * sizeof *dither);
  unsigned char *screen = dyno_instance_alloc(instance, dyno_screen_bytes(n, k));
  dyno_screen_dither(dither, k);
  make_screen(instance, screen, dither);
  dyno_screen_query query = make_query(instance, dither);
  dyno_check_output *outputs = dyno_instance_outputs(instance, 2);
  dyno_instance_place(instance, &outputs[0], "lower", DYNO_UNIT_FLOAT, n, n, 4);
  dyno_instance_place(instance, &outputs[1], "upper", DYNO_UNIT_FLOAT, n, n, 4);
  for (size_t row = 0; row < n; row++)
    for (size_t o = 0; o < 2; o++) {
      outputs[o].row[row] = (uint32_t)row;
      outputs[o].token[row] = 0;
    }
  for (unsigned view = 0; view <= DYNO_VIEW_SHIFTED; view++)
    operands->args[view] = lay_out(instance, (dyno_view)view, screen, &query);
  operands->args[DYNO_VIEW_REFERENCE] = operands->args[DYNO_VIEW_FLUSH];
  operands->args[DYNO_VIEW_TWIN] = operands->args[DYNO_VIEW_FLUSH];
  dyno_instance_all_rows(instance, n, 1);
}

/* Half of the ranges are written to where they begin, as a runtime does it in portions. */
static void run(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                size_t row0, size_t row1)
{
  (void)token0, (void)token1;
  const screen_operands *operands = instance->operands;
  dyno_screen_args args = operands->args[view];
  args.first_row = row0 / DYNO_SCREEN_ROWS % 2 != 0 ? row0 : 0;
  args.lower = (float *)(void *)instance->outputs[0].place[view]->data + args.first_row;
  args.upper = (float *)(void *)instance->outputs[1].place[view]->data + args.first_row;
  instance->kernels[view]->run.screen(&args, row0, row1);
}

static bool may_cut(const dyno_instance *instance, size_t row)
{
  (void)instance;
  return row % DYNO_SCREEN_ROWS == 0;
}

const dyno_operation dyno_operation_screen = {
    .known = known,
    .build = build,
    .run = run,
    .may_cut = may_cut,
};
