#include "harness/report/export.h"

#include <string.h>

#include "harness/report/export_internal.h"

static const dyno_export_format formats[] = {
    {"gbench", "Google Benchmark's JSON: compare.py, Bencher, benchmark dashboards",
     dyno_export_gbench},
    {"bmf", "Bencher Metric Format: bencher run --adapter json", dyno_export_bmf},
    {"gha", "github-action-benchmark, tool customBiggerIsBetter", dyno_export_gha},
    {"pyperf", "pyperf's JSON: python3 -m pyperf stats, compare_to, hist", dyno_export_pyperf},
    {"llama-bench", "llama-bench's JSON lines: llama.cpp's compare-llama-bench.py",
     dyno_export_llama_bench},
    {"junit", "JUnit XML: a test for each case and criterion, for CI systems", dyno_export_junit},
    {"csv", "a row for each iteration, for spreadsheets and data frames", dyno_export_csv},
    {"md", "Markdown: verdict and cases, for $GITHUB_STEP_SUMMARY", dyno_export_markdown},
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

const dyno_export_format *dyno_export_format_at(size_t index)
{
  return index < FORMAT_COUNT ? &formats[index] : NULL;
}

const dyno_export_format *dyno_export_format_find(const char *name)
{
  for (size_t i = 0; i < FORMAT_COUNT; i++)
    if (strcmp(formats[i].name, name) == 0)
      return &formats[i];
  return NULL;
}

dyno_status dyno_export_json(FILE *stream, json_t *value, size_t flags, dyno_error *error)
{
  if (value == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the export");
  int failed = json_dumpf(value, stream, flags | JSON_REAL_PRECISION(DYNO_EXPORT_DIGITS));
  fputc('\n', stream);
  json_decref(value);
  return failed == 0 ? DYNO_OK : dyno_fail(error, DYNO_ERROR_IO, "the export cannot be written");
}

const char *dyno_export_fact(const dyno_bench_manifest *manifest, const char *name)
{
  for (size_t i = 0; i < manifest->fact_count; i++)
    if (strcmp(manifest->environment[i].name, name) == 0)
      return manifest->environment[i].value;
  return "";
}

bool dyno_export_is_measured(const dyno_bench_sample *sample, size_t case_index)
{
  return !sample->warmup && sample->case_index == case_index;
}

void dyno_export_host(char host[DYNO_EXPORT_HOST], const dyno_bench_manifest *manifest)
{
  /* A folder's name is <date>-<time>-<host>-<commit>; a host may have dashes. */
  static const char digits[] = "0123456789TZ";
  const char *start = manifest->id, *end = strrchr(start, '-');
  for (size_t length; (length = strspn(start, digits)) > 0 && start[length] == '-';)
    start += length + 1;
  if (end == NULL || end <= start)
    end = start + strlen(start);
  snprintf(host, DYNO_EXPORT_HOST, "%.*s", (int)(end - start), start);
}
