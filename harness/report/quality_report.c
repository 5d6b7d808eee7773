#include "harness/report/quality_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/statistics_bootstrap.h"
#include "harness/report/table.h"
#include "harness/report/units.h"

enum { RANGE_TEXT = 32, CONFIDENCE_PERCENT = 95 };

static const double confidence = CONFIDENCE_PERCENT / 100.0;

static void print_conditions(FILE *stream, const dyno_quality_conditions *c)
{
  fprintf(stream, "%s, %s precision", c->model, c->compared);
  for (unsigned part = 0; part < DYNO_PART_COUNT; part++)
    if ((c->ablated & 1U << part) != 0)
      fprintf(stream, ", without %s", dyno_part_name((dyno_part)part));
  fputs("\n\n", stream);
}

static void range_text(char text[RANGE_TEXT], size_t range, size_t ranges)
{
  size_t start = dyno_quality_range_start(range);
  if (range + 1 == ranges)
    snprintf(text, RANGE_TEXT, "%zu and more", start);
  else
    snprintf(text, RANGE_TEXT, "%zu to %zu", start, dyno_quality_range_start(range + 1) - 1);
}

/* Hits, share and interval. */
static void tally_cells(dyno_table *table, const dyno_tally *tally)
{
  if (tally->count == 0)
    return;
  dyno_interval interval = dyno_proportion_interval(tally->hits, tally->count, confidence);
  dyno_table_cell(table, "%zu/%zu", tally->hits, tally->count);
  dyno_table_cell(table, "%.1f %%", 100.0 * (double)tally->hits / (double)tally->count);
  dyno_table_cell(table, "%.1f to %.1f", 100 * interval.low, 100 * interval.high);
}

static void tally_row(dyno_table *table, const char *name, const char *what,
                      const dyno_tally *tally, const dyno_loss *loss)
{
  if (tally->count == 0)
    return;
  dyno_table_cell(table, "%s", name);
  dyno_table_cell(table, "%s", what);
  tally_cells(table, tally);
  if (loss != NULL)
    dyno_table_cell(table, "%.4f", loss->nats / (double)loss->tokens);
  dyno_table_end_row(table);
}

static dyno_status print_accuracy(FILE *stream, const dyno_quality *quality, dyno_error *error)
{
  static const dyno_column columns[] = {
      {"family", NULL, false},  {"what is right", NULL, false}, {"items", NULL, true},
      {"accuracy", NULL, true}, {"95 %, Wilson", NULL, true},   {"loss", "nats/token", true},
  };
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < quality->family_count; i++) {
    const dyno_quality_family *family = &quality->families[i];
    tally_row(table, family->name, "the answer", &family->exact, &family->answer);
    tally_row(table, "", "its structure", &family->structured, NULL);
  }
  for (size_t i = 0; i < DYNO_QUALITY_DISTANCES; i++) {
    char range[RANGE_TEXT];
    range_text(range, i, DYNO_QUALITY_DISTANCES);
    tally_row(table, "distance", range, &quality->distances[i], NULL);
  }
  tally_row(table, "below 128", "", &quality->near, NULL);
  tally_row(table, "from 128", "", &quality->far, NULL);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

static void loss_row(dyno_table *table, const char *what, const dyno_loss *loss)
{
  if (loss->tokens == 0)
    return;
  dyno_table_cell(table, "%s", what);
  dyno_table_cell(table, "%zu", loss->tokens);
  dyno_table_cell(table, "%.4f", loss->nats / (double)loss->tokens);
  dyno_table_cell(table, "%.4f", dyno_perplexity(loss));
  dyno_table_end_row(table);
}

static dyno_status print_losses(FILE *stream, const dyno_quality *quality, dyno_error *error)
{
  static const dyno_column columns[] = {{"tokens of the conversations", NULL, false},
                                        {"tokens", NULL, true},
                                        {"loss", "nats/token", true},
                                        {"perplexity", NULL, true}};
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  loss_row(table, "answers", &quality->answer);
  loss_row(table, "prompts and answers", &quality->text);
  for (size_t i = 0; i < DYNO_QUALITY_POSITIONS; i++) {
    char range[RANGE_TEXT], text[RANGE_TEXT + 16];
    range_text(range, i, DYNO_QUALITY_POSITIONS);
    snprintf(text, sizeof text, "position %s", range);
    loss_row(table, text, &quality->positions[i]);
  }
  fputc('\n', stream);
  dyno_status status = dyno_table_print(table, stream, 0, error);
  dyno_table_free(&table);
  return status;
}

dyno_status dyno_quality_print(FILE *stream, const dyno_quality_conditions *conditions,
                               const dyno_quality *quality, dyno_error *error)
{
  print_conditions(stream, conditions);
  dyno_status status = print_accuracy(stream, quality, error);
  return status == DYNO_OK ? print_losses(stream, quality, error) : status;
}

