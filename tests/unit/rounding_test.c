/* Rounded activations, seen while a model runs. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/measure/rounding.h"
#include "kernels/base/a8.h"

enum { WIDTH = 64 };
static const double all_the_time = 1e12; /* as a share: nothing is too long */

/* A row of eighths, all of which its rounded form has, but for the first, which is off. */
static void plant(float row[WIDTH], char rounded[192], float off)
{
  float *scales = (float *)(void *)(rounded + dyno_a8_scales_offset(WIDTH));
  cr_assert(dyno_a8_row_bytes(WIDTH) == 192);
  for (int i = 0; i < WIDTH; i++) {
    rounded[i] = (char)(i - 32);
    row[i] = 0.125F * (float)(i - 32);
  }
  scales[0] = scales[1] = 0.125F;
  row[0] += off;
}

Test(rounding, of_a_planted_row)
{
  _Alignas(64) char rounded[192];
  float row[WIDTH];
  double size = 0;
  dyno_rounding rounding;
  dyno_error error = {0};
  plant(row, rounded, 0.5F);
  for (int i = 0; i < WIDTH; i++)
    size += (double)row[i] * (double)row[i];
  cr_assert(dyno_rounding_open(&rounding, 2, all_the_time, &error) == DYNO_OK);
  const dyno_probe probe = dyno_rounding_probe(&rounding);
  dyno_probe_rows rows = {.op = DYNO_PROBE_MOE_DOWN,
                          .layer = 1,
                          .rows = row,
                          .count = 1,
                          .k = WIDTH,
                          .rounded = rounded};
  for (int i = 0; i < 5; i++)
    probe.rows(probe.context, &rows);
  rows.op = DYNO_PROBE_ATTENTION_QKV;
  rows.rounded = NULL; /* floats */
  probe.rows(probe.context, &rows);
  rows.layer = 2; /* which there is not */
  probe.rows(probe.context, &rows);
  const dyno_rounding_error *down = &rounding.errors[DYNO_ROUNDING_SITE_COUNT + DYNO_ROUNDING_DOWN];
  cr_assert(down->rows == 4, "all but the first, before which there was no time: %llu",
            (unsigned long long)down->rows);
  cr_assert_float_eq(down->squares, 4 * 0.25 / size, 1e-6);
  cr_assert_float_eq(down->greatest, 0.25 / size, 1e-6);
  cr_assert(rounding.sites == 1 && rounding.seen == 5 && rounding.looked == 4);
  cr_assert(!rounding.errors[DYNO_ROUNDING_SITE_COUNT + DYNO_ROUNDING_ATTENTION].rounded);
  dyno_rounding_free(&rounding);
}

Test(rounding, no_time_is_no_look)
{
  _Alignas(64) char rounded[192];
  float row[WIDTH];
  dyno_rounding rounding;
  dyno_error error = {0};
  plant(row, rounded, 0);
  cr_assert(dyno_rounding_open(&rounding, 1, 0, &error) == DYNO_OK);
  const dyno_probe probe = dyno_rounding_probe(&rounding);
  for (int i = 0; i < 100; i++)
    probe.rows(probe.context,
               &(dyno_probe_rows){
                   .op = DYNO_PROBE_HEAD, .rows = row, .count = 1, .k = WIDTH, .rounded = rounded});
  cr_assert(rounding.seen == 100 && rounding.looked == 0);
  dyno_rounding_free(&rounding);
}

static void append(dyno_engine *engine, size_t count)
{
  dyno_sequence *sequence;
  dyno_error error = {0};
  int32_t tokens[64];
  for (size_t i = 0; i < count; i++)
    tokens[i] = (int32_t)(i * 37 % 320);
  cr_assert(dyno_sequence_open(&sequence, engine, 65, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_sequence_append(sequence, tokens, count, NULL, NULL, &error) == DYNO_OK);
  for (size_t i = 0; i < 64 - count; i++)
    cr_assert(dyno_sequence_append(sequence, tokens, 1, NULL, NULL, &error) == DYNO_OK);
  cr_assert(dyno_sequence_logits(sequence) != NULL);
  dyno_sequence_close(&sequence);
}

/* Every row as floats and rounded: never further apart than half a quant. */
static void check_rounded(void *context, const dyno_probe_rows *seen)
{
  size_t *checked = context;
  for (size_t r = 0; seen->rounded != NULL && r < seen->count; r++) {
    const void *rounded = (const char *)seen->rounded + r * dyno_a8_row_bytes(seen->k);
    const int8_t *quants = dyno_a8_quants(rounded);
    const float *scales = dyno_a8_scales(rounded, seen->k);
    for (size_t i = 0; i < seen->k; i++) {
      float scale = scales[i / DYNO_A8_BLOCK], off = scale * (float)quants[i];
      off -= seen->rows[r * seen->k + i];
      cr_assert(fabsf(off) <= 0.5001F * scale, "%s, layer %zu, row %zu of %zu, %zu: %g of %g",
                dyno_probe_op_name(seen->op), seen->layer, r, seen->count, i, (double)off,
                (double)scale);
    }
    ++*checked;
  }
}

static dyno_engine *open_engine(unsigned threads, const char *quant)
{
  const char *folder = getenv("top_srcdir");
  char path[4096];
  dyno_engine *engine;
  dyno_error error = {0};
  snprintf(path, sizeof path, "%s/tests/oracle/models/mxfp4", folder != NULL ? folder : ".");
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.quant = quant;
  options.batch = 16;
  options.registry.threads = threads;
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  return engine;
}

/* With dense matrices of INT8 all sites round: of each token four in each layer, the second matrix
 * of the experts once for each chosen expert; and the output matrix once for each pass. */
Test(rounding, what_the_engine_shows_is_what_its_matrices_take)
{
  for (unsigned threads = 1; threads <= 3; threads++) {
    dyno_engine *engine = open_engine(threads, "int8");
    const dyno_model_config *config = dyno_engine_config(engine);
    size_t checked = 0;
    dyno_engine_set_probe(engine, &(dyno_probe){.context = &checked, .rows = check_rounded});
    append(engine, 40);
    size_t each = config->layers * (3 + config->experts_per_token);
    cr_assert(checked > 64 * each && checked <= 64 * (each + 1), "%zu", checked);
    dyno_engine_close(&engine);
  }
}

Test(rounding, every_site_gets_its_share)
{
  dyno_engine *engine = open_engine(2, "int8");
  dyno_rounding rounding;
  dyno_error error = {0};
  size_t layers = dyno_engine_config(engine)->layers;
  cr_assert(dyno_rounding_open(&rounding, layers, all_the_time, &error) == DYNO_OK);
  const dyno_probe probe = dyno_rounding_probe(&rounding);
  dyno_engine_set_probe(engine, &probe);
  append(engine, 4);
  cr_assert(rounding.sites == 4 * layers + 1, "%zu", rounding.sites);
  for (size_t i = 0; i < layers * DYNO_ROUNDING_SITE_COUNT; i++) {
    const dyno_rounding_error *e = &rounding.errors[i];
    if (!e->rounded)
      continue;
    cr_assert(e->rows + 2 >= rounding.looked / rounding.sites, "site %zu: %llu of %llu", i,
              (unsigned long long)e->rows, (unsigned long long)rounding.looked);
    double off = sqrt(e->squares / (double)e->rows);
    cr_assert(off > 1e-3 && off < 2e-2, "site %zu: %g", i, off);
  }
  dyno_engine_close(&engine);
  dyno_rounding_free(&rounding);
}
