#include "config.h"

#include "harness/report/results_counters.h"

#include "harness/report/results_lines.h"

static json_t *line_of(const char *case_name, const dyno_bench_count *count, bool last)
{
  const dyno_counter_value *value = &count->value;
  double tokens = (double)count->tokens;
  json_t *line = json_pack(
      "{s:s, s:s, s:s?, s:s, s:o, s:o, s:s, s:o, s:I, s:I}", "case", case_name, "phase",
      count->decode ? "decode" : "prefill", "op", count->op, "counter", count->counter, "value",
      value->available ? dyno_results_number(value->value) : json_null(), "running",
      value->running > 0 ? dyno_results_number(value->running) : json_null(), "reason",
      value->reason, "per_token",
      value->available && tokens > 0 ? dyno_results_number(value->value / tokens) : json_null(),
      "pass", (json_int_t)count->pass, "tokens", (json_int_t)count->tokens);
  if (last && json_object_set_new(line, "last", json_true()) != 0) {
    json_decref(line);
    return NULL;
  }
  return line;
}

json_t *dyno_results_counter_lines(const char *case_name, const dyno_bench_counts *counts)
{
  json_t *lines = json_array();
  for (size_t i = 0; i < counts->count && lines != NULL; i++)
    if (json_array_append_new(lines,
                              line_of(case_name, &counts->rows[i], i + 1 == counts->count)) != 0) {
      json_decref(lines);
      lines = NULL;
    }
  return lines;
}

bool dyno_results_counters_end(const json_t *line)
{
  return json_is_true(json_object_get(line, "last"));
}
