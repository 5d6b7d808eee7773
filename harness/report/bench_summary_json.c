/* summary.json, as docs/results-format.md states it. */
#include <jansson.h>
#include <math.h>

#include "harness/report/bench_report_internal.h"

/* NaN, which JSON does not have, becomes null; whole numbers are written as such. */
static json_t *number(double value)
{
  if (!isfinite(value))
    return json_null();
  return value == floor(value) && fabs(value) < 0x1p53 ? json_integer((json_int_t)value)
                                                       : json_real(value);
}

static json_t *answer_json(dyno_bench_answer answer)
{
  return answer == DYNO_BENCH_UNKNOWN ? json_null() : json_boolean(answer == DYNO_BENCH_YES);
}

static json_t *interval_json(const dyno_interval *interval)
{
  if (isnan(interval->low))
    return json_null();
  return json_pack("{s:o, s:o, s:o}", "low", number(interval->low), "high", number(interval->high),
                   "coverage", number(interval->coverage));
}

/* Metrics */

static json_t *list_json(const double *values, size_t count)
{
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, number(values[i]));
  return list;
}

static json_t *histogram_json(const double *sorted, size_t count)
{
  dyno_histogram histogram;
  json_t *counts = json_array();
  dyno_bin_values(&histogram, sorted, count);
  for (size_t i = 0; i < histogram.bins; i++)
    json_array_append_new(counts, json_integer((json_int_t)histogram.counts[i]));
  return json_pack("{s:o, s:o, s:o, s:I}", "low", number(histogram.low), "width",
                   number(histogram.width), "counts", counts, "above", (json_int_t)histogram.above);
}

static json_t *ecdf_json(const double *sorted, size_t count)
{
  dyno_ecdf_point points[DYNO_ECDF_MOST_POINTS];
  size_t found = dyno_ecdf_points(points, sorted, count);
  json_t *list = json_array();
  for (size_t i = 0; i < found; i++)
    json_array_append_new(list,
                          json_pack("[o, o]", number(points[i].value), number(points[i].share)));
  return list;
}

static json_t *values_json(const dyno_bench_values *values, dyno_bench_metric metric,
                           bool with_values)
{
  const dyno_summary *s = &values->summary;
  if (values->count == 0)
    return json_null();
  json_t *json =
      json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count",
                (json_int_t)s->count, "mean", number(s->mean), "median", number(s->median),
                "standard_deviation", number(s->standard_deviation), "variation",
                number(s->variation), "minimum", number(s->minimum), "maximum", number(s->maximum),
                "p50", number(s->median), "p90", number(s->p90), "p95", number(s->p95), "p99",
                number(s->p99), "mean_95", interval_json(&values->mean_95), "median_95",
                metric == DYNO_BENCH_ITL ? json_null() : interval_json(&s->median_interval));
  if (metric == DYNO_BENCH_ITL) {
    json_object_set_new(json, "histogram", histogram_json(values->values, values->count));
    json_object_set_new(json, "ecdf", ecdf_json(values->values, values->count));
  } else if (with_values) {
    json_object_set_new(json, "values", list_json(values->values, values->count));
  }
  return json;
}

static json_t *metrics_json(const dyno_bench_case_summary *summary, bool with_values)
{
  json_t *json = json_object();
  for (dyno_bench_metric metric = 0; metric < DYNO_BENCH_METRIC_COUNT; metric++)
    json_object_set_new(json, dyno_bench_metric_name(metric),
                        values_json(&summary->metrics[metric], metric, with_values));
  return json;
}

/* Cases */

static json_t *beside_json(const dyno_bench_sample *sample)
{
  return json_pack(
      "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "steal_ns", number(sample->steal_ns),
      "pressure_cpu_ns", number(sample->pressure_cpu_ns), "pressure_memory_ns",
      number(sample->pressure_memory_ns), "pressure_io_ns", number(sample->pressure_io_ns),
      "voluntary_switches", number(sample->voluntary_switches), "involuntary_switches",
      number(sample->involuntary_switches), "major_faults", number(sample->major_faults));
}

