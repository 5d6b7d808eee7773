/* What a benchmark's raw files come to, with figures worked out by hand from the fixture's. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_report.h"
#include "harness/report/bench_summary.h"
#include "tests/unit/bench_fixture.h"

static char folder[BENCH_FIXTURE_PATH];
static dyno_bench_results *results;
static dyno_bench_summary summary;

static void make(void)
{
  bench_fixture_write(folder);
}

static void unmake(void)
{
  dyno_bench_summary_free(&summary);
  dyno_bench_results_free(&results);
  bench_fixture_remove(folder);
}

TestSuite(bench_summary, .init = make, .fini = unmake);

static void summarize(void)
{
  dyno_error error = {0};
  cr_assert(dyno_bench_results_read(&results, folder, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_bench_summarize(&summary, results, &error) == DYNO_OK, "%s", error.message);
}

static void near(const char *what, double got, double want)
{
  cr_assert(fabs(got - want) <= 1e-6 * fabs(want), "%s is %.9g, not %.9g", what, got, want);
}

static const dyno_summary *of(size_t index, dyno_bench_metric metric)
{
  return &summary.cases[index].metrics[metric].summary;
}

Test(bench_summary, statistics_of_cases)
{
  summarize();
  cr_assert(summary.complete && summary.cases[0].measured == 10);
  near("decode", of(0, DYNO_BENCH_DECODE_TPS)->median, 20.45);
  near("decode, lowest", of(1, DYNO_BENCH_DECODE_TPS)->minimum, 10);
  near("prefill", of(1, DYNO_BENCH_PREFILL_TPS)->mean, 200);
  near("ttft", of(0, DYNO_BENCH_TTFT)->median, 102e6);
  near("e2e", of(1, DYNO_BENCH_E2E)->maximum, 502e6 + 20e9 / 10);
  near("tpot", of(1, DYNO_BENCH_TPOT)->maximum, 1e8);
  cr_assert(of(1, DYNO_BENCH_ITL)->count == 200 && of(0, DYNO_BENCH_ITL)->count == 40);
  near("all decode", (double)summary.overall.metrics[DYNO_BENCH_DECODE_TPS].count, 20);
  near("geometric mean", summary.geometric[DYNO_BENCH_DECODE_TPS], sqrt(20.45 * 10.45));
  const dyno_interval *mean = &summary.cases[0].metrics[DYNO_BENCH_DECODE_TPS].mean_95;
  cr_assert(mean->low > 20.2 && mean->low < 20.45 && mean->high > 20.45 && mean->high < 20.7);
}

Test(bench_summary, steadiness_and_correctness)
{
  summarize();
  const dyno_bench_case_summary *first = &summary.cases[0];
  cr_assert(first->steady.verdict == DYNO_UNSTEADY && first->steady_by_prompt);
  near("drift", first->steady.drift, 0.9 / 20.45);
  cr_assert(first->hashes_equal == DYNO_BENCH_YES && first->repeated == DYNO_BENCH_YES);
  cr_assert(first->hits == 1 && first->asked == 1 && summary.cases[1].asked == 0);
}

Test(bench_summary, other_output_is_seen)
{
  bench_fixture_edit(folder, "samples.jsonl", "\"hash\": \"short\"", "\"hash\": \"other\"");
  summarize();
  cr_assert(summary.cases[0].hashes_equal == DYNO_BENCH_NO);
  cr_assert(summary.cases[1].hashes_equal == DYNO_BENCH_YES);
  cr_assert(summary.overall.hashes_equal == DYNO_BENCH_NO);
  cr_assert(summary.verdicts[2].holds == DYNO_BENCH_NO);
}

Test(bench_summary, outliers_stand_beside_what_disturbed_them)
{
  /* The first measured iteration of "short". */
  bench_fixture_edit(folder, "samples.jsonl",
                     "\"warmup\": false, \"iteration\": 0, \"sequence\": 2, \"run\": 0, "
                     "\"begun_ns\": 1754395200000000000, \"prompt_tokens\": 10",
                     "\"warmup\": false, \"iteration\": 0, \"sequence\": 2, \"run\": 0, "
                     "\"pressure_io_ns\": 7000000, \"prompt_tokens\": 1000");
  summarize();
  const dyno_bench_outlier *outlier = summary.cases[0].outliers;
  cr_assert(summary.cases[0].outlier_count == 1 && summary.cases[1].outlier_count == 0);
  cr_assert(outlier->metric == DYNO_BENCH_PREFILL_TPS && outlier->sample->iteration == 0);
  cr_assert_str_eq(outlier->label, "severe, mad");
  cr_assert(outlier->sample->pressure_io_ns == 7e6);
}

