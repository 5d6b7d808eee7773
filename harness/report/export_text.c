/* Formats of text: JUnit XML, CSV, Markdown. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/csv.h"
#include "harness/report/export_internal.h"
#include "harness/report/markup.h"
#include "harness/report/units.h"

static const double nanoseconds_per_second = 1e9;

/* ---- JUnit ----
 * The attributes and the order of elements that Jenkins' junit-10.xsd and Maven's
 * surefire-test-report.xsd both allow. */

static double case_seconds(const dyno_bench_results *results, size_t case_index)
{
  double seconds = 0;
  for (size_t i = 0; i < results->sample_count; i++)
    if (dyno_export_is_measured(&results->samples[i], case_index))
      seconds += results->samples[i].e2e_ns / nanoseconds_per_second;
  return seconds;
}

static void attribute(FILE *stream, const char *name, const char *text)
{
  fprintf(stream, " %s=\"", name);
  dyno_markup_text(stream, text);
  fputc('"', stream);
}

static void failure(FILE *stream, const char *type, const char *message)
{
  fputs("      <failure", stream);
  attribute(stream, "type", type);
  attribute(stream, "message", message);
  fputs("></failure>\n", stream);
}

typedef struct junit_counts {
  unsigned tests, failures, skipped;
} junit_counts;

static void figure_line(FILE *stream, const json_t *summary, const char *name, const char *metric)
{
  const json_t *found = dyno_bench_summary_metric(summary, name, metric);
  double median = dyno_bench_member(found, "median");
  if (isfinite(median))
    fprintf(stream, "%s: median %.6g, n = %.0f\n", metric, median,
            dyno_bench_member(found, "count"));
}

static void junit_case(FILE *stream, junit_counts *counts, const dyno_bench_folder *folder,
                       size_t index)
{
  static const char *const metrics[] = {"decode_tps", "prefill_tps", "ttft_ns"};
  const char *name = folder->results->manifest.cases[index].name;
  const json_t *one = dyno_bench_summary_case(folder->summary, name);
  const double seconds = case_seconds(folder->results, index);
  counts->tests++;
  fputs("    <testcase", stream);
  attribute(stream, "name", name);
  fprintf(stream, " classname=\"dyno.bench.case\" time=\"%.6f\">\n", seconds);
  if (!(seconds > 0)) {
    counts->skipped++;
    fputs("      <skipped/>\n", stream);
  } else if (json_is_false(json_object_get(one, "hashes_equal"))) {
    counts->failures++;
    failure(stream, "wrong output", "iterations of the same prompt gave different outputs");
  }
  fputs("      <system-out>", stream);
  for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
    figure_line(stream, folder->summary, name, metrics[i]);
  fputs("</system-out>\n    </testcase>\n", stream);
}

static void junit_criterion(FILE *stream, junit_counts *counts, const json_t *criterion)
{
  const json_t *holds = json_object_get(criterion, "holds");
  const char *reason = dyno_bench_member_text(criterion, "reason");
  counts->tests++;
  fputs("    <testcase", stream);
  attribute(stream, "name", dyno_bench_member_text(criterion, "criterion"));
  fputs(" classname=\"dyno.bench.criterion\" time=\"0\">\n", stream);
  if (json_is_false(holds)) {
    counts->failures++;
    failure(stream, "criterion", reason);
  } else if (!json_is_true(holds)) {
    counts->skipped++;
    fputs("      <skipped/>\n", stream);
  }
  fputs("      <system-out>", stream);
  dyno_markup_text(stream, reason);
  fputs("</system-out>\n    </testcase>\n", stream);
}

static void property(FILE *stream, const char *name, const char *value)
{
  fputs("      <property", stream);
  attribute(stream, "name", name);
  attribute(stream, "value", value != NULL ? value : "");
  fputs("/>\n", stream);
}

