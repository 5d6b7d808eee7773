/* Formats of what keeps benchmark figures over time: Bencher, github-action-benchmark, and
 * llama.cpp's own. */
#include <math.h>
#include <string.h>

#include "harness/report/export_internal.h"

static const double nanoseconds_per_second = 1e9;

/* What a tracker is told of each case: a metric of the summary under the tracker's name. */
typedef struct tracked {
  const char *metric, *name;
} tracked;

static json_t *bmf_value(const json_t *metric)
{
  double value = dyno_bench_member(metric, "median");
  if (!isfinite(value))
    return NULL;
  const json_t *interval = json_object_get(metric, "median_95");
  double low = dyno_bench_member(interval, "low"), high = dyno_bench_member(interval, "high");
  json_t *object = json_pack("{s:f}", "value", value);
  if (isfinite(low) && isfinite(high)) {
    json_object_set_new(object, "lower_value", json_real(low));
    json_object_set_new(object, "upper_value", json_real(high));
  }
  return object;
}

dyno_status dyno_export_bmf(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  static const tracked measures[] = {
      {"decode_tps", "decode-throughput"},   {"prefill_tps", "prefill-throughput"},
      {"overall_tps", "overall-throughput"}, {"ttft_ns", "time-to-first-token"},
      {"itl_ns", "inter-token-latency"},     {"e2e_ns", "end-to-end-latency"},
  };
  const dyno_bench_manifest *manifest = &folder->results->manifest;
  json_t *root = json_object();
  for (size_t i = 0; i < manifest->case_count; i++) {
    json_t *one = json_object();
    for (size_t j = 0; j < sizeof measures / sizeof *measures; j++) {
      json_t *value = bmf_value(
          dyno_bench_summary_metric(folder->summary, manifest->cases[i].name, measures[j].metric));
      if (value != NULL)
        json_object_set_new(one, measures[j].name, value);
    }
    json_object_set_new(root, manifest->cases[i].name, one);
  }
  return dyno_export_json(stream, root, JSON_INDENT(2), error);
}

static json_t *gha_entry(const char *phase, const char *case_name, const json_t *metric)
{
  char name[512], range[48], extra[96];
  double value = dyno_bench_member(metric, "median");
  const json_t *interval = json_object_get(metric, "median_95");
  double low = dyno_bench_member(interval, "low"), high = dyno_bench_member(interval, "high");
  if (!isfinite(value))
    return NULL;
  snprintf(name, sizeof name, "%s/", phase);
  json_t *full = json_sprintf("%s%s", name, case_name);
  snprintf(extra, sizeof extra, "median, n=%.0f", dyno_bench_member(metric, "count"));
  json_t *entry = json_pack("{s:o, s:s, s:f, s:s}", "name", full, "unit", "tok/s", "value", value,
                            "extra", extra);
  if (isfinite(low) && isfinite(high)) {
    snprintf(range, sizeof range, "± %.3g", fmax(high - value, value - low));
    json_object_set_new(entry, "range", json_string(range));
  }
  return entry;
}

dyno_status dyno_export_gha(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  static const tracked rates[] = {
      {"decode_tps", "decode"}, {"prefill_tps", "prefill"}, {"overall_tps", "overall"}};
  const dyno_bench_manifest *manifest = &folder->results->manifest;
  json_t *root = json_array();
  for (size_t i = 0; i < manifest->case_count; i++)
    for (size_t j = 0; j < sizeof rates / sizeof *rates; j++) {
      const char *name = manifest->cases[i].name;
      json_t *entry = gha_entry(rates[j].name, name,
                                dyno_bench_summary_metric(folder->summary, name, rates[j].metric));
      if (entry != NULL)
        json_array_append_new(root, entry);
    }
  return dyno_export_json(stream, root, JSON_INDENT(2), error);
}

/* ---- llama-bench: a test is so many tokens of a prompt, or so many generated after it ---- */

/* The iterations of one prompt; their times and speeds. */
typedef struct llama_test {
  json_t *times, *speeds;
  double time_sum, time_squares, speed_sum, speed_squares;
  size_t count;
} llama_test;

static void add_to_test(llama_test *test, double nanoseconds, size_t tokens)
{
  double speed = (double)tokens / nanoseconds * nanoseconds_per_second;
  json_array_append_new(test->times, json_integer((json_int_t)llround(nanoseconds)));
  json_array_append_new(test->speeds, json_real(speed));
  test->time_sum += nanoseconds;
  test->time_squares += nanoseconds * nanoseconds;
  test->speed_sum += speed;
  test->speed_squares += speed * speed;
  test->count++;
}

static double deviation(double sum, double squares, size_t count)
{
  double n = (double)count, rest = squares - sum * sum / n;
  return count < 2 || !(rest > 0) ? 0 : sqrt(rest / (n - 1));
}

