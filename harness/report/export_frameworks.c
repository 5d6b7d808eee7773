/* Formats of benchmark frameworks: Google Benchmark and pyperf. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/statistics.h"
#include "harness/report/export_internal.h"

static const double nanoseconds_per_second = 1e9;

/* What is exported of an iteration: a time in ns, and how many tokens it is for. */
typedef struct timing {
  const char *name;
  double (*nanoseconds)(const dyno_bench_sample *sample);
  size_t (*tokens)(const dyno_bench_sample *sample);
} timing;

static double prefill_time(const dyno_bench_sample *sample)
{
  return sample->prefill_ns / (double)sample->prompt_tokens;
}

static size_t prefill_tokens(const dyno_bench_sample *sample)
{
  return sample->prompt_tokens;
}

static size_t decode_tokens(const dyno_bench_sample *sample)
{
  return sample->output_tokens - 1;
}

static double first_token_time(const dyno_bench_sample *sample)
{
  return sample->ttft_ns;
}

static size_t one_token(const dyno_bench_sample *sample)
{
  (void)sample;
  return 1;
}

static const timing timings[] = {
    {"decode", dyno_bench_tpot, decode_tokens},
    {"prefill", prefill_time, prefill_tokens},
    {"ttft", first_token_time, one_token},
};
enum { TIMING_COUNT = sizeof timings / sizeof *timings };

/* ---- Google Benchmark ---- */

static json_t *gbench_context(const dyno_bench_manifest *manifest)
{
  char host[DYNO_EXPORT_HOST];
  dyno_export_host(host, manifest);
  return json_pack("{s:s, s:s, s:s, s:I, s:i, s:b, s:[], s:[], s:s, s:i, s:s?, s:s}", "date",
                   manifest->started, "host_name", host, "executable", "dyno", "num_cpus",
                   (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "mhz_per_cpu", 0,
                   "cpu_scaling_enabled", 0, "caches", "load_avg", "library_build_type", "release",
                   "json_schema_version", 1, "dyno_commit", manifest->dyno.commit, "dyno_model",
                   manifest->model.name);
}

static json_t *gbench_entry(const char *phase, const char *case_name, const char *suffix,
                            unsigned threads)
{
  return json_pack(
      "{s:o, s:o, s:I, s:s}", "name", json_sprintf("%s/%s%s", phase, case_name, suffix), "run_name",
      json_sprintf("%s/%s", phase, case_name), "threads", (json_int_t)threads, "time_unit", "ns");
}

/* The processor time of an iteration is known as a whole: a phase gets its share of it. */
static double processor_time(const dyno_bench_sample *sample, double nanoseconds)
{
  return isfinite(sample->cpu_ns) ? nanoseconds * sample->cpu_ns / sample->e2e_ns : nanoseconds;
}

static void gbench_aggregates(json_t *benchmarks, const timing *timed, const char *case_name,
                              const dyno_summary *real, const dyno_summary *processor,
                              unsigned threads)
{
  const struct {
    const char *name, *unit;
    double real, processor;
  } rows[] = {
      {"mean", "time", real->mean, processor->mean},
      {"median", "time", real->median, processor->median},
      {"stddev", "time", real->standard_deviation, processor->standard_deviation},
      {"cv", "percentage", real->variation, processor->variation},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char suffix[16];
    if (!isfinite(rows[i].real) || !isfinite(rows[i].processor))
      continue;
    snprintf(suffix, sizeof suffix, "_%s", rows[i].name);
    json_t *entry = gbench_entry(timed->name, case_name, suffix, threads);
    json_t *rest = json_pack("{s:s, s:I, s:s, s:s, s:I, s:f, s:f}", "run_type", "aggregate",
                             "repetitions", (json_int_t)real->count, "aggregate_name", rows[i].name,
                             "aggregate_unit", rows[i].unit, "iterations", (json_int_t)real->count,
                             "real_time", rows[i].real, "cpu_time", rows[i].processor);
    json_object_update(entry, rest);
    json_decref(rest);
    json_array_append_new(benchmarks, entry);
  }
}

static json_t *gbench_repetition(const timing *timed, const char *case_name,
                                 const dyno_bench_sample *sample, unsigned threads, size_t index)
{
  double time = timed->nanoseconds(sample);
  json_t *entry = gbench_entry(timed->name, case_name, "", threads);
  json_t *rest =
      json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "run_type", "iteration", "repetitions", 0,
                "repetition_index", (json_int_t)index, "iterations",
                (json_int_t)timed->tokens(sample), "real_time", time, "cpu_time",
                processor_time(sample, time), "tokens_per_second", nanoseconds_per_second / time);
  json_object_update(entry, rest);
  json_decref(rest);
  return entry;
}