/* The body goes to memory first: the head counts what is in it. */
dyno_status dyno_export_junit(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  const dyno_bench_manifest *m = &folder->results->manifest;
  const json_t *verdict = json_object_get(folder->summary, "verdict");
  junit_counts counts = {0};
  char *body = NULL;
  size_t bytes = 0;
  double seconds = 0;
  FILE *memory = open_memstream(&body, &bytes);
  if (memory == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the export");
  for (size_t i = 0; i < m->case_count; i++) {
    junit_case(memory, &counts, folder, i);
    seconds += case_seconds(folder->results, i);
  }
  for (size_t i = 0; i < json_array_size(verdict); i++)
    junit_criterion(memory, &counts, json_array_get(verdict, i));
  if (fclose(memory) != 0) {
    free(body);
    return dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the export");
  }
  fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", stream);
  attribute(stream, "name", m->model.name);
  fprintf(stream, " tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\" time=\"%.6f\"",
          counts.tests, counts.failures, counts.skipped, seconds);
  /* The schemas want a time without a zone. */
  fprintf(stream, " timestamp=\"%.19s\">\n    <properties>\n", m->started);
  property(stream, "id", m->id);
  property(stream, "commit", m->dyno.commit);
  property(stream, "tier", m->engine.tier);
  property(stream, "profile", m->protocol.profile);
  fprintf(stream, "      <property name=\"threads\" value=\"%u\"/>\n    </properties>\n",
          m->engine.threads);
  fwrite(body, 1, bytes, stream);
  fputs("  </testsuite>\n</testsuites>\n", stream);
  free(body);
  return DYNO_OK;
}

/* ---- CSV ---- */

static const char *const csv_columns[] = {"case",
                                          "prompt",
                                          "warmup",
                                          "iteration",
                                          "sequence",
                                          "run",
                                          "begun_ns",
                                          "prompt_tokens",
                                          "output_tokens",
                                          "prefill_tps",
                                          "decode_tps",
                                          "overall_tps",
                                          "ttft_ns",
                                          "tpot_ns",
                                          "e2e_ns",
                                          "tokenize_ns",
                                          "prefill_ns",
                                          "sampling_ns",
                                          "setup_ns",
                                          "cpu_ns",
                                          "steal_ns",
                                          "pressure_cpu_ns",
                                          "pressure_memory_ns",
                                          "pressure_io_ns",
                                          "minor_faults",
                                          "major_faults",
                                          "voluntary_switches",
                                          "involuntary_switches",
                                          "rss_bytes",
                                          "kv_bytes",
                                          "energy_joules",
                                          "hash"};

static void csv_row(dyno_csv *csv, const dyno_bench_manifest *m, const dyno_bench_sample *s)
{
  const double numbers[] = {dyno_bench_prefill_rate(s),
                            dyno_bench_decode_rate(s),
                            dyno_bench_overall_rate(s),
                            s->ttft_ns,
                            dyno_bench_tpot(s),
                            s->e2e_ns,
                            s->tokenize_ns,
                            s->prefill_ns,
                            s->sampling_ns,
                            s->setup_ns,
                            s->cpu_ns,
                            s->steal_ns,
                            s->pressure_cpu_ns,
                            s->pressure_memory_ns,
                            s->pressure_io_ns,
                            s->minor_faults,
                            s->major_faults,
                            s->voluntary_switches,
                            s->involuntary_switches,
                            s->rss_bytes,
                            s->kv_bytes,
                            s->energy_joules};
  dyno_csv_text(csv, m->cases[s->case_index].name);
  dyno_csv_text(csv, s->prompt);
  dyno_csv_integer(csv, s->warmup);
  dyno_csv_integer(csv, s->iteration);
  dyno_csv_integer(csv, s->sequence);
  dyno_csv_integer(csv, s->run);
  dyno_csv_integer(csv, (uint64_t)s->begun_ns);
  dyno_csv_integer(csv, s->prompt_tokens);
  dyno_csv_integer(csv, s->output_tokens);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    dyno_csv_number(csv, numbers[i]);
  dyno_csv_text(csv, s->hash);
  dyno_csv_end_row(csv);
}

dyno_status dyno_export_csv(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  (void)error;
  dyno_csv csv = DYNO_CSV(stream);
  for (size_t i = 0; i < sizeof csv_columns / sizeof *csv_columns; i++)
    dyno_csv_text(&csv, csv_columns[i]);
  dyno_csv_end_row(&csv);
  for (size_t i = 0; i < folder->results->sample_count; i++)
    csv_row(&csv, &folder->results->manifest, &folder->results->samples[i]);
  return DYNO_OK;
}

/* ---- Markdown ---- */

static void markdown_verdict(FILE *stream, const json_t *verdict)
{
  if (json_array_size(verdict) == 0)
    return;
  fputs("| criterion | holds | reason |\n|---|---|---|\n", stream);
  for (size_t i = 0; i < json_array_size(verdict); i++) {
    const json_t *one = json_array_get(verdict, i), *holds = json_object_get(one, "holds");
    fputs("| ", stream);
    dyno_markdown_text(stream, dyno_bench_member_text(one, "criterion"));
    fprintf(stream, " | %s | ",
            json_is_true(holds)    ? "yes"
            : json_is_false(holds) ? "**no**"
                                   : "not told");
    dyno_markdown_text(stream, dyno_bench_member_text(one, "reason"));
    fputs(" |\n", stream);
  }
  fputc('\n', stream);
}

static void markdown_rate(FILE *stream, const json_t *metric)
{
  char median[DYNO_UNIT_TEXT], low[DYNO_UNIT_TEXT], high[DYNO_UNIT_TEXT];
  const json_t *interval = json_object_get(metric, "median_95");
  dyno_format_number(median, dyno_bench_member(metric, "median"));
  dyno_format_number(low, dyno_bench_member(interval, "low"));
  dyno_format_number(high, dyno_bench_member(interval, "high"));
  if (isfinite(dyno_bench_member(interval, "low")))
    fprintf(stream, " %s (%s to %s) |", median, low, high);
  else
    fprintf(stream, " %s |", median);
}

static void markdown_time(FILE *stream, const json_t *metric, const char *which)
{
  char text[DYNO_UNIT_TEXT];
  dyno_format_seconds(text, dyno_bench_member(metric, which) / nanoseconds_per_second);
  fprintf(stream, " %s |", text);
}

dyno_status dyno_export_markdown(FILE *stream, const dyno_bench_folder *folder, dyno_error *error)
{
  (void)error;
  const dyno_bench_manifest *m = &folder->results->manifest;
  fputs("### ", stream);
  dyno_markdown_text(stream, m->model.name);
  fprintf(stream, ", %u thread%s, ", m->engine.threads, m->engine.threads == 1 ? "" : "s");
  dyno_markdown_text(stream, m->engine.tier);
  fputs("\n\n", stream);
  markdown_verdict(stream, json_object_get(folder->summary, "verdict"));
  fputs("| case | decode, tokens/s (95 %) | prefill, tokens/s (95 %) | first token | "
        "between tokens, p99 | iterations |\n|---|--:|--:|--:|--:|--:|\n",
        stream);
  for (size_t i = 0; i < m->case_count; i++) {
    const char *name = m->cases[i].name;
    double count = dyno_bench_member(dyno_bench_summary_case(folder->summary, name), "iterations");
    fputs("| ", stream);
    dyno_markdown_text(stream, name);
    fputs(" |", stream);
    markdown_rate(stream, dyno_bench_summary_metric(folder->summary, name, "decode_tps"));
    markdown_rate(stream, dyno_bench_summary_metric(folder->summary, name, "prefill_tps"));
    markdown_time(stream, dyno_bench_summary_metric(folder->summary, name, "ttft_ns"), "median");
    markdown_time(stream, dyno_bench_summary_metric(folder->summary, name, "itl_ns"), "p99");
    fprintf(stream, " %.0f |\n", isfinite(count) ? count : 0);
  }
  fputs("\nMedians, with 95 % intervals from order statistics. ", stream);
  dyno_markdown_text(stream, m->id);
  fputs("\n", stream);
  return DYNO_OK;
}
