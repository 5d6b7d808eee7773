#include "config.h"

#include <jansson.h>
#include <math.h>

#include "harness/report/kernel_report_internal.h"

/* NaN, which JSON does not have, becomes null; so does NULL. */
static json_t *number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value)
{
  return value == NULL ? json_null() : json_string(value);
}

static json_t *seconds_json(const dyno_summary *seconds)
{
  return json_pack("{s:I, s:o, s:o, s:[o, o], s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "samples",
                   (json_int_t)seconds->count, "median", number(seconds->median), "mad",
                   number(seconds->median_deviation), "median_95",
                   number(seconds->median_interval.low), number(seconds->median_interval.high),
                   "minimum", number(seconds->minimum), "maximum", number(seconds->maximum), "mean",
                   number(seconds->mean), "standard_deviation", number(seconds->standard_deviation),
                   "p25", number(seconds->p25), "p75", number(seconds->p75), "p95",
                   number(seconds->p95));
}

static json_t *ceiling_json(double ceiling, const char *by, double reached, double share)
{
  return json_pack("{s:o, s:o, s:o, s:o}", "reached", number(reached), "ceiling", number(ceiling),
                   "by", text(by), "share", number(share));
}

static json_t *counters_json(const dyno_bench_result *result)
{
  static const char *const names[DYNO_BENCH_COUNTERS] = {"instructions", "cycles"};
  json_t *counters = json_object();
  for (size_t i = 0; i < DYNO_BENCH_COUNTERS; i++) {
    const dyno_counter_value *counter = &result->counters[i];
    json_object_set_new(counters, names[i],
                        json_pack("{s:o, s:s}", "per_call",
                                  counter->available ? number(counter->value) : json_null(), "note",
                                  counter->reason));
  }
  return counters;
}

static json_t *row_json(const dyno_report_row *row, bool counters)
{
  const dyno_bench_result *result = &row->result;
  char problem[DYNO_PROBLEM_TEXT];
  dyno_problem_format(problem, &result->problem);
  json_t *object =
      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o}", "label", row->label, "problem", problem,
                "kernel", result->kernel->name, "tier", dyno_isa_name(result->kernel->isa),
                "layout", dyno_report_layout_name(result->kernel), "condition",
                dyno_bench_condition_name(result->condition), "threads", (int)result->threads,
                "seconds", seconds_json(&result->seconds));
  json_t *more = json_pack(
      "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:b, s:o}", "disturbed",
      (json_int_t)result->disturbed, "calls", (json_int_t)result->calls, "rows",
      (json_int_t)result->rows, "rows_measured", (json_int_t)result->rows_measured, "bytes",
      number(dyno_cost_bytes(&result->cost)), "macs", number(result->cost.macs), "working_set",
      number(result->working_set), "huge_pages", number(result->huge_pages), "bytes_per_second",
      ceiling_json(result->read_ceiling, result->read_ceiling_by, result->bytes_per_second,
                   result->read_share),
      "macs_per_second",
      ceiling_json(result->mac_ceiling, result->mac_ceiling_by, result->macs_per_second,
                   result->mac_share),
      "limit", dyno_report_limit_name(result), "fastest", result->fastest, "tied", result->tied,
      "attainment", number(result->attainment));
  json_object_update_missing(object, more);
  json_decref(more);
  if (counters)
    json_object_set_new(object, "counters", counters_json(result));
  return object;
}

static json_t *gap_json(const dyno_report_gap *gap)
{
  char problem[DYNO_PROBLEM_TEXT];
  dyno_problem_format(problem, &gap->problem);
  return json_pack("{s:o, s:s, s:o, s:s}", "kernel",
                   text(gap->kernel == NULL ? NULL : gap->kernel->name), "problem", problem,
                   "condition",
                   text(gap->condition == DYNO_BENCH_CONDITION_COUNT
                            ? NULL
                            : dyno_bench_condition_name(gap->condition)),
                   "reason", gap->reason);
}

static json_t *conditions_json(const dyno_kernel_report *report)
{
  const dyno_cpu *cpu = dyno_registry_cpu(report->registry);
  return json_pack(
      "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:o}", "host", report->host, "started",
      report->started, "cpu", cpu->name, "cpu_tier", dyno_isa_name(cpu->isa), "tier",
      dyno_isa_name(dyno_registry_isa(report->registry)), "threads",
      report->options.threads > 1 ? (int)report->options.threads : 1, "first_cpu", report->cpu,
      "rounds", (int)report->options.rounds, "seed", (json_int_t)report->options.seed,
      "cache_bytes", (json_int_t)report->cache, "seconds", number(report->seconds));
}

dyno_status dyno_kernel_report_json(const dyno_kernel_report *report, FILE *stream,
                                    dyno_error *error)
{
  json_t *results = json_array(), *skipped = json_array();
  int failed = 0;
  for (size_t i = 0; i < report->row_count; i++)
    failed |= json_array_append_new(results, row_json(&report->rows[i], report->options.counters));
  for (size_t i = 0; i < report->gap_count; i++)
    failed |= json_array_append_new(skipped, gap_json(&report->gaps[i]));
  json_t *root =
      json_pack("{s:s, s:s, s:o, s:b, s:o, s:o}", "what", "dyno kernels bench", "version",
                PACKAGE_VERSION, "conditions", conditions_json(report), "interrupted",
                report->interrupted, "results", results, "skipped", skipped);
  failed |= root == NULL || json_dumpf(root, stream, JSON_INDENT(2));
  fputc('\n', stream);
  json_decref(root);
  if (ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write JSON: %m");
  return failed ? dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the JSON") : DYNO_OK;
}