static const char *or_empty(const char *text)
{
  return text != NULL ? text : "";
}

/* The fields that compare-llama-bench.py needs, of 2025 and of 2026, are there and never null: it
 * joins on them. */
static json_t *llama_line(const dyno_bench_manifest *m, const dyno_bench_case *one,
                          const dyno_bench_prompt *prompt, bool generated, llama_test *test)
{
  const double n = (double)test->count;
  const double batch = isfinite(m->engine.batch) ? m->engine.batch : 0;
  json_t *line = json_pack(
      "{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "build_commit", or_empty(m->dyno.commit),
      "build_number", 0, "cpu_info", dyno_export_fact(m, "processors"), "gpu_info", "", "backends",
      "CPU", "model_filename", or_empty(m->model.path), "model_type", m->model.name, "model_size",
      (json_int_t)(isfinite(m->model.weight_bytes) ? m->model.weight_bytes : 0), "model_n_params",
      (json_int_t)(isfinite(m->model.parameters) ? m->model.parameters : 0));
  json_t *settings = json_pack(
      "{s:I, s:I, s:i, s:s, s:b, s:i, s:s, s:s, s:i, s:s, s:i, s:b, s:b, s:s, s:s, s:b, s:b, s:b, "
      "s:s, s:i, s:i, s:i}",
      "n_batch", (json_int_t)batch, "n_ubatch", (json_int_t)batch, "n_threads",
      (int)m->engine.threads, "cpu_mask", "0x0", "cpu_strict", m->engine.pinned, "poll", 50,
      "type_k", "bf16", "type_v", "bf16", "n_gpu_layers", 0, "split_mode", "none", "main_gpu", 0,
      "no_kv_offload", 1, "flash_attn", 1, "tensor_split", "0.00", "tensor_buft_overrides", "none",
      "use_mmap", 1, "embeddings", 0, "no_op_offload", 0, "load_mode", "auto", "n_cpu_moe", 0,
      "fit_target", 0, "fit_min_ctx", 0);
  json_t *result = json_pack(
      "{s:I, s:I, s:I, s:s, s:I, s:I, s:f, s:f, s:o, s:o, s:s, s:s}", "n_prompt",
      (json_int_t)(generated ? 0 : prompt->prompt_tokens), "n_gen",
      (json_int_t)(generated ? prompt->output_tokens - 1 : 0), "n_depth",
      (json_int_t)(generated ? prompt->prompt_tokens : 0), "test_time", m->started, "avg_ns",
      (json_int_t)llround(test->time_sum / n), "stddev_ns",
      (json_int_t)llround(deviation(test->time_sum, test->time_squares, test->count)), "avg_ts",
      test->speed_sum / n, "stddev_ts",
      deviation(test->speed_sum, test->speed_squares, test->count), "samples_ns", test->times,
      "samples_ts", test->speeds, "dyno_case", one->name, "dyno_prompt", prompt->id);
  *test = (llama_test){0};
  if (line == NULL || settings == NULL || result == NULL ||
      json_object_update(line, settings) != 0 || json_object_update(line, result) != 0) {
    json_decref(line);
    line = NULL;
  }
  json_decref(settings);
  json_decref(result);
  return line;
}

static dyno_status llama_test_of(FILE *stream, const dyno_bench_results *results, size_t case_index,
                                 const dyno_bench_prompt *prompt, bool generated, dyno_error *error)
{
  llama_test test = {.times = json_array(), .speeds = json_array()};
  for (size_t i = 0; i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    if (!dyno_export_is_measured(sample, case_index) || strcmp(sample->prompt, prompt->id) != 0)
      continue;
    double time = generated ? sample->e2e_ns - sample->ttft_ns : sample->prefill_ns;
    size_t tokens = generated ? sample->output_tokens - 1 : sample->prompt_tokens;
    if (tokens > 0 && time > 0)
      add_to_test(&test, time, tokens);
  }
  if (test.count == 0) {
    json_decref(test.times);
    json_decref(test.speeds);
    return DYNO_OK;
  }
  return dyno_export_json(stream,
                          llama_line(&results->manifest, &results->manifest.cases[case_index],
                                     prompt, generated, &test),
                          JSON_COMPACT, error);
}

dyno_status dyno_export_llama_bench(FILE *stream, const dyno_bench_folder *folder,
                                    dyno_error *error)
{
  const dyno_bench_manifest *manifest = &folder->results->manifest;
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < manifest->case_count; i++)
    for (size_t j = 0; j < manifest->cases[i].prompt_count; j++)
      for (int generated = 0; generated <= 1 && status == DYNO_OK; generated++)
        status = llama_test_of(stream, folder->results, i, &manifest->cases[i].prompts[j],
                               generated != 0, error);
  return status;
}
