#include <math.h>

#include "harness/report/compare_report.h"

json_t *dyno_json_number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(size_t value)
{
  return json_integer((json_int_t)value);
}

json_t *dyno_estimate_json(const dyno_estimate *estimate)
{
  if (estimate->rounds == 0)
    return json_null();
  return json_pack(
      "{s:o, s:o, s:[o, o], s:o, s:o, s:o}", "rounds", count(estimate->rounds), "ratio",
      dyno_json_number(estimate->ratio), "interval_95", dyno_json_number(estimate->interval.low),
      dyno_json_number(estimate->interval.high), "coverage",
      dyno_json_number(estimate->interval.coverage), "round_sigma",
      dyno_json_number(estimate->sigma), "detectable", dyno_json_number(estimate->detectable));
}

json_t *dyno_compare_outputs_json(const dyno_compare_outputs *outputs)
{
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:[o, o]}", "positions",
                   count(outputs->positions), "other_token", count(outputs->other_token),
                   "mean_kl_nats", dyno_json_number(outputs->mean_nats), "largest_kl_nats",
                   dyno_json_number(outputs->largest_nats), "largest_logit_difference",
                   dyno_json_number(outputs->largest_difference), "not_finite",
                   count(outputs->not_finite), "unsteady", count(outputs->unsteady[0]),
                   count(outputs->unsteady[1]));
}

json_t *dyno_arm_facts_json(const dyno_arm_facts *facts, const char *label, const char *described)
{
  return json_pack(
      "{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
      "arm", label, "asked_for", described, "version", facts->version, "commit", facts->commit,
      "dirty", (int)facts->dirty, "switches", facts->switches, "model", facts->model, "tier",
      facts->tier, "pool", facts->pool, "threads", (int)facts->threads, "batch",
      count(facts->batch), "file_bytes", dyno_json_number(facts->file_bytes), "packed_bytes",
      dyno_json_number(facts->packed_bytes), "shared_bytes", dyno_json_number(facts->shared_bytes),
      "kv_bytes", dyno_json_number(facts->kv_bytes), "peak_memory_bytes",
      dyno_json_number(facts->peak_memory), "slowdown", dyno_json_number(facts->slowdown));
}

json_t *dyno_explanation_json(const dyno_explanation *e)
{
  json_t *ops = json_array();
  if (e->passes == 0) {
    json_decref(ops);
    return json_null();
  }
  for (size_t i = 0; i < e->count; i++) {
    const dyno_op_delta *op = &e->ops[i];
    json_array_append_new(
        ops, json_pack("{s:s, s:[s, s], s:[o, o], s:[o, o], s:o, s:o, s:b}", "op", op->op,
                       "kernels", op->kernel[0], op->kernel[1], "seconds_per_token",
                       dyno_json_number(op->seconds[0]), dyno_json_number(op->seconds[1]),
                       "bytes_per_token", dyno_json_number(op->bytes[0]),
                       dyno_json_number(op->bytes[1]), "delta_seconds", dyno_json_number(op->delta),
                       "share", dyno_json_number(op->share), "passes_agree", op->sure));
  }
  return json_pack("{s:b, s:s, s:o, s:[o, o], s:o, s:o}", "abstained", e->abstained, "reason",
                   e->reason, "passes", count(e->passes), "seconds_per_token",
                   dyno_json_number(e->seconds[0]), dyno_json_number(e->seconds[1]),
                   "delta_seconds", dyno_json_number(e->delta), "ops", ops);
}

static json_t *series_json(const dyno_series *series)
{
  json_t *array = json_array();
  for (size_t i = 0; i < series->count; i++)
    json_array_append_new(array, dyno_json_number(series->values[i]));
  return array;
}

static json_t *row_json(const dyno_compare_report *report, size_t index)
{
  const dyno_compare_row *row = &report->result->rows[index];
  const dyno_comparison *c = report->comparison;
  bool mean = index == c->case_count;
  const dyno_series *decode = mean ? &c->decode : &c->cases[index].decode;
  const dyno_series *control = mean ? &c->control : &c->cases[index].control;
  json_t *object =
      json_pack("{s:s, s:o, s:o, s:o, s:[o, o], s:[o, o], s:{s:o, s:o}}", "name", row->name,
                "decode", dyno_estimate_json(&row->decode), "prefill",
                dyno_estimate_json(&row->prefill), "control", dyno_estimate_json(&row->control),
                "decode_tokens_per_second", dyno_json_number(row->decode_rate[0]),
                dyno_json_number(row->decode_rate[1]), "prefill_tokens_per_second",
                dyno_json_number(row->prefill_rate[0]), dyno_json_number(row->prefill_rate[1]),
                "log_ratios", "decode", series_json(decode), "control", series_json(control));
  if (!mean && object != NULL) {
    const dyno_compare_workload *workload = c->cases[index].workload;
    json_object_set_new(object, "prompt_tokens", count(workload->prompt));
    json_object_set_new(object, "decode_tokens", count(workload->steps));
    json_object_set_new(object, "outputs", dyno_compare_outputs_json(&c->cases[index].outputs));
  }
  return object;
}

json_t *dyno_compare_json(const dyno_compare_report *report)
{
  const dyno_comparison *c = report->comparison;
  json_t *rows = json_array(), *arms = json_array();
  static const char *const labels[] = {"A", "B"};
  for (size_t i = 0; i < report->result->count; i++)
    json_array_append_new(rows, row_json(report, i));
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    json_array_append_new(arms,
                          dyno_arm_facts_json(&c->facts[arm], labels[arm], report->described[arm]));
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
                   "dyno.compare/1", "verdict", dyno_compare_verdict_name(report->result->verdict),
                   "reason", report->result->reason, "host", report->host, "arms", arms, "rounds",
                   count(c->rounds), "restarts", count(c->restarts), "seconds",
                   dyno_json_number(c->seconds), "seed", json_integer((json_int_t)c->options.seed),
                   "rows", rows, "outputs", dyno_compare_outputs_json(&c->outputs), "explanation",
                   dyno_explanation_json(&c->explanation));
}

dyno_status dyno_compare_report_json(const dyno_compare_report *report, FILE *stream,
                                     dyno_error *error)
{
  json_t *root = dyno_compare_json(report);
  int result =
      root == NULL ? -1 : json_dumpf(root, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  json_decref(root);
  if (result != 0 || fputc('\n', stream) == EOF)
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the report: %m");
  return DYNO_OK;
}