enum { REPLICATES = 999 };

static double mean_square(const double *values, size_t count)
{
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += values[i] * values[i];
  return sum / (double)count;
}

/* A figure of the divergence with its interval. */
typedef struct figure {
  double value;
  dyno_interval interval;
} figure;

/* What a statistic of values comes to by a function that grows. */
static figure figure_of(const double *values, size_t count, dyno_statistic *statistic,
                        double (*of)(double))
{
  dyno_error error;
  figure f = {NAN, {NAN, NAN, NAN}};
  if (count == 0 || dyno_bootstrap_interval(&f.interval, values, count, statistic, confidence,
                                            REPLICATES, 1, &error) != DYNO_OK)
    return f;
  f.value = of(statistic(values, count));
  f.interval.low = of(f.interval.low);
  f.interval.high = of(f.interval.high);
  return f;
}

static double itself(double value)
{
  return value;
}

/* Means of KL, of p of the token that follows (as a root of squares) and of its perplexity. */
typedef struct figures {
  figure mean, change, perplexity;
  double p999;
} figures;

static figures figures_of(const dyno_divergence *d)
{
  figures f = {
      .mean = figure_of(d->nats, d->count, dyno_mean, itself),
      .change = figure_of(d->changes, d->followed, mean_square, sqrt),
      .perplexity = figure_of(d->log_ratios, d->followed, dyno_mean, exp),
      .p999 = NAN,
  };
  double *sorted = malloc(d->count * sizeof *sorted);
  if (sorted != NULL) {
    memcpy(sorted, d->nats, d->count * sizeof *sorted);
    dyno_sort(sorted, d->count);
    f.p999 = dyno_quantile(sorted, d->count, 0.999);
  }
  free(sorted);
  return f;
}

dyno_status dyno_divergence_print(FILE *stream, const dyno_quality_conditions *conditions,
                                  const dyno_divergence *divergence, dyno_error *error)
{
  dyno_summary summary;
  dyno_status status = dyno_summarize(&summary, divergence->nats, divergence->count, error);
  if (status != DYNO_OK)
    return status;
  const dyno_tally same = {divergence->same_top, divergence->count};
  dyno_interval interval = dyno_proportion_interval(same.hits, same.count, confidence);
  char mean[DYNO_UNIT_TEXT], median[DYNO_UNIT_TEXT], p99[DYNO_UNIT_TEXT], most[DYNO_UNIT_TEXT];
  dyno_format_number(mean, summary.mean);
  dyno_format_number(median, summary.median);
  dyno_format_number(p99, summary.p99);
  dyno_format_number(most, summary.maximum);
  print_conditions(stream, conditions);
  fprintf(stream,
          "KL divergence from the reference path over %zu positions, nats:\n"
          "  mean %s, median %s, 99 %% %s, greatest %s\n"
          "same likeliest token: %zu of %zu, %.2f %% (95 %%, Wilson: %.2f to %.2f)\n",
          divergence->count, mean, median, p99, most, same.hits, same.count,
          100.0 * (double)same.hits / (double)same.count, 100 * interval.low, 100 * interval.high);
  const figures f = figures_of(divergence);
  fprintf(stream,
          "99.9 %% %.3g; with 95 %% intervals (BCa):\n"
          "  mean %.3g (%.3g to %.3g)\n"
          "  change of the probability of the token that follows, root of the mean square: %.3f %% "
          "(%.3f to %.3f)\n"
          "  perplexity, times the reference's: %.5f (%.5f to %.5f)\n",
          f.p999, f.mean.value, f.mean.interval.low, f.mean.interval.high, 100 * f.change.value,
          100 * f.change.interval.low, 100 * f.change.interval.high, f.perplexity.value,
          f.perplexity.interval.low, f.perplexity.interval.high);
  return DYNO_OK;
}

