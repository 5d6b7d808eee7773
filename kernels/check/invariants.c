/* Runs one case in every way that must not matter, and compares. */
#include "kernels/check/instance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t unit_bytes(const dyno_check_output *output)
{
  return output->unit == DYNO_UNIT_BYTE ? 1 : 4;
}

static void reset(const dyno_instance *instance, dyno_view view)
{
  for (size_t o = 0; o < instance->output_count; o++) {
    const dyno_check_output *output = &instance->outputs[o];
    dyno_guarded *place = output->place[view];
    if (output->initial[view] != NULL)
      memcpy(place->data, output->initial[view], place->bytes);
    else
      memset(place->data, place->poison, place->bytes);
  }
}

static double number(dyno_unit unit, const unsigned char *bytes, size_t u)
{
  float value;
  int32_t integer;
  switch (unit) {
  case DYNO_UNIT_FLOAT:
    memcpy(&value, bytes + 4 * u, sizeof value);
    return (double)value;
  case DYNO_UNIT_INT32:
    memcpy(&integer, bytes + 4 * u, sizeof integer);
    return integer;
  default:
    return bytes[u];
  }
}

static void name_element(char text[64], const dyno_check_output *output, size_t u)
{
  snprintf(text, 64, "%s[%zu][%zu]", output->name, u / output->columns, u % output->columns);
}

/* Equal bits; two NaNs count as equal, whatever their bits. */
static bool same(dyno_unit unit, const unsigned char *a, const unsigned char *b, size_t u)
{
  size_t bytes = unit == DYNO_UNIT_BYTE ? 1 : 4;
  if (memcmp(a + u * bytes, b + u * bytes, bytes) == 0)
    return true;
  return unit == DYNO_UNIT_FLOAT && isnan(number(unit, a, u)) && isnan(number(unit, b, u));
}

static bool is_defined(const dyno_instance *instance)
{
  return instance->input != DYNO_INPUT_SPECIAL || instance->operation->special_is_defined;
}

static void check_slack(dyno_instance *instance, dyno_view view, const char *run)
{
  for (size_t o = 0; o < instance->output_count; o++) {
    const dyno_guarded *place = instance->outputs[o].place[view];
    ptrdiff_t offset;
    if (!dyno_guarded_intact(place, &offset))
      dyno_instance_fail(instance, "%s: wrote to byte %td of %s, which has %zu bytes", run, offset,
                         place->name, place->bytes);
  }
}

/* Makes what an output holds before a run what is expected of it. */
static void expect_initial(const dyno_instance *instance, dyno_view view)
{
  for (size_t o = 0; o < instance->output_count; o++) {
    const dyno_check_output *output = &instance->outputs[o];
    const dyno_guarded *place = output->place[view];
    if (output->initial[view] != NULL)
      memcpy(output->expected, output->initial[view], place->bytes);
    else
      memset(output->expected, place->poison, place->bytes);
    memset(output->done, false, output->units * sizeof *output->done);
  }
}

/* Which units a run has computed: by row or by token. */
typedef struct run_extent {
  dyno_range rows, tokens;
} run_extent;

static const dyno_range everything = {0, DYNO_UNOWNED};

/* From now on, what a run has computed is expected to be what the whole run did. */
static void expect_computed(const dyno_instance *instance, run_extent extent)
{
  for (size_t o = 0; o < instance->output_count; o++) {
    const dyno_check_output *output = &instance->outputs[o];
    size_t bytes = unit_bytes(output);
    for (size_t u = 0; u < output->units; u++) {
      uint32_t row = output->row[u], token = output->token[u];
      if (row < extent.rows.begin || row >= extent.rows.end || token < extent.tokens.begin ||
          token >= extent.tokens.end)
        continue;
      output->done[u] = true;
      memcpy(output->expected + u * bytes, output->whole + u * bytes, bytes);
    }
  }
}

/* Looks for the unit that is not as expected. */
static void check_unit(dyno_instance *instance, dyno_view view, const dyno_check_output *output,
                       size_t u, const char *run)
{
  const unsigned char *now = output->place[view]->data;
  size_t bytes = unit_bytes(output);
  char element[64], against[96];
  if (!output->done[u]) {
    if (memcmp(now + u * bytes, output->expected + u * bytes, bytes) == 0)
      return;
    name_element(element, output, u);
    dyno_instance_fail(instance, "%s: wrote to %s, which it does not own", run, element);
    return;
  }
  if (!is_defined(instance) || (output->free != NULL && output->free[u]) ||
      same(output->unit, now, output->whole, u))
    return;
  name_element(element, output, u);
  snprintf(against, sizeof against, "%s, but computed as a whole", run);
  dyno_instance_fail_element(instance, element, number(output->unit, now, u),
                             number(output->unit, output->whole, u), 0, against);
}