static json_t *outliers_json(const dyno_bench_case_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < summary->outlier_count; i++) {
    const dyno_bench_outlier *outlier = &summary->outliers[i];
    json_array_append_new(list, json_pack("{s:I, s:s, s:o, s:s, s:s, s:o}", "iteration",
                                          (json_int_t)outlier->sample->iteration, "metric",
                                          dyno_bench_metric_name(outlier->metric), "value",
                                          number(outlier->value), "label", outlier->label, "prompt",
                                          outlier->sample->prompt, "beside",
                                          beside_json(outlier->sample)));
  }
  return list;
}

static json_t *steady_json(const dyno_bench_case_summary *summary)
{
  char reason[DYNO_BENCH_STEADY_TEXT];
  const dyno_trend *trend = &summary->steady;
  dyno_bench_describe_steadiness(reason, summary);
  return json_pack(
      "{s:s, s:{s:o, s:o, s:o}, s:o, s:b, s:s}", "verdict", dyno_steadiness_name(trend->verdict),
      "slope", "per_iteration", number(trend->slope), "drift", number(trend->drift), "p",
      number(isnan(trend->drift) ? NAN : trend->drift_p), "change_point",
      trend->change == 0
          ? json_null()
          : json_pack("{s:I, s:o, s:o}", "iteration", (json_int_t)trend->change, "size",
                      number(trend->change_size), "p", number(trend->change_p)),
      "by_prompt", (int)summary->steady_by_prompt, "reason", reason);
}

static json_t *case_json(const dyno_bench_case *about, const dyno_bench_case_summary *summary)
{
  return json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I}}", "name", about->name,
                   "title", about->title, "iterations", (json_int_t)summary->measured, "metrics",
                   metrics_json(summary, true), "outliers", outliers_json(summary), "steady",
                   steady_json(summary), "hashes_equal", answer_json(summary->hashes_equal),
                   "repeated", answer_json(summary->repeated), "correct", "hits",
                   (json_int_t)summary->hits, "count", (json_int_t)summary->asked);
}

static json_t *cases_json(const dyno_bench_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < summary->results->manifest.case_count; i++)
    json_array_append_new(list,
                          case_json(&summary->results->manifest.cases[i], &summary->cases[i]));
  return list;
}

static json_t *overall_json(const dyno_bench_summary *summary)
{
  json_t *means = json_object();
  for (dyno_bench_metric metric = 0; metric < DYNO_BENCH_METRIC_COUNT; metric++)
    json_object_set_new(means, dyno_bench_metric_name(metric), number(summary->geometric[metric]));
  return json_pack("{s:I, s:o, s:o, s:o, s:{s:I, s:I}}", "iterations",
                   (json_int_t)summary->overall.measured, "metrics",
                   metrics_json(&summary->overall, false), "geometric_means", means, "hashes_equal",
                   answer_json(summary->overall.hashes_equal), "correct", "hits",
                   (json_int_t)summary->overall.hits, "count", (json_int_t)summary->overall.asked);
}

/* Tables */

static json_t *components_json(const dyno_bench_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < DYNO_BENCH_COMPONENT_ROWS; i++) {
    const dyno_bench_component_row *row = &summary->components[i];
    json_array_append_new(
        list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "component", row->component, "tps",
                        number(row->tps), "prefill_tps", number(row->prefill_tps), "guide_baseline",
                        number(row->guide_baseline), "guide_optimized",
                        number(row->guide_optimized), "share", number(row->share)));
  }
  return list;
}

static json_t *memory_json(const dyno_bench_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < DYNO_BENCH_MEMORY_ROWS; i++) {
    const dyno_bench_memory_row *row = &summary->memory[i];
    json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "component", row->component,
                                          "peak_bytes", number(row->peak), "average_bytes",
                                          number(round(row->average)), "guide_baseline_bytes",
                                          number(row->guide_baseline), "guide_optimized_bytes",
                                          number(row->guide_optimized)));
  }
  return list;
}

