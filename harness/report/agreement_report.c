#include "harness/report/agreement_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/statistics_bootstrap.h"
#include "harness/report/table.h"

enum { REPLICATES = 999 };
static const double confidence = 0.95;

/* A figure with its interval; NaN where there is nothing to tell. */
typedef struct figure {
  double value, low, high;
} figure;

static figure share_of(size_t hits, size_t count)
{
  dyno_interval interval = dyno_proportion_interval(hits, count, confidence);
  return (figure){(double)hits / (double)count, interval.low, interval.high};
}

static figure mean_of(const double *values, size_t count)
{
  dyno_error error;
  dyno_interval interval = {NAN, NAN, NAN};
  if (count == 0)
    return (figure){NAN, NAN, NAN};
  if (dyno_bootstrap_interval(&interval, values, count, dyno_mean, confidence, REPLICATES, 1,
                              &error) != DYNO_OK)
    interval = (dyno_interval){NAN, NAN, NAN};
  return (figure){dyno_mean(values, count), interval.low, interval.high};
}

static figure median_of(const double *values, size_t count)
{
  figure median = {NAN, NAN, NAN};
  double *sorted = count > 0 ? malloc(count * sizeof *sorted) : NULL;
  if (sorted == NULL)
    return median;
  memcpy(sorted, values, count * sizeof *sorted);
  dyno_sort(sorted, count);
  dyno_interval interval = dyno_median_interval(sorted, count, confidence);
  median = (figure){dyno_quantile(sorted, count, 0.5), interval.low, interval.high};
  free(sorted);
  return median;
}

/* The root of the mean over the tokens of what a site's rows are off, as a share of their size. */
static figure error_of(const dyno_site_errors *errors)
{
  figure mean = mean_of(errors->squares, errors->count);
  return (figure){sqrt(mean.value), sqrt(mean.low), sqrt(mean.high)};
}

enum { FIGURE_TEXT = 96 };

/* "3.0 (2.0 to 4.0)"; from too few values for an interval only "3.0". */
static void figure_text(char text[FIGURE_TEXT], figure f, const char *format)
{
  char part[3][FIGURE_TEXT / 4];
  const double values[] = {f.value, f.low, f.high};
  for (size_t i = 0; i < 3; i++)
    snprintf(part[i], sizeof part[i], format, values[i]);
  if (isfinite(f.low) && isfinite(f.high))
    snprintf(text, FIGURE_TEXT, "%s (%s to %s)", part[0], part[1], part[2]);
  else
    snprintf(text, FIGURE_TEXT, "%s", part[0]);
}

static void print_greedy(FILE *stream, const dyno_greedy *g)
{
  figure same = share_of(g->same, g->count);
  char median[FIGURE_TEXT], mean[FIGURE_TEXT];
  figure_text(median, median_of(g->agreed, g->count), "%.0f");
  figure_text(mean, mean_of(g->agreed, g->count), "%.1f");
  fprintf(stream,
          "greedy continuations, tokens before the first that differs (95 %%):\n"
          "  median %s, mean %s of %.1f\n"
          "  %zu of %zu without a difference, %.1f %% (%.1f to %.1f)\n",
          median, mean, (double)g->tokens / (double)g->count, g->same, g->count, 100 * same.value,
          100 * same.low, 100 * same.high);
}

static void print_runs(FILE *stream, size_t same, size_t runs)
{
  figure share = share_of(same, runs);
  fprintf(stream,
          "repeated in passes of other lengths: %zu of %zu runs with the same logits, bit for bit "
          "(95 %%, Wilson: %.0f to %.0f %%)\n",
          same, runs, 100 * share.low, 100 * share.high);
}

static void figure_cell(dyno_table *table, figure f, const char *format)
{
  char text[FIGURE_TEXT];
  figure_text(text, f, format);
  dyno_table_cell(table, "%s", text);
}

static dyno_status print_layers(FILE *stream, const dyno_layer_agreement *a, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"layer", NULL, true},
      {"same experts", "% of tokens", true},
      {"shared", "% of experts", true},
      {"attention", "% off", true},
      {"attention output", "% off", true},
      {"experts", "% off", true},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < a->layers; i++) {
    const dyno_layer_choices *choices = &a->choices[i];
    figure same = share_of(choices->same, choices->tokens);
    dyno_table_cell(table, "%zu", i);
    figure_cell(table, (figure){100 * same.value, 100 * same.low, 100 * same.high}, "%.1f");
    dyno_table_cell(table, "%.2f", 100.0 * (double)choices->shared / (double)choices->choices);
    for (size_t site = 0; site < DYNO_SITE_HEAD; site++) {
      figure off = error_of(&a->errors[i * DYNO_SITE_COUNT + site]);
      figure_cell(table, (figure){100 * off.value, 100 * off.low, 100 * off.high}, "%.2f");
    }
    dyno_table_end_row(table);
  }
  fputs("\nwhat meets the matrices of each layer, with 95 % intervals:\n", stream);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  figure head = error_of(&a->errors[DYNO_SITE_HEAD]);
  char text[FIGURE_TEXT];
  figure_text(text, (figure){100 * head.value, 100 * head.low, 100 * head.high}, "%.2f");
  fprintf(stream, "at the output matrix: %s %% off\n", text);
  return status;
}

