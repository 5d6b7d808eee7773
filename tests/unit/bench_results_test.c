/* Reading back what a benchmark left behind, whole and broken. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/report/bench_results.h"
#include "tests/unit/bench_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char folder[BENCH_FIXTURE_PATH];

static void make(void)
{
  bench_fixture_write(folder);
}

static void unmake(void)
{
  bench_fixture_remove(folder);
}

TestSuite(bench_results, .init = make, .fini = unmake);

static dyno_bench_results *read_folder(void)
{
  dyno_bench_results *results;
  dyno_error error = {0};
  dyno_status status = dyno_bench_results_read(&results, folder, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return results;
}

static void refuses(dyno_status wanted, const char *words)
{
  dyno_bench_results *results;
  dyno_error error = {0};
  dyno_status status = dyno_bench_results_read(&results, folder, &error);
  cr_assert(status == wanted && results == NULL, "status %s: %s", dyno_status_name(status),
            error.message);
  cr_assert(strstr(error.message, words) != NULL, "\"%s\" does not say \"%s\"", error.message,
            words);
}

Test(bench_results, reads_everything)
{
  dyno_bench_results *results = read_folder();
  const dyno_bench_manifest *manifest = &results->manifest;
  cr_assert_str_eq(manifest->id, "fixture");
  cr_assert_str_eq(manifest->protocol.profile, "standard");
  cr_assert(manifest->protocol.warmup == 2 && manifest->protocol.iterations == 10 &&
            manifest->protocol.seed == 7 && isnan(manifest->protocol.budget_seconds));
  cr_assert(manifest->model.file_bytes == 1e9 && manifest->engine.threads == 2);
  cr_assert(manifest->engine.feature_count == 2);
  cr_assert_str_eq(manifest->engine.features[1].value, "512");
  cr_assert(manifest->ceilings.read_all == 25e9 && isnan(manifest->ceilings.mac_f32));
  cr_assert(manifest->case_count == 2 && manifest->cases[1].prompts[0].output_tokens == 21);
  cr_assert(manifest->fact_count == 1 && manifest->environment[0].advice == NULL);
  cr_assert(results->sample_count == 24 && results->op_count == 12 && results->total_count == 4);
  cr_assert(results->counter_count == 1 && isnan(results->counters[0].value));
  cr_assert(results->memory_count == 10 && results->memory[0].case_index == DYNO_BENCH_NO_CASE &&
            isnan(results->memory[0].cache_bytes));
  cr_assert(results->text_count == 2 && results->texts[0].correct == DYNO_BENCH_YES &&
            results->texts[1].correct == DYNO_BENCH_UNKNOWN);
  dyno_bench_results_free(&results);
  cr_assert(results == NULL);
}

Test(bench_results, rates_follow_from_samples)
{
  dyno_bench_results *results = read_folder();
  const dyno_bench_sample *sample = &results->samples[2 + 12]; /* long, the first measured */
  cr_assert(sample->case_index == 1 && !sample->warmup && sample->iteration == 0);
  cr_assert(sample->itl_count == 20 && isnan(sample->pressure_cpu_ns) && sample->steal_ns == 0);
  cr_assert(fabs(dyno_bench_decode_rate(sample) - 10) < 1e-6);
  cr_assert(fabs(dyno_bench_tpot(sample) - 1e8) < 1);
  cr_assert(fabs(dyno_bench_prefill_rate(sample) - 200) < 1e-9);
  cr_assert(fabs(dyno_bench_overall_rate(sample) - 21 / 2.502) < 1e-9);
  dyno_bench_results_free(&results);
}

Test(bench_results, a_cut_off_line_is_ignored)
{
  bench_fixture_put(folder, "samples.jsonl", "{\"case\": \"short\", \"itl_", true);
  dyno_bench_results *results = read_folder();
  cr_assert(results->sample_count == 24);
  dyno_bench_results_free(&results);
}

Test(bench_results, only_the_manifest_has_to_be_there)
{
  static const char *const files[] = {"samples.jsonl", "ops.jsonl", "counters.jsonl",
                                      "memory.jsonl", "texts.jsonl"};
  for (size_t i = 0; i < COUNT(files); i++)
    bench_fixture_put(folder, files[i], NULL, false);
  dyno_bench_results *results = read_folder();
  cr_assert(results->sample_count == 0 && results->manifest.case_count == 2);
  dyno_bench_results_free(&results);
  bench_fixture_put(folder, "manifest.json", NULL, false);
  refuses(DYNO_ERROR_NOT_FOUND, "manifest.json");
}

Test(bench_results, unknown_fields_are_ignored)
{
  bench_fixture_edit(folder, "manifest.json", "\"id\"", "\"new\": [{}], \"id\"");
  bench_fixture_edit(folder, "ops.jsonl", "\"calls\"", "\"later\": {\"a\": 1}, \"calls\"");
  dyno_bench_results *results = read_folder();
  dyno_bench_results_free(&results);
}

typedef struct breakage {
  const char *file, *old, *new, *words;
} breakage;