static json_t *latency_json(const dyno_bench_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < DYNO_BENCH_LATENCY_ROWS; i++) {
    const dyno_bench_latency_row *row = &summary->latency[i];
    json_array_append_new(list,
                          json_pack("{s:s, s:o, s:o, s:o, s:o}", "phase", row->phase, "median_ns",
                                    number(row->median), "share", number(row->share), "guide_ns",
                                    number(row->guide), "guide_share", number(row->guide_share)));
  }
  return list;
}

static json_t *roofline_json(const dyno_bench_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < summary->roof_count; i++) {
    const dyno_bench_roof_point *point = &summary->roofline[i];
    const char *name = summary->results->manifest.cases[point->op->case_index].name;
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:s?}", "case",
                                          name, "phase", dyno_bench_phase_name(point->op->phase),
                                          "op", point->op->op, "kernel", point->op->kernel,
                                          "intensity", number(point->intensity), "macs_per_second",
                                          number(point->macs_per_second), "bytes_per_second",
                                          number(point->bytes_per_second), "attained",
                                          number(point->op->attained), "limit", point->op->limit));
  }
  return list;
}

static json_t *verdict_json(const dyno_bench_summary *summary)
{
  json_t *list = json_array();
  for (size_t i = 0; i < DYNO_BENCH_VERDICTS; i++) {
    const dyno_bench_verdict *verdict = &summary->verdicts[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:b, s:s, s:o}", "criterion",
                                          verdict->criterion, "wanted", verdict->wanted, "measured",
                                          number(verdict->measured), "holds",
                                          answer_json(verdict->holds), "projection",
                                          (int)verdict->projected, "reason", verdict->reason,
                                          "needed_bandwidth", number(verdict->needed_bandwidth)));
  }
  return list;
}

static json_t *projection_json(const dyno_bench_summary *summary)
{
  const dyno_bench_projection *from = &summary->projection;
  json_t *machines = json_array();
  for (size_t i = 0; i < from->machine_count; i++) {
    const dyno_bench_machine *machine = &from->machines[i];
    json_array_append_new(machines, json_pack("{s:s, s:o, s:o, s:o}", "name", machine->name,
                                              "peak_bandwidth", number(machine->peak_bandwidth),
                                              "read_bandwidth", number(machine->read_bandwidth),
                                              "decode_tps", number(machine->decode_tps)));
  }
  return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:b, s:s, s:o}", "label",
                   "a projection, not a measurement", "model", "gpt-oss-20b", "bytes_per_token",
                   number(from->bytes_per_token), "macs_per_token", number(from->macs_per_token),
                   "bytes_measured", (int)from->bytes_measured, "read_share",
                   number(from->read_share), "share_measured", (int)from->share_measured,
                   "assumptions", DYNO_BENCH_ASSUMPTIONS, "machines", machines);
}

dyno_status dyno_bench_write_json(const dyno_bench_summary *summary, FILE *stream,
                                  dyno_error *error)
{
  json_t *json = json_pack(
      "{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:I, s:o, s:b}, "
      "s:o, s:o}",
      "schema", DYNO_BENCH_SUMMARY_SCHEMA, "id", summary->results->manifest.id, "complete",
      (int)summary->complete, "cases", cases_json(summary), "overall", overall_json(summary),
      "components", components_json(summary), "memory", memory_json(summary), "fragmentation",
      json_pack("{s:o, s:o}", "average", number(summary->fragmentation), "peak",
                number(summary->largest_fragmentation)),
      "latency", latency_json(summary), "roofline", roofline_json(summary), "decode",
      "bytes_per_token", number(summary->decode_bytes_per_token), "macs_per_token",
      number(summary->decode_macs_per_token), "of_read", number(summary->decode_of_read),
      "of_read_count", (json_int_t)summary->decode_of_read_count, "read_bandwidth",
      number(summary->read_bandwidth), "cached", (int)summary->cached, "verdict",
      verdict_json(summary), "projection", projection_json(summary));
  if (json == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for summary.json");
  int failed =
      json_dumpf(json, stream, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
  json_decref(json);
  if (failed || putc('\n', stream) == EOF)
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write summary.json: %m");
  return DYNO_OK;
}