/* What was computed must equal the whole run's bits, and all the rest what was there before. */
static void check_content(dyno_instance *instance, dyno_view view, const char *run)
{
  for (size_t o = 0; o < instance->output_count && !instance->failed; o++) {
    const dyno_check_output *output = &instance->outputs[o];
    const dyno_guarded *place = output->place[view];
    if (memcmp(place->data, output->expected, place->bytes) == 0)
      continue;
    for (size_t u = 0; u < output->units && !instance->failed; u++)
      check_unit(instance, view, output, u, run);
  }
  check_slack(instance, view, run);
}

static void run_whole(dyno_instance *instance, dyno_view view)
{
  static const char *const who[DYNO_VIEW_COUNT] = {
      [DYNO_VIEW_FLUSH] = "the variant",
      [DYNO_VIEW_SHIFTED] = "the variant",
      [DYNO_VIEW_REFERENCE] = "the reference",
      [DYNO_VIEW_TWIN] = "the twin of the same numerics",
  };
  reset(instance, view);
  for (size_t i = 0; i < instance->range_count; i++) {
    dyno_range range = instance->ranges[i];
    dyno_instance_step(instance, "%s, rows %zu to %zu", who[view], range.begin, range.end);
    instance->operation->run(instance, view, 0, instance->tokens, range.begin, range.end);
  }
}

/* Finds the element that is worst off its bound; the bits must be equal where there is none. */
static void compare_output(dyno_instance *instance, const dyno_check_output *output,
                           dyno_view other, const char *against, bool bits_only)
{
  const unsigned char *want = output->place[other]->data;
  double worst = 0;
  size_t worst_unit = output->units;
  for (size_t u = 0; u < output->units; u++) {
    if (output->row[u] == DYNO_UNOWNED || (output->free != NULL && output->free[u]) ||
        same(output->unit, output->whole, want, u))
      continue;
    double share = INFINITY;
    if (output->bound != NULL && !bits_only) {
      double off = fabs(number(output->unit, output->whole, u) - number(output->unit, want, u));
      share = off / output->bound[u];
      if (isnan(share) && !isinf(output->bound[u]))
        share = INFINITY;
    }
    if (share > worst) {
      worst = share;
      worst_unit = u;
    }
  }
  if (!bits_only)
    dyno_instance_note(instance, worst);
  if (worst <= 1)
    return;
  char element[64];
  name_element(element, output, worst_unit);
  dyno_instance_fail_element(instance, element, number(output->unit, output->whole, worst_unit),
                             number(output->unit, want, worst_unit),
                             output->bound != NULL && !bits_only ? output->bound[worst_unit] : 0,
                             against);
}

static void check_result(dyno_instance *instance)
{
  run_whole(instance, DYNO_VIEW_FLUSH);
  for (size_t o = 0; o < instance->output_count; o++) {
    dyno_check_output *output = &instance->outputs[o];
    memcpy(output->whole, output->place[DYNO_VIEW_FLUSH]->data, output->units * unit_bytes(output));
  }
  expect_initial(instance, DYNO_VIEW_FLUSH);
  expect_computed(instance, (run_extent){everything, everything});
  check_content(instance, DYNO_VIEW_FLUSH, "as a whole");
  if (!is_defined(instance) ||
      instance->kernels[DYNO_VIEW_REFERENCE] == instance->kernels[DYNO_VIEW_FLUSH])
    return;
  run_whole(instance, DYNO_VIEW_REFERENCE);
  for (size_t o = 0; o < instance->output_count; o++)
    if (instance->operation->compare == NULL || instance->tolerance == DYNO_TOLERANCE_EXACT)
      compare_output(instance, &instance->outputs[o], DYNO_VIEW_REFERENCE, "the reference has",
                     false);
  if (instance->operation->compare != NULL && instance->tolerance != DYNO_TOLERANCE_EXACT)
    instance->operation->compare(instance);
}

/* The largest row not above this where a range may begin. */
static size_t cut_near(const dyno_instance *instance, size_t row, size_t lowest)
{
  while (row > lowest && instance->operation->may_cut != NULL &&
         !instance->operation->may_cut(instance, row))
    row--;
  return row;
}

enum { MOST_PIECES = 8 };

/* Cuts a range in up to MOST_PIECES; every possible one if they are few. Returns how many. */
static size_t cut_range(dyno_instance *instance, dyno_range range, dyno_range *pieces)
{
  size_t rows = range.end - range.begin, count = 0, begin = range.begin;
  for (size_t i = 1; i <= MOST_PIECES && begin < range.end; i++) {
    size_t at = range.begin + i * rows / MOST_PIECES;
    if (i < MOST_PIECES && rows > MOST_PIECES)
      at -= dyno_rng_below(&instance->rng, rows / MOST_PIECES + 1);
    size_t end = i == MOST_PIECES ? range.end : cut_near(instance, at, begin);
    if (end <= begin)
      continue;
    pieces[count++] = (dyno_range){begin, end};
    begin = end;
  }
  return count;
}