Test(bench_summary, guide_tables)
{
  summarize();
  const dyno_bench_component_row *rows = summary.components;
  cr_assert_str_eq(rows[0].component, "tokenizer");
  near("tokenizer", rows[0].tps, 1100 / 0.020);
  near("attention", rows[2].tps, 20 / (0.3 * 1.5));
  near("feed-forward", rows[3].tps, 20 / (0.6 * 1.5));
  near("feed-forward in prefill", rows[3].prefill_tps, 20 / (0.6 * 0.15));
  near("the guide's", rows[3].guide_optimized, 70);
  near("overall", rows[6].tps, sqrt(20.45 * 10.45));
  double shares = 0;
  for (size_t i = 0; i < 6; i++)
    shares += isnan(rows[i].share) ? 0 : rows[i].share;
  near("all shares", shares, 1);
  near("weights", summary.memory[0].peak, 900e6);
  near("kv, average", summary.memory[1].average, 4.5e6);
  cr_assert(isnan(summary.memory[3].peak), "there is no cache");
  near("all memory", summary.memory[5].peak, 1.3e9);
  near("prefill", summary.latency[0].median, (100e6 + 500e6) / 2);
  near("memory management", summary.latency[2].median, 500000);
  cr_assert(summary.roof_count == 8);
  near("intensity", summary.roofline[0].intensity, 1);
  near("bandwidth", summary.roofline[1].bytes_per_second, 7e9 / (0.6 * 0.5));
}

Test(bench_summary, decode_and_projection)
{
  summarize();
  near("bytes", summary.decode_bytes_per_token, 1e9);
  near("of read", summary.decode_of_read, 0.77);
  cr_assert(!summary.cached && summary.decode_of_read_count == 10);
  cr_assert(!summary.projection.bytes_measured && !summary.projection.share_measured);
  near("here", summary.projection.machines[0].decode_tps, 20e9 * 0.9 / 2.57e9);
  near("target", summary.projection.machines[1].decode_tps, 4 * 38.4e9 * 0.8 * 0.9 / 2.57e9);
  cr_assert(summary.verdicts[0].holds == DYNO_BENCH_UNKNOWN && summary.verdicts[0].projected);
  cr_assert(strstr(summary.verdicts[0].reason, "projection") != NULL);
}

static void become_20b(void)
{
  bench_fixture_edit(folder, "manifest.json", "\"parameters\": 2000000",
                     "\"parameters\": 2.091e10");
  bench_fixture_edit(folder, "manifest.json", "\"layers\": 4", "\"layers\": 24");
  bench_fixture_edit(folder, "manifest.json", "\"vocabulary\": 512", "\"vocabulary\": 201088");
}

Test(bench_summary, verdict_of_the_real_size)
{
  become_20b();
  summarize();
  const dyno_bench_verdict *tps = &summary.verdicts[0];
  cr_assert(tps->holds == DYNO_BENCH_NO && !tps->projected);
  near("measured", tps->measured, sqrt(20.45 * 10.45));
  near("needed", tps->needed_bandwidth, 30 * 1e9 / 0.77);
  cr_assert(strstr(tps->reason, "allow about 20.0, so 30 are impossible here") != NULL, "%s",
            tps->reason);
  cr_assert(summary.verdicts[1].holds == DYNO_BENCH_YES);
  cr_assert(summary.verdicts[2].holds == DYNO_BENCH_NO, "10.45 is half of 20.45");
  near("ratio", summary.verdicts[2].measured, 10.45 / 20.45);
}

