/* Statistics against numpy and scipy: tests/oracle/statistics/make_goldens.py writes the goldens.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/statistics_bootstrap.h"
#include "harness/measure/statistics_distribution.h"
#include "harness/measure/statistics_outliers.h"
#include "harness/measure/statistics_steady.h"

enum { MOST_VALUES = 300, SAMPLES = 6 };

typedef struct golden {
  json_t *file;
  const json_t *sample;
  const char *name;
  double values[MOST_VALUES], sorted[MOST_VALUES];
  size_t count, replicates;
  uint64_t seed;
} golden;

static void open_golden(golden *with, size_t index)
{
  const char *top = getenv("top_srcdir");
  char path[4096];
  json_error_t error;
  snprintf(path, sizeof path, "%s/tests/oracle/statistics/goldens.json", top == NULL ? "." : top);
  with->file = json_load_file(path, 0, &error);
  cr_assert(with->file != NULL, "%s: %s", path, error.text);
  const json_t *samples = json_object_get(with->file, "samples");
  cr_assert(json_array_size(samples) == SAMPLES);
  with->sample = json_array_get(samples, index);
  with->name = json_string_value(json_object_get(with->sample, "name"));
  with->seed = (uint64_t)json_integer_value(json_object_get(with->file, "seed"));
  with->replicates = (size_t)json_integer_value(json_object_get(with->file, "replicates"));
  const json_t *values = json_object_get(with->sample, "values");
  with->count = json_array_size(values);
  cr_assert(with->count > 0 && with->count <= MOST_VALUES);
  for (size_t i = 0; i < with->count; i++)
    with->values[i] = json_number_value(json_array_get(values, i));
  memcpy(with->sorted, with->values, sizeof with->sorted);
  dyno_sort(with->sorted, with->count);
}

static double wanted_at(const golden *with, const char *field, size_t index)
{
  const json_t *value = json_array_get(json_object_get(with->sample, field), index);
  cr_assert(json_is_number(value), "%s: %s[%zu] is not there", with->name, field, index);
  return json_number_value(value);
}

static double wanted(const golden *with, const char *field)
{
  const json_t *value = json_object_get(with->sample, field);
  cr_assert(json_is_number(value), "%s: %s is not there", with->name, field);
  return json_number_value(value);
}

static void near(const golden *with, const char *what, double got, double want, double tolerance)
{
  cr_assert(fabs(got - want) <= tolerance, "%s, %s: %.17g, not %.17g", with->name, what, got, want);
}

/* Criterion's parameters cannot hold pointers, and loops give less to read when one fails. */
static void for_each_golden(void check(const golden *))
{
  static golden with;
  for (size_t i = 0; i < SAMPLES; i++) {
    open_golden(&with, i);
    check(&with);
    json_decref(with.file);
  }
}

static void check_summary(const golden *with)
{
  dyno_summary summary;
  double mean;
  cr_assert(dyno_summarize(&summary, with->values, with->count, NULL) == DYNO_OK);
  cr_assert(dyno_geometric_mean(&mean, with->values, with->count, NULL) == DYNO_OK);
  double close = 1e-12 * summary.maximum;
  near(with, "mean", summary.mean, wanted(with, "mean"), close);
  near(with, "sd", summary.standard_deviation, wanted(with, "standard_deviation"), close);
  near(with, "variation", summary.variation, wanted(with, "variation"), 1e-12);
  near(with, "geometric mean", mean, wanted(with, "geometric_mean"), close);
  const double quantiles[] = {summary.median, summary.p90, summary.p95, summary.p99};
  for (size_t i = 0; i < 4; i++)
    near(with, "quantile", quantiles[i], wanted_at(with, "quantiles", i), close);
}

Test(statistics_oracle, summaries)
{
  for_each_golden(check_summary);
}