static dyno_status print_weights(FILE *stream, const dyno_weight_errors *w, dyno_error *error)
{
  static const dyno_column columns[] = {{"matrix", NULL, false},  {"from", NULL, false},
                                        {"to", NULL, false},      {"RMSE", NULL, true},
                                        {"greatest", NULL, true}, {"SNR", "dB", true}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < w->count; i++) {
    const dyno_weight_error *e = &w->errors[i];
    dyno_table_cell(table, "%s", e->tensor->name);
    dyno_table_cell(table, "%s", dyno_dtype_name(e->from));
    dyno_table_cell(table, "%s", dyno_dtype_name(e->to));
    dyno_table_cell(table, "%.3e", e->rmse);
    dyno_table_cell(table, "%.3e", e->most);
    dyno_table_cell(table, "%.1f", e->snr_decibel);
    dyno_table_end_row(table);
  }
  fputs("\nweights, all of them:\n", stream);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

dyno_status dyno_agreement_print(FILE *stream, const dyno_agreement *agreement, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  if (agreement->greedy.count > 0)
    print_greedy(stream, &agreement->greedy);
  if (agreement->runs > 0)
    print_runs(stream, agreement->same_runs, agreement->runs);
  if (agreement->layers.layers > 0)
    status = print_layers(stream, &agreement->layers, error);
  if (status == DYNO_OK && agreement->weights.count > 0)
    status = print_weights(stream, &agreement->weights, error);
  return status;
}

static json_t *number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *figure_json(figure f)
{
  return json_pack("{s:o, s:[o, o]}", "value", number(f.value), "interval", number(f.low),
                   number(f.high));
}

static json_t *greedy_json(const dyno_greedy *g)
{
  json_t *agreed = json_array();
  for (size_t i = 0; i < g->count; i++)
    json_array_append_new(agreed, json_integer((json_int_t)g->agreed[i]));
  return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "continuations", (json_int_t)g->count,
                   "tokens", (json_int_t)g->tokens, "same",
                   figure_json(share_of(g->same, g->count)), "median",
                   figure_json(median_of(g->agreed, g->count)), "mean",
                   figure_json(mean_of(g->agreed, g->count)), "agreed", agreed);
}

static json_t *layers_json(const dyno_layer_agreement *a)
{
  json_t *layers = json_array();
  for (size_t i = 0; i < a->layers; i++) {
    const dyno_layer_choices *c = &a->choices[i];
    json_t *layer = json_pack("{s:I, s:o, s:o}", "layer", (json_int_t)i, "same_experts",
                              figure_json(share_of(c->same, c->tokens)), "shared_experts",
                              number((double)c->shared / (double)c->choices));
    for (size_t site = 0; site < DYNO_SITE_HEAD; site++)
      json_object_set_new(layer, dyno_layer_site_name((dyno_layer_site)site),
                          figure_json(error_of(&a->errors[i * DYNO_SITE_COUNT + site])));
    json_array_append_new(layers, layer);
  }
  return layers;
}

static json_t *weights_json(const dyno_weight_errors *w)
{
  json_t *matrices = json_array();
  for (size_t i = 0; i < w->count; i++) {
    const dyno_weight_error *e = &w->errors[i];
    json_array_append_new(
        matrices, json_pack("{s:s, s:s, s:s, s:f, s:f, s:o}", "matrix", e->tensor->name, "from",
                            dyno_dtype_name(e->from), "to", dyno_dtype_name(e->to), "rmse", e->rmse,
                            "greatest", e->most, "snr_db", number(e->snr_decibel)));
  }
  return matrices;
}

json_t *dyno_agreement_json(const dyno_agreement *agreement)
{
  json_t *root = json_object();
  if (agreement->greedy.count > 0)
    json_object_set_new(root, "greedy", greedy_json(&agreement->greedy));
  if (agreement->runs > 0)
    json_object_set_new(root, "repeated",
                        json_pack("{s:I, s:I, s:o}", "runs", (json_int_t)agreement->runs, "same",
                                  (json_int_t)agreement->same_runs, "share",
                                  figure_json(share_of(agreement->same_runs, agreement->runs))));
  if (agreement->layers.layers > 0) {
    json_object_set_new(root, "layers", layers_json(&agreement->layers));
    json_object_set_new(root, "head",
                        figure_json(error_of(&agreement->layers.errors[DYNO_SITE_HEAD])));
  }
  if (agreement->weights.count > 0)
    json_object_set_new(root, "weights", weights_json(&agreement->weights));
  return root;
}

void dyno_agreement_free(dyno_agreement *agreement)
{
  dyno_greedy_free(&agreement->greedy);
  dyno_layer_agreement_free(&agreement->layers);
  dyno_weight_errors_free(&agreement->weights);
  *agreement = (dyno_agreement){0};
}