Test(bench_summary, an_unfinished_run)
{
  bench_fixture_put(folder, "samples.jsonl", NULL, false);
  bench_fixture_put(folder, "ops.jsonl", NULL, false);
  bench_fixture_put(folder, "memory.jsonl", NULL, false);
  summarize();
  cr_assert(!summary.complete && summary.cases[0].measured == 0);
  cr_assert(isnan(summary.geometric[DYNO_BENCH_DECODE_TPS]));
  for (size_t i = 0; i < DYNO_BENCH_VERDICTS; i++)
    cr_assert(summary.verdicts[i].holds == DYNO_BENCH_UNKNOWN && summary.verdicts[i].reason[0]);
}

Test(bench_summary, answers_of_one_token)
{
  bench_fixture_put(folder, "samples.jsonl",
                    "{\"case\": \"short\", \"prompt\": \"p\", \"warmup\": false, \"iteration\": 0, "
                    "\"prompt_tokens\": 10, \"output_tokens\": 1, \"prefill_ns\": 5, \"ttft_ns\": "
                    "6, \"e2e_ns\": 6, \"itl_ns\": []}\n",
                    false);
  summarize();
  cr_assert(summary.cases[0].metrics[DYNO_BENCH_DECODE_TPS].count == 0);
  cr_assert(summary.cases[0].metrics[DYNO_BENCH_PREFILL_TPS].count == 1);
}

/* Reports */

static json_t *load_summary(void)
{
  char path[BENCH_FIXTURE_PATH + 32];
  json_error_t problem;
  snprintf(path, sizeof path, "%s/summary.json", folder);
  json_t *json = json_load_file(path, 0, &problem);
  cr_assert(json != NULL, "summary.json: %s", problem.text);
  return json;
}

static char *report(dyno_status wanted)
{
  char *text = NULL;
  size_t count;
  dyno_error error = {0};
  FILE *stream = open_memstream(&text, &count);
  dyno_bench_report_options options = {.tables = stream, .no_plots = true};
  dyno_status status = dyno_bench_report(folder, &options, &error);
  fclose(stream);
  cr_assert(status == wanted, "%s", error.message);
  return text;
}

Test(bench_summary, report_writes_everything)
{
  char *tables = report(DYNO_OK), *markdown = bench_fixture_get(folder, "report.md");
  json_t *json = load_summary();
  cr_assert_str_eq(json_string_value(json_object_get(json, "schema")), DYNO_BENCH_SUMMARY_SCHEMA);
  cr_assert(json_is_true(json_object_get(json, "complete")));
  const json_t *first = json_array_get(json_object_get(json, "cases"), 0);
  const json_t *decode = json_object_get(json_object_get(first, "metrics"), "decode_tps");
  near("decode in JSON", json_number_value(json_object_get(decode, "median")), 20.45);
  cr_assert(json_array_size(json_object_get(decode, "values")) == 10);
  cr_assert(strstr(tables, "feed_forward") != NULL && strstr(tables, "20.4") != NULL, "%s", tables);
  cr_assert(strstr(tables, "unsteady") != NULL);
  for (const char *line = tables, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
    cr_assert(end - line <= 110, "a line of %td bytes", end - line);
  cr_assert(markdown != NULL && strstr(markdown, "| feed_forward |") != NULL, "%s", markdown);
  free(tables);
  free(markdown);
  json_decref(json);
}

Test(bench_summary, report_of_nothing)
{
  bench_fixture_put(folder, "samples.jsonl", NULL, false);
  bench_fixture_put(folder, "ops.jsonl", NULL, false);
  char *tables = report(DYNO_OK);
  cr_assert(strstr(tables, "incomplete: 0 of 10 iterations") != NULL, "%s", tables);
  free(tables);
  json_t *json = load_summary();
  cr_assert(json_is_false(json_object_get(json, "complete")));
  json_decref(json);
}

Test(bench_summary, a_broken_folder_keeps_its_summary)
{
  free(report(DYNO_OK));
  bench_fixture_edit(folder, "samples.jsonl", "\"warmup\"", "\"warm\"");
  free(report(DYNO_ERROR_FORMAT));
  json_decref(load_summary());
}