/* All iterations of a case, and what they add up to. */
static dyno_status gbench_case(json_t *benchmarks, const timing *timed,
                               const dyno_bench_results *results, size_t case_index, double *times,
                               double *processor_times, dyno_error *error)
{
  const char *name = results->manifest.cases[case_index].name;
  const unsigned threads = results->manifest.engine.threads;
  const size_t first = json_array_size(benchmarks);
  size_t count = 0;
  for (size_t i = 0; i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    if (!dyno_export_is_measured(sample, case_index) || !isfinite(timed->nanoseconds(sample)))
      continue;
    times[count] = timed->nanoseconds(sample);
    processor_times[count] = processor_time(sample, times[count]);
    json_array_append_new(benchmarks, gbench_repetition(timed, name, sample, threads, count++));
  }
  for (size_t i = 0; i < count; i++)
    json_object_set_new(json_array_get(benchmarks, first + i), "repetitions",
                        json_integer((json_int_t)count));
  if (count == 0)
    return DYNO_OK;
  dyno_summary real, processor;
  dyno_status status = dyno_summarize(&real, times, count, error);
  if (status == DYNO_OK)
    status = dyno_summarize(&processor, processor_times, count, error);
  if (status == DYNO_OK)
    gbench_aggregates(benchmarks, timed, name, &real, &processor, threads);
  return status;
}

dyno_status dyno_export_gbench(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  const dyno_bench_results *results = folder->results;
  double *times = calloc(2 * results->sample_count + 1, sizeof *times);
  if (times == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the export");
  json_t *benchmarks = json_array();
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < results->manifest.case_count; i++)
    for (size_t j = 0; j < TIMING_COUNT && status == DYNO_OK; j++)
      status = gbench_case(benchmarks, &timings[j], results, i, times,
                           times + results->sample_count, error);
  free(times);
  json_t *root = json_pack("{s:o, s:o}", "context", gbench_context(&results->manifest),
                           "benchmarks", benchmarks);
  if (status == DYNO_OK)
    return dyno_export_json(stream, root, JSON_INDENT(2), error);
  json_decref(root);
  return status;
}

/* ---- pyperf ---- */

static json_t *pyperf_benchmark(const timing *timed, const dyno_bench_results *results,
                                size_t case_index)
{
  json_t *values = json_array(), *warmups = json_array();
  for (size_t i = 0; i < results->sample_count; i++) {
    const dyno_bench_sample *sample = &results->samples[i];
    double seconds = timed->nanoseconds(sample) / nanoseconds_per_second;
    if (sample->case_index != case_index || !(seconds > 0))
      continue;
    if (sample->warmup)
      json_array_append_new(warmups, json_pack("[i, f]", 1, seconds));
    else
      json_array_append_new(values, json_real(seconds));
  }
  if (json_array_size(values) == 0) {
    json_decref(values);
    json_decref(warmups);
    return NULL;
  }
  json_t *run = json_pack("{s:o}", "values", values);
  if (json_array_size(warmups) > 0)
    json_object_set(run, "warmups", warmups);
  json_decref(warmups);
  const dyno_bench_case *one = &results->manifest.cases[case_index];
  return json_pack("{s:{s:o, s:s, s:i}, s:[o]}", "metadata", "name",
                   json_sprintf("%s/%s", timed->name, one->name), "unit", "second", "loops", 1,
                   "runs", run);
}

dyno_status dyno_export_pyperf(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  const dyno_bench_manifest *manifest = &folder->results->manifest;
  json_t *benchmarks = json_array();
  for (size_t i = 0; i < manifest->case_count; i++)
    for (size_t j = 0; j < TIMING_COUNT; j++) {
      json_t *benchmark = pyperf_benchmark(&timings[j], folder->results, i);
      if (benchmark != NULL)
        json_array_append_new(benchmarks, benchmark);
    }
  if (json_array_size(benchmarks) == 0) {
    json_decref(benchmarks);
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "%s: no iteration was measured, and pyperf reads no empty suite",
                     folder->results->folder);
  }
  char host[DYNO_EXPORT_HOST];
  dyno_export_host(host, manifest);
  json_t *root = json_pack("{s:o, s:s, s:{s:s, s:s, s:s?}}", "benchmarks", benchmarks, "version",
                           "1.0", "metadata", "hostname", host, "dyno_model", manifest->model.name,
                           "dyno_commit", manifest->dyno.commit);
  return dyno_export_json(stream, root, JSON_INDENT(2), error);
}