static void run_piece(dyno_instance *instance, dyno_range piece, bool look)
{
  char run[64];
  snprintf(run, sizeof run, "rows %zu to %zu alone", piece.begin, piece.end);
  dyno_instance_step(instance, "%s", run);
  instance->operation->run(instance, DYNO_VIEW_SHIFTED, 0, instance->tokens, piece.begin,
                           piece.end);
  /* No rows at all: nothing must happen. */
  instance->operation->run(instance, DYNO_VIEW_SHIFTED, 0, instance->tokens, piece.begin,
                           piece.begin);
  expect_computed(instance, (run_extent){piece, everything});
  if (look)
    check_content(instance, DYNO_VIEW_SHIFTED, run);
}

static void check_pieces(dyno_instance *instance)
{
  reset(instance, DYNO_VIEW_SHIFTED);
  expect_initial(instance, DYNO_VIEW_SHIFTED);
  /* Many ranges: not all are cut, and the whole output is not looked at after every one. */
  size_t often = 1 + instance->range_count / MOST_PIECES;
  /* Backwards, so that an upper piece cannot mend what a lower one breaks. */
  for (size_t r = instance->range_count; r-- > 0 && !instance->failed;) {
    dyno_range pieces[MOST_PIECES] = {instance->ranges[r]};
    bool look = r % often == 0;
    size_t count = look ? cut_range(instance, instance->ranges[r], pieces) : 1;
    for (size_t p = count; p-- > 0 && !instance->failed;)
      run_piece(instance, pieces[p], look);
  }
}

static bool supports(const dyno_kernel *kernel, const dyno_problem *problem)
{
  return kernel->supports == NULL || kernel->supports(problem);
}

/* Computes some tokens without the others. */
static void check_slice(dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
                        const char *whose)
{
  dyno_problem slice = instance->operation->slice(instance, token0, token1);
  if (instance->failed || !supports(instance->kernels[view], &slice))
    return;
  char run[64];
  snprintf(run, sizeof run, "%stokens %zu to %zu alone", whose, token0, token1);
  dyno_instance_step(instance, "%s", run);
  reset(instance, view);
  /* Its own numbering of rows: for a part of them, the ranges are those of the whole. */
  bool partial = instance->range_count != 1;
  for (size_t r = 0; r < instance->range_count; r++) {
    dyno_range range = partial ? instance->ranges[r] : (dyno_range){0, dyno_problem_rows(&slice)};
    instance->operation->run(instance, view, token0, token1, range.begin, range.end);
  }
  expect_initial(instance, view);
  expect_computed(instance, (run_extent){everything, {token0, token1}});
  check_content(instance, view, run);
}

static void check_slices(dyno_instance *instance)
{
  size_t tokens = instance->tokens;
  if (instance->operation->slice == NULL || tokens < 2 ||
      (instance->operation->rows_follow_tokens && instance->range_count != 1))
    return;
  size_t middle = 1 + dyno_rng_below(&instance->rng, tokens - 1);
  check_slice(instance, DYNO_VIEW_SHIFTED, 0, 1, "");
  check_slice(instance, DYNO_VIEW_SHIFTED, tokens - 1, tokens, "");
  check_slice(instance, DYNO_VIEW_SHIFTED, middle - 1, middle, "");
  check_slice(instance, DYNO_VIEW_SHIFTED, 0, middle, "");
  check_slice(instance, DYNO_VIEW_SHIFTED, middle, tokens, "");
}

/* Another variant of the same numerics; if it does not take as many tokens, one at a time. */
static void check_twin(dyno_instance *instance)
{
  const dyno_kernel *twin = instance->kernels[DYNO_VIEW_TWIN];
  if (twin == NULL || !is_defined(instance))
    return;
  if (supports(twin, &instance->problem)) {
    char against[96];
    snprintf(against, sizeof against, "%.72s has", twin->name);
    run_whole(instance, DYNO_VIEW_TWIN);
    for (size_t o = 0; o < instance->output_count; o++)
      compare_output(instance, &instance->outputs[o], DYNO_VIEW_TWIN, against, true);
    return;
  }
  for (size_t t = 0; t < instance->tokens && instance->operation->slice != NULL; t++)
    check_slice(instance, DYNO_VIEW_TWIN, t, t + 1, "the twin: ");
}

void dyno_instance_run(dyno_instance *instance)
{
  instance->operation->build(instance);
  check_result(instance);
  if (!instance->failed)
    check_pieces(instance);
  if (!instance->failed)
    check_slices(instance);
  if (!instance->failed)
    check_twin(instance);
}