static const breakage breakages[] = {
    {"manifest.json", "manifest/1", "manifest/2",
     "manifest.json: schema: \"dyno.bench.manifest/2\""},
    {"manifest.json", "\"id\": \"fixture\"", "\"id\": 5", "manifest.json: id: is an integer"},
    {"manifest.json", "\"protocol\": {", "\"protocol\": 1, \"x\": {", "protocol: is an integer"},
    {"manifest.json", "\"iterations\": 10", "\"iterations\": -1", "protocol.iterations: is -1"},
    {"manifest.json", "\"iterations\": 10", "\"iterations\": 1.5",
     "protocol.iterations: is a number"},
    {"manifest.json", "\"name\": \"long\"", "\"name\": \"short\"",
     "cases[1].name: \"short\" is there"},
    {"manifest.json", "\"threads\": 2", "\"threads\": 1e3", "engine.threads"},
    {"manifest.json", "\"command\": [", "\"command\": [7, ", "command: element 0"},
    {"manifest.json", "\"why\": \"ranked\"}", "\"why\": []}", "engine.kernels[0].why: is an array"},
    {"manifest.json", "{\"schema\"", "[{\"schema\"", "manifest.json:"},
    {"manifest.json", "\"read_all\": 25e9", "\"read_all\": 1e999", "manifest.json:"},
    {"samples.jsonl", "\"case\": \"short\"", "\"case\": \"none\"",
     "samples.jsonl:1: case: \"none\""},
    {"samples.jsonl", "\"warmup\": true", "\"warmup\": 1", "samples.jsonl:1: warmup"},
    {"samples.jsonl", "\"warmup\": false", "\"warmup\": null", "samples.jsonl:3: warmup: is null"},
    {"samples.jsonl", "\"output_tokens\": 5", "\"output_tokens\": 6", "itl_ns: has 4 elements"},
    {"samples.jsonl", "\"output_tokens\": 5", "\"output_tokens\": 0", "output_tokens: is 0"},
    {"samples.jsonl", "\"output_tokens\": 5", "\"output_tokens\": 9e99", "output_tokens"},
    {"samples.jsonl", "\"prefill_ns\": 1", "\"prefill_ns\": -1", "prefill_ns: is -"},
    {"samples.jsonl", "\"prefill_ns\"", "\"prefill\"", "prefill_ns: is missing"},
    {"samples.jsonl", "\"e2e_ns\": ", "\"e2e_ns\": 1, \"_\": ", "e2e_ns: is less"},
    {"samples.jsonl", "\"itl_ns\": [", "\"itl_ns\": [\"x\", ", "itl_ns"},
    {"samples.jsonl", "\"itl_ns\": [5", "\"itl_ns\": [-5", "itl_ns: element 0"},
    {"samples.jsonl", "\"case\"", "case\"", "samples.jsonl:1: column"},
    {"samples.jsonl", "\"short\", \"prompt\"", "\"sh\xff\", \"prompt\"", "samples.jsonl:1: column"},
    {"samples.jsonl", "{\"case\"", "[]\n{\"case\"", "samples.jsonl:1: is not an object"},
    {"ops.jsonl", "\"phase\": \"decode\"", "\"phase\": \"rest\"", "ops.jsonl:1: phase: \"rest\""},
    {"ops.jsonl", "\"embedding\"", "\"tail\"", "ops.jsonl:1: component: \"tail\""},
    {"ops.jsonl", "\"wall_ns\"", "\"wall\"", "ops.jsonl:4: wall_ns: is missing"},
    {"ops.jsonl", "\"tokens\": 10", "\"tokens\": 0", "ops.jsonl:4: tokens: is 0"},
    {"counters.jsonl", "\"counter\"", "\"count\"", "counters.jsonl:1: counter: is missing"},
    {"memory.jsonl", "\"kv_bytes\": 1", "\"kv_bytes\": false, \"_\": 1",
     "memory.jsonl:2: kv_bytes"},
    {"texts.jsonl", "\"text\": \"42\"", "\"text\": 42", "texts.jsonl:1: text: is an integer"},
};

Test(bench_results, broken_files_are_refused)
{
  for (size_t i = 0; i < COUNT(breakages); i++) {
    const breakage *broken = &breakages[i];
    unmake();
    make();
    bench_fixture_edit(folder, broken->file, broken->old, broken->new);
    refuses(DYNO_ERROR_FORMAT, broken->words);
  }
}

Test(bench_results, files_that_are_none)
{
  char path[BENCH_FIXTURE_PATH + 32];
  snprintf(path, sizeof path, "%s/ops.jsonl", folder);
  cr_assert(unlink(path) == 0 && mkdir(path, 0700) == 0);
  refuses(DYNO_ERROR_FORMAT, "ops.jsonl is not a file");
  cr_assert(rmdir(path) == 0 && mkfifo(path, 0600) == 0); /* must not wait for a writer */
  refuses(DYNO_ERROR_FORMAT, "ops.jsonl is not a file");
}

Test(bench_results, deep_and_long_lines)
{
  static char line[200001];
  memset(line, '[', sizeof line - 2);
  line[sizeof line - 2] = '\n';
  bench_fixture_put(folder, "texts.jsonl", line, false);
  refuses(DYNO_ERROR_FORMAT, "texts.jsonl:1");
}
