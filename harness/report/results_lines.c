#include "harness/report/results_lines.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

json_t *dyno_results_number(double number)
{
  if (!isfinite(number))
    return json_null();
  return number == floor(number) && fabs(number) < 0x1p53 ? json_integer((json_int_t)number)
                                                          : json_real(number);
}

void dyno_results_format_hash(char text[DYNO_RESULTS_HASH_TEXT], uint64_t hash)
{
  snprintf(text, DYNO_RESULTS_HASH_TEXT, "%016" PRIx64, hash);
}

static json_t *integer(uint64_t number)
{
  return json_integer((json_int_t)number);
}

/* Appends one line to an array; an array that lacks one is of no use. */
static json_t *with_line(json_t *lines, json_t *line)
{
  if (lines != NULL && line != NULL && json_array_append(lines, line) == 0) {
    json_decref(line);
    return lines;
  }
  json_decref(line);
  json_decref(lines);
  return NULL;
}

static json_t *intervals(const dyno_bench_iteration *times)
{
  json_t *list = json_array();
  for (size_t i = 0; i + 1 < times->output_tokens; i++)
    if (json_array_append_new(list, integer(times->itl_ns[i])) != 0)
      break;
  return list;
}

static int add_disturbances(json_t *line, const dyno_interference *disturbed)
{
  int failed = 0;
  for (dyno_disturbance i = 0; i < DYNO_DISTURBANCE_COUNT; i++)
    if (i != DYNO_CPU_NS)
      failed |= json_object_set_new(
          line, dyno_disturbance_name(i),
          disturbed->value[i] == DYNO_NOT_TOLD ? json_null() : json_integer(disturbed->value[i]));
  return failed;
}

json_t *dyno_results_sample_lines(const dyno_results_sample *sample)
{
  const dyno_bench_iteration *times = sample->times;
  char hash[DYNO_RESULTS_HASH_TEXT];
  dyno_results_format_hash(hash, times->hash);
  json_t *line = json_pack(
      "{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}",
      "case", sample->work->from->name, "prompt", sample->work->prompt->id, "warmup",
      (int)sample->warmup, "iteration", integer(sample->iteration), "sequence",
      integer(sample->sequence), "run", integer(sample->run), "begun_ns", integer(times->begun_ns),
      "prompt_tokens", integer(times->prompt_tokens), "output_tokens",
      integer(times->output_tokens), "tokenize_ns", integer(times->tokenize_ns), "prefill_ns",
      integer(times->prefill_ns), "ttft_ns", integer(times->ttft_ns), "e2e_ns",
      integer(times->e2e_ns), "itl_ns", intervals(times), "sampling_ns",
      integer(times->sampling_ns), "setup_ns", integer(times->setup_ns), "hash", hash);
  json_t *more = json_pack(
      "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "reused_tokens", integer(times->reused_tokens),
      "cpu_ns", integer(times->cpu_ns), "rss_bytes", dyno_results_number(sample->rss_bytes),
      "kv_bytes", integer(times->kv_bytes), "read_one", dyno_results_number(sample->read_one),
      "read_all", dyno_results_number(sample->read_all), "energy_joules",
      dyno_results_number(sample->energy_joules));
  if (line == NULL || more == NULL || json_object_update(line, more) != 0 ||
      add_disturbances(line, sample->disturbed) != 0) {
    json_decref(line);
    line = NULL;
  }
  json_decref(more);
  return with_line(json_array(), line);
}

static json_t *op_line(const char *name, const char *phase, const dyno_profile_row *row)
{
  bool limited = row->limit != DYNO_CEILING_KIND_COUNT;
  return json_pack(
      "{s:s, s:s, s:s, s:s?, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:o}", "case", name, "phase",
      phase, "op", row->op, "kernel", row->kernel != NULL ? row->kernel->name : NULL, "component",
      dyno_bench_component_of(row->op), "calls", integer(row->calls), "threads",
      integer(row->threads), "thread_ns", dyno_results_number(rint(row->seconds * 1e9)),
      "waited_ns", dyno_results_number(rint(row->waited_seconds * 1e9)), "bytes",
      dyno_results_number(row->bytes), "macs", dyno_results_number(row->macs), "limit",
      limited ? dyno_ceiling_kind_name(row->limit) : NULL, "attained",
      dyno_results_number(row->attained));
}

/* Choosing a token is no op of the engine, but a row of the guide's. */
static json_t *choice_line(const char *name, const char *phase, const dyno_bench_ops_phase *ops,
                           size_t calls)
{
  return json_pack("{s:s, s:s, s:s, s:n, s:s, s:o, s:i, s:o, s:i, s:i, s:i, s:n, s:n}", "case",
                   name, "phase", phase, "op", "choose_token", "kernel", "component", "sampling",
                   "calls", integer(calls), "threads", 1, "thread_ns",
                   dyno_results_number(rint(ops->sampling_seconds * 1e9)), "waited_ns", 0, "bytes",
                   0, "macs", 0, "limit", "attained");
}

static json_t *add_phase(json_t *lines, const char *name, const char *phase,
                         const dyno_bench_ops_phase *ops, size_t choices)
{
  if (ops->tokens == 0)
    return lines;
  for (size_t i = 0; i < ops->summary.row_count; i++)
    lines = with_line(lines, op_line(name, phase, &ops->summary.rows[i]));
  return with_line(lines, choice_line(name, phase, ops, choices));
}

static json_t *total_line(const char *name, const char *phase, const dyno_bench_ops_phase *ops)
{
  const dyno_profile_summary *summary = &ops->summary;
  return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "case", name, "phase",
                   phase, "op", "total", "wall_ns",
                   dyno_results_number(rint(summary->wall_seconds * 1e9)), "tokens",
                   integer(ops->tokens), "threads", integer(summary->threads), "probe_share",
                   dyno_results_number(ops->probe_share), "op_thread_ns",
                   dyno_results_number(rint(summary->op_seconds * 1e9)), "barrier_thread_ns",
                   dyno_results_number(rint(summary->barrier_seconds * 1e9)), "between_thread_ns",
                   dyno_results_number(rint(summary->between_seconds * 1e9)));
}

json_t *dyno_results_ops_lines(const char *case_name, const dyno_bench_ops *ops)
{
  json_t *lines = json_array();
  lines = add_phase(lines, case_name, "prefill", &ops->prefill, 1);
  lines = add_phase(lines, case_name, "decode", &ops->decode, ops->decode.tokens);
  if (ops->decode.tokens > 0)
    lines = with_line(lines, total_line(case_name, "decode", &ops->decode));
  return with_line(lines, total_line(case_name, "prefill", &ops->prefill));
}

json_t *dyno_results_text_lines(const dyno_bench_work *work, const dyno_bench_speech *speech)
{
  const char *expected = work->prompt->expected;
  json_t *correct =
      expected != NULL ? json_boolean(dyno_bench_text_has(speech->text, expected)) : json_null();
  return with_line(json_array(),
                   json_pack("{s:s, s:s, s:s, s:o, s:b, s:s?, s:o, s:b}", "case", work->from->name,
                             "prompt", work->prompt->id, "text", speech->text, "tokens",
                             integer(speech->tokens), "ended", (int)speech->ended, "expected",
                             expected, "correct", correct, "repeated", (int)speech->repeated));
}