static void check_interval(const golden *with, const char *field, dyno_statistic *statistic,
                           size_t replicates, double share_of_width)
{
  dyno_interval interval;
  cr_assert(dyno_bootstrap_interval(&interval, with->values, with->count, statistic, 0.95,
                                    replicates, with->seed, NULL) == DYNO_OK);
  double low = wanted_at(with, field, 0), high = wanted_at(with, field, 1);
  near(with, "low end", interval.low, low, share_of_width * (high - low));
  near(with, "high end", interval.high, high, share_of_width * (high - low));
}

static void check_bootstrap(const golden *with)
{
  check_interval(with, "mean_95", dyno_mean, with->replicates, 1e-9);
  check_interval(with, "variance_95", dyno_plain_variance, with->replicates, 1e-9);
  /* Other random numbers, so only as near as 9,999 of them let one expect. */
  check_interval(with, "mean_95_scipy", dyno_mean, DYNO_BOOTSTRAP_REPLICATES, 0.05);
}

Test(statistics_oracle, bootstrap_intervals)
{
  for_each_golden(check_bootstrap);
}

static void check_steadiness(const golden *with)
{
  dyno_trend trend;
  const json_t *change = json_object_get(with->sample, "change");
  cr_assert(dyno_judge_steadiness(&trend, with->values, with->count, with->seed, NULL) == DYNO_OK);
  near(with, "slope", trend.slope, wanted(with, "slope"), 1e-12 * with->sorted[with->count - 1]);
  near(with, "p of the trend", trend.drift_p, wanted(with, "trend_p"), 1e-12);
  near(with, "place of the change", (double)trend.change,
       json_number_value(json_object_get(change, "index")), 0);
  near(with, "size of the change", trend.change_size,
       json_number_value(json_object_get(change, "size")), 1e-12);
  near(with, "p of the change", trend.change_p, json_number_value(json_object_get(change, "p")),
       1e-12);
}

Test(statistics_oracle, steadiness)
{
  for_each_golden(check_steadiness);
}

static void check_outliers(const golden *with)
{
  static dyno_outlier outliers[MOST_VALUES];
  cr_assert(dyno_label_outliers(outliers, with->values, with->count, NULL) == DYNO_OK);
  for (size_t i = 0; i < with->count; i++) {
    const char *name = dyno_outlier_name(&outliers[i]);
    const json_t *want = json_array_get(json_object_get(with->sample, "outliers"), i);
    cr_assert(name == NULL ? json_is_null(want) : strcmp(name, json_string_value(want)) == 0,
              "%s: value %zu is %s", with->name, i, name == NULL ? "no outlier" : name);
    near(with, "score", outliers[i].score, wanted_at(with, "scores", i), 1e-9);
  }
}

Test(statistics_oracle, outliers)
{
  for_each_golden(check_outliers);
}

static void check_distribution(const golden *with)
{
  dyno_histogram histogram;
  const json_t *want = json_object_get(with->sample, "histogram");
  const json_t *counts = json_object_get(want, "counts");
  dyno_bin_values(&histogram, with->sorted, with->count);
  near(with, "first bin", histogram.low, json_number_value(json_object_get(want, "low")), 1e-9);
  near(with, "width", histogram.width, json_number_value(json_object_get(want, "width")), 1e-9);
  near(with, "above", (double)histogram.above, json_number_value(json_object_get(want, "above")),
       0);
  near(with, "bins", (double)histogram.bins, (double)json_array_size(counts), 0);
  for (size_t i = 0; i < histogram.bins; i++)
    near(with, "count of a bin", (double)histogram.counts[i],
         json_number_value(json_array_get(counts, i)), 0);
  const json_t *points = json_object_get(with->sample, "ecdf");
  for (size_t i = 0; i < json_array_size(points); i++) {
    const json_t *point = json_array_get(points, i);
    double value = json_number_value(json_array_get(point, 0));
    near(with, "share", dyno_ecdf(with->sorted, with->count, value),
         json_number_value(json_array_get(point, 1)), 1e-15);
  }
}

Test(statistics_oracle, distributions)
{
  for_each_golden(check_distribution);
}