static json_t *number_json(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *interval_json(const figure *f)
{
  return json_pack("[o, o]", number_json(f->interval.low), number_json(f->interval.high));
}

static json_t *tally_json(const dyno_tally *tally)
{
  dyno_interval interval = dyno_proportion_interval(tally->hits, tally->count, confidence);
  return json_pack("{s:I, s:I, s:o, s:[o, o]}", "hits", (json_int_t)tally->hits, "items",
                   (json_int_t)tally->count, "accuracy",
                   number_json((double)tally->hits / (double)tally->count), "interval",
                   number_json(interval.low), number_json(interval.high));
}

static json_t *loss_json(const dyno_loss *loss)
{
  return json_pack("{s:I, s:o, s:o}", "tokens", (json_int_t)loss->tokens, "loss",
                   number_json(loss->nats / (double)loss->tokens), "perplexity",
                   number_json(dyno_perplexity(loss)));
}

static json_t *conditions_json(const dyno_quality_conditions *c)
{
  json_t *parts = json_array();
  for (unsigned part = 0; part < DYNO_PART_COUNT; part++)
    if ((c->ablated & 1U << part) != 0)
      json_array_append_new(parts, json_string(dyno_part_name((dyno_part)part)));
  return json_pack("{s:s, s:s, s:o}", "model", c->model, "precision", c->compared, "ablated",
                   parts);
}

/* An entry with where its range begins; ranges without tokens are left out. */
static void add_range(json_t *array, json_t *entry, size_t range)
{
  json_object_set_new(entry, "from", json_integer((json_int_t)dyno_quality_range_start(range)));
  json_array_append_new(array, entry);
}

json_t *dyno_quality_json(const dyno_quality_conditions *conditions, const dyno_quality *quality)
{
  json_t *root = conditions_json(conditions), *families = json_object();
  json_t *distances = json_array(), *positions = json_array();
  for (size_t i = 0; i < quality->family_count; i++) {
    const dyno_quality_family *family = &quality->families[i];
    json_t *entry = json_pack("{s:o, s:o}", "exact", tally_json(&family->exact), "answers",
                              loss_json(&family->answer));
    if (family->structured.count > 0)
      json_object_set_new(entry, "structured", tally_json(&family->structured));
    json_object_set_new(families, family->name, entry);
  }
  for (size_t i = 0; i < DYNO_QUALITY_DISTANCES; i++)
    if (quality->distances[i].count > 0)
      add_range(distances, tally_json(&quality->distances[i]), i);
  for (size_t i = 0; i < DYNO_QUALITY_POSITIONS; i++)
    if (quality->positions[i].tokens > 0)
      add_range(positions, loss_json(&quality->positions[i]), i);
  json_object_set_new(root, "interval_method", json_string("Wilson, 95 %"));
  json_object_set_new(root, "families", families);
  json_object_set_new(root, "distances", distances);
  if (quality->near.count > 0)
    json_object_set_new(root, "below_128", tally_json(&quality->near));
  if (quality->far.count > 0)
    json_object_set_new(root, "from_128", tally_json(&quality->far));
  json_object_set_new(root, "answers", loss_json(&quality->answer));
  json_object_set_new(root, "text", loss_json(&quality->text));
  json_object_set_new(root, "positions", positions);
  return root;
}

json_t *dyno_divergence_json(const dyno_quality_conditions *conditions,
                             const dyno_divergence *divergence)
{
  dyno_summary summary;
  dyno_error error;
  json_t *root = conditions_json(conditions);
  if (dyno_summarize(&summary, divergence->nats, divergence->count, &error) != DYNO_OK)
    return root;
  const dyno_tally same = {divergence->same_top, divergence->count};
  json_object_set_new(root, "divergence",
                      json_pack("{s:I, s:f, s:f, s:f, s:f, s:o}", "positions",
                                (json_int_t)divergence->count, "mean", summary.mean, "median",
                                summary.median, "p99", summary.p99, "greatest", summary.maximum,
                                "same_top", tally_json(&same)));
  const figures f = figures_of(divergence);
  json_t *more = json_object_get(root, "divergence");
  json_object_set_new(more, "p999", number_json(f.p999));
  json_object_set_new(more, "mean_interval", interval_json(&f.mean));
  json_object_set_new(more, "rms_change_of_probability", number_json(f.change.value));
  json_object_set_new(more, "rms_change_interval", interval_json(&f.change));
  json_object_set_new(more, "perplexity_ratio", number_json(f.perplexity.value));
  json_object_set_new(more, "perplexity_ratio_interval", interval_json(&f.perplexity));
  return root;
}

void dyno_quality_print_failures(FILE *stream, const dyno_quality *quality, const dyno_items *items,
                                 size_t most)
{
  const char *family = "";
  size_t shown = 0;
  for (size_t i = 0; i < items->count; i++) {
    const dyno_item *item = &items->items[i];
    const dyno_answer *answer = &quality->answers[i];
    if (strcmp(family, item->family) != 0)
      shown = 0;
    family = item->family;
    bool wrong = item->rule != NULL ? !answer->structured : !answer->exact;
    if (!wrong || shown++ >= most)
      continue;
    fprintf(stream, "\n%s: %s\n  right: %s\n  said:  %s\n", item->family, item->prompt,
            item->answer, answer->said != NULL ? answer->said : item->answer);
    if (answer->why[0] != '\0')
      fprintf(stream, "  (%s)\n", answer->why);
  }
}
