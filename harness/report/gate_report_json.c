#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "harness/measure/host.h"
#include "harness/report/compare_report.h"
#include "harness/report/gate_report.h"
#include "kernels/base/cpu.h"

static dyno_status write_json(json_t *root, FILE *stream, dyno_error *error)
{
  int result =
      root == NULL ? -1 : json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  json_decref(root);
  if (result != 0 || fputc('\n', stream) == EOF)
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  return DYNO_OK;
}

static json_t *values_json(const double *values, size_t count)
{
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(array, dyno_json_number(values[i]));
  return array;
}

static json_t *series_json(const dyno_gate_run *run, size_t i)
{
  dyno_estimate estimate = {0};
  dyno_estimate_series(&estimate, run->series[i], run->rounds, DYNO_COMPARE_CONFIDENCE, NULL);
  return json_pack(
      "{s:s, s:o, s:o, s:o, s:o}", "name", dyno_gate_series_name(run, i), "estimate",
      dyno_estimate_json(&estimate), "tokens_per_second",
      dyno_json_number(i < run->result.count ? run->result.rows[i].decode_rate[1] : (double)NAN),
      "log_ratios", values_json(run->series[i], run->rounds), "control",
      values_json(run->control[i], run->rounds));
}

dyno_status dyno_gate_report_json(const dyno_gate_report *report, FILE *stream, dyno_error *error)
{
  const dyno_gate_run *run = report->run;
  json_t *series = json_array(), *looks = json_array(), *arms = json_array();
  char host[DYNO_HOST_NAME];
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  dyno_host_name(host);
  for (size_t i = 0; run->rounds > 0 && i < run->count; i++)
    json_array_append_new(series, series_json(run, i));
  for (size_t i = 0; i < DYNO_GATE_LOOKS; i++)
    json_array_append_new(looks,
                          json_pack("{s:I, s:I}", "rounds", (json_int_t)dyno_gate_looks[i].rounds,
                                    "needed", (json_int_t)dyno_gate_looks[i].needed));
  static const char *const labels[] = {"A", "B"};
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && run->rounds > 0; arm++)
    json_array_append_new(arms, dyno_arm_facts_json(&run->comparison.facts[arm], labels[arm],
                                                    report->described[arm]));
  json_t *root = json_pack(
      "{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:b, s:I, s:o, s:{s:f, s:f, s:f, s:o}, s:o, s:o, "
      "s:o}",
      "schema", "dyno.gate/1", "started", report->started, "host", host, "processor", cpu.name,
      "arms", arms, "verdict", dyno_gate_verdict_name(run->verdict), "reason", run->reason, "base",
      report->base, "stored_baseline", report->baseline, "rounds", (json_int_t)run->rounds,
      "seconds", dyno_json_number(run->seconds), "rule", "tolerance", report->rule->tolerance,
      "effect", report->rule->effect, "unfit", report->rule->unfit, "looks", looks, "series",
      series, "outputs", dyno_compare_outputs_json(&run->comparison.outputs), "explanation",
      dyno_explanation_json(&run->comparison.explanation));
  return write_json(root, stream, error);
}

/* "decode/technical_explanation/tps": names that other tools take. */
static void metric_name(char *text, size_t room, const char *before, const char *name,
                        const char *after)
{
  snprintf(text, room, "%s%s%s", before, name, after);
  for (char *at = text; *at != '\0'; at++)
    if (!isalnum((unsigned char)*at) && *at != '/')
      *at = '_';
}

/* Half of the range of the rounds' speeds of arm B, around their median. */
static double spread(const dyno_gate_run *run, size_t series)
{
  const dyno_series *steps = &run->comparison.cases[series].step[1];
  double low = INFINITY, high = 0;
  for (size_t i = 0; i < steps->count; i++) {
    low = fmin(low, 1 / steps->values[i]);
    high = fmax(high, 1 / steps->values[i]);
  }
  return (high - low) / 2;
}

dyno_status dyno_gate_report_benchmark(const dyno_gate_report *report, FILE *stream,
                                       dyno_error *error)
{
  const dyno_gate_run *run = report->run;
  json_t *root = json_array();
  for (size_t i = 0; i < run->comparison.case_count && i < run->result.count; i++) {
    char name[128], range[64], extra[64];
    double rate = run->result.rows[i].decode_rate[1];
    if (!isfinite(rate))
      continue;
    metric_name(name, sizeof name, "decode/", dyno_gate_series_name(run, i), "/tps");
    snprintf(range, sizeof range, "± %.3g", spread(run, i));
    snprintf(extra, sizeof extra, "n=%zu", run->rounds);
    json_array_append_new(root, json_pack("{s:s, s:s, s:f, s:s, s:s}", "name", name, "unit",
                                          "tok/s", "value", rate, "range", range, "extra", extra));
  }
  return write_json(root, stream, error);
}

dyno_status dyno_gate_report_bencher(const dyno_gate_report *report, FILE *stream,
                                     dyno_error *error)
{
  const dyno_gate_run *run = report->run;
  json_t *root = json_object();
  for (size_t i = 0; i < run->comparison.case_count && i < run->result.count; i++) {
    char name[128];
    double rate = run->result.rows[i].decode_rate[1], half = spread(run, i);
    if (!isfinite(rate))
      continue;
    metric_name(name, sizeof name, "decode_", dyno_gate_series_name(run, i), "");
    json_object_set_new(root, name,
                        json_pack("{s:{s:f, s:f, s:f}}", "throughput", "value", rate, "lower_value",
                                  fmax(rate - half, 0), "upper_value", rate + half));
  }
  return write_json(root, stream, error);
}
